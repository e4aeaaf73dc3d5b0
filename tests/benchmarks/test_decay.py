"""What is planted is what was said, and streams of days differ from real ones in nothing else."""

from __future__ import annotations

import math

import decay
import numpy as np
import pandas as pd
import pytest
from decay_days import COLUMNS, DECAYS, NO_DECAY, ZONE, redated

ALL = {one.name: one for one in (NO_DECAY, *DECAYS)}


def a_day(rows=600, date="2013-03-05"):
    rng = np.random.default_rng(0)
    at = pd.Timestamp(date, tz=ZONE) + pd.to_timedelta(np.sort(rng.integers(300, 1430, rows)), unit="min")
    numbers = {name: rng.uniform(20, 90, rows) for name in COLUMNS[3:]}
    return pd.DataFrame(
        {
            "flight_id": [f"F{number}" for number in range(rows)],
            "departure": at.tz_convert("UTC"),
            "carrier": rng.choice(["UA", "B6", "DL"], rows, p=[0.2, 0.5, 0.3]),
            "origin": rng.choice(["EWR", "JFK", "LGA"], rows),
            "dest": rng.choice([f"D{number}" for number in range(30)], rows),
            **numbers,
            "late": rng.integers(0, 2, rows).astype("int8"),
        }
    )


def planted(name):
    return ALL[name].change(a_day(), np.random.default_rng(1))


def changed(name):
    before, after = a_day(), planted(name)
    assert len(after) == len(before)
    return {one for one in before if not before[one].equals(after[one])}


@pytest.mark.parametrize("name", [one.name for one in DECAYS if one.labels_only])
def test_a_decay_of_labels_leaves_the_features_alone(name):
    assert changed(name) == {"late"}


@pytest.mark.parametrize(
    "name,columns",
    [
        ("no decay", set()),
        ("temp and wind 60 % null", {"temp", "wind_speed"}),
        ("temp in Celsius at JFK", {"temp"}),
        ("pressure constant", {"pressure"}),
        ("dest of all exchanged", {"dest"}),
    ],
)
def test_a_decay_of_features_changes_these_and_nothing_else(name, columns):
    assert changed(name) == columns


def test_decays_are_as_strong_as_they_say():
    before = a_day()
    assert planted("temp and wind 60 % null")["temp"].isna().mean() == pytest.approx(0.6, abs=0.08)
    assert (planted("United x 2")["carrier"] == "UA").mean() == pytest.approx(
        2 * (before["carrier"] == "UA").mean(), abs=0.08
    )
    late = planted("20 % of on-time flights late")["late"][before["late"] == 0]
    assert late.mean() == pytest.approx(0.2, abs=0.08)
    exchanged = planted("dest of all exchanged")
    assert sorted(exchanged["dest"]) == sorted(before["dest"])
    assert planted("labels of all exchanged")["late"].sum() == before["late"].sum()


def test_a_day_on_another_date_has_the_same_times_by_the_clock():
    moved = redated(a_day(date="2013-03-05"), 14)  # past the beginning of summer time
    old, new = (one["departure"].dt.tz_convert(ZONE) for one in (a_day(date="2013-03-05"), moved))
    assert set(new.dt.date.astype(str)) == {"2013-03-19"}
    assert (old.dt.strftime("%H:%M") == new.dt.strftime("%H:%M")).all()


def test_streams_keep_the_weekdays_in_turn_and_repeat_no_day_before_all_have_been():
    made = list(decay.streams(28, 40, 5, seed=1))
    assert made == list(decay.streams(28, 40, 5, seed=1))
    for places in made:
        assert [one % 7 for one in places] == [one % 7 for one in range(40)]
        assert sorted(places[:28]) == list(range(28))
    assert made[0] != made[1]


def test_only_rivals_with_few_false_alarms_are_compared_with():
    quiet = {"ours": [False] * 100, "jumpy": [True] * 6 + [False] * 94, "calm": [True] * 5 + [False] * 95}
    days = {"broken": {"ours": [3.0, 4.0, 9.0], "jumpy": [1.0] * 3, "calm": [2.0, math.inf, math.inf]}}
    results = decay.Results([decay.Found(quiet, days)], None, decay.QUICK)
    assert results.rivals == ["calm"]
    assert results.best("broken") == ("calm", math.inf)
    measured = {one.name: one for one in results.measures()}
    assert measured["false alarms in 100 days, jumpy"].value == 6
    # never counts as the day after the last one
    assert measured["days later than the best rival, broken"].value == 4 - (decay.QUICK.horizon + 1)
    assert "| calm | 5 | never |" in results.table()


def test_ours_is_compared_only_with_few_false_alarms_of_its_own():
    quiet = {"ours": [True] * 6 + [False] * 94, "calm": [False] * 100}
    days = {NO_DECAY.name: {"ours": [1.0], "calm": [math.inf]}, "broken": {"ours": [1.0], "calm": [2.0]}}
    results = decay.Results([decay.Found(quiet, days)], None, decay.QUICK)
    compared = [one for one in results.measures() if one.name.startswith("days later")]
    assert [(one.name, one.holds) for one in compared] == [("days later than the best rival, broken", False)]
