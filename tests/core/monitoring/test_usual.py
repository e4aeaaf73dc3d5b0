from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.monitoring.columns import Watched
from airflow_mlops.core.monitoring.usual import UsualChange, usual_change

DAY = timedelta(days=1)
WEATHER = Watched("weather", "number", "number")
STABLE = Watched("stable", "number", "number")
KIND = Watched("kind", "string", "category")
COLUMNS = (WEATHER, STABLE, KIND)


def days(count, rows=80, seed=0):
    """Each day has its own weather; the other columns are the same every day."""
    draw = np.random.default_rng(seed)
    n = count * rows
    return pd.DataFrame(
        {
            "weather": np.repeat(draw.normal(size=count), rows) + draw.normal(0, 0.3, n),
            "stable": draw.normal(size=n),
            "kind": draw.choice(["a", "b", "c"], n),
            "at": pd.date_range("2024-01-01", periods=n, freq=DAY / rows, tz="UTC"),
        }
    )


def usual_of(frame, **options):
    return usual_change(frame, frame["at"], COLUMNS, **{"length": DAY, "alpha": 0.05, **options})


@pytest.fixture(scope="module")
def usual():
    return usual_of(days(60), classifier=False)


def test_what_changes_from_day_to_day_has_a_high_limit_and_the_rest_a_low_one(usual):
    assert usual.windows == 60
    assert 0.9 < usual.effect("weather", "values") < 1.0
    assert usual.effect("stable", "values") < 0.35  # of 80 rows
    assert usual.effect("kind", "missing") == usual.effect("kind", "vanished") == 0.0
    assert usual.auc is None


def test_one_odd_day_is_not_usual_and_five_are():
    frame = days(60)
    frame.loc[800:879, "stable"] = np.nan  # all of day 10
    assert usual_of(frame, classifier=False).effect("stable", "missing") < 0.1
    for day in (20, 30, 40, 50):
        frame.loc[80 * day : 80 * day + 79, "stable"] = np.nan
    assert usual_of(frame, classifier=False).effect("stable", "missing") > 0.9


def test_days_that_a_classifier_tells_apart(usual):
    found = usual_of(days(30), classifier=True)
    assert found.auc > 0.9
    stable = usual_change((frame := days(30, rows=400)), frame["at"], [STABLE, KIND], length=DAY, alpha=0.05)
    assert stable.auc < 0.7


def test_predictions_have_their_own_windows():
    frame, held = days(40), days(20, seed=1)
    found = usual_of(frame, classifier=False, predictions=(held["at"], held["weather"].to_numpy()))
    assert found.effect("prediction", "values") > 0.7
    few = days(3, seed=1)
    found = usual_of(frame, classifier=False, predictions=(few["at"], few["weather"].to_numpy()))
    assert found.effect("prediction", "values") == 0.0


@pytest.mark.parametrize("count, windows", [(0, 0), (4, 4)])
def test_too_few_windows_say_nothing(count, windows):
    assert usual_of(days(count)) == UsualChange(windows=windows)


def test_windows_with_few_rows_and_rows_without_a_time_are_left_out():
    frame = days(20)
    frame.loc[:59, "at"] = pd.NaT  # 20 rows are left of the first day
    assert usual_of(frame, classifier=False).windows == 19


def test_the_same_data_give_the_same_limits(usual):
    assert usual_of(days(60), classifier=False) == usual
    assert UsualChange.from_bytes(usual.to_bytes()) == usual


@pytest.mark.slow
def test_days_like_those_of_the_training_rarely_exceed_the_limits():
    """A fifth of 300 days is held out: few of them exceed any limit, where without limits all would."""
    from airflow_mlops.core.monitoring.aspects import movements
    from airflow_mlops.core.monitoring.columns import read_frame_of, sample_of

    frame = days(300)
    day = np.arange(len(frame)) // 80
    known = day % 5 > 0
    found = usual_of(frame[known].assign(at=frame["at"].to_numpy()[: known.sum()]), classifier=False)
    read = read_frame_of(frame, COLUMNS)
    before = {one.name: sample_of(read[known][one.name], one.kind) for one in COLUMNS}
    large = over = 0
    for one in range(0, 300, 5):
        moved = [
            (move.effect, found.effect(column.name, move.aspect))
            for column in COLUMNS
            for move in movements(before[column.name], sample_of(read[day == one][column.name], column.kind))
        ]
        large += any(effect > 0.1 for effect, _ in moved)
        over += any(effect > max(0.1, limit) for effect, limit in moved)
    assert large > 55
    assert over <= 8
