"""Gates on the machine: level and growth, fail closed, and simulated chances of a wrong stop."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.rollout.machine import Readings, judge_machine, judge_machines

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
MEMORY, CPU = Gate(metric="memory", max=80), Gate(metric="cpu", max=80)


def series(values):
    return tuple((START + timedelta(minutes=number), float(value)) for number, value in enumerate(values))


def look(values, *, gate=MEMORY, left=DAY, later=timedelta(minutes=1)) -> GateResult:
    return judge_machine(gate, series(values), START + timedelta(minutes=len(values) - 1) + later, left)


def noise(rng, length, phi):
    """AR(1) with a standard deviation of 1."""
    values = rng.normal(size=length)
    for number in range(1, length):
        values[number] = phi * values[number - 1] + np.sqrt(1 - phi**2) * values[number]
    return values


def test_what_is_low_passes_and_says_its_numbers():
    result = look([40, 41, 40, 39, 40])
    assert (result.outcome, result.value, result.limit, result.samples) == ("pass", 40, 80, 5)
    assert result.reason == "passed: memory over 5 minutes; it is 40 %, 80 is allowed"


@pytest.mark.parametrize("gate", [MEMORY, CPU])
def test_a_level_above_the_limit_fails_and_one_spike_does_not(gate):
    assert look([40, 81, 82, 81, 83, 82], gate=gate).outcome == "fail"
    assert look([40, 40, 40, 99, 40, 40], gate=gate).outcome == "pass"


def test_only_the_recent_level_counts():
    assert look([95] * 10 + [50] * 5).outcome == "pass"


@pytest.mark.parametrize("values", [[], [40], [99] * 4, [float("nan")] * 20])
def test_too_few_values_are_undecided(values):
    result = look(values) if values else judge_machine(MEMORY, (), START, DAY)
    assert result.outcome == "inconclusive"
    assert "of at least 5 values" in result.reason


def test_old_values_are_undecided_however_good_they_were():
    result = look([40] * 30, later=timedelta(minutes=25))
    assert result.outcome == "inconclusive"
    assert "25 minutes old" in result.reason


def test_values_after_the_look_and_doubled_ones_do_not_count():
    now = START + timedelta(minutes=4)
    assert judge_machine(MEMORY, series([40] * 5 + [99] * 5), now, DAY).samples == 5
    assert judge_machine(MEMORY, series([40] * 5) * 2, now, DAY).samples == 5


def test_the_order_of_the_values_does_not_matter():
    values = series(range(40, 60))
    now = START + timedelta(minutes=20)
    assert judge_machine(MEMORY, values[::-1], now, DAY) == judge_machine(MEMORY, values, now, DAY)


def test_a_leak_fails_while_there_is_room_and_the_reason_says_when_it_would_have_hurt():
    result = look([40 + 0.5 * minute for minute in range(35)])
    assert result.outcome == "fail"
    assert (
        "is 56 % and grows by at least 0.5 points a minute; it would pass 80 in 48 minutes" in result.reason
    )
    assert result.value == 56


def test_growth_that_ends_before_the_limit_passes():
    values = [40 + 0.5 * minute for minute in range(35)]
    assert look(values, left=timedelta(minutes=40)).outcome == "pass"
    assert look(values, left=timedelta(minutes=60)).outcome == "fail"
    assert look([60 + 2 * minute for minute in range(9)]).outcome == "pass"


@pytest.mark.parametrize("minutes", [3, 10, 20])
def test_a_warm_up_that_levels_off_is_no_leak(minutes):
    values = [60 - 30 * np.exp(-minute / minutes) for minute in range(120)]
    outcomes = [look(values[:count]).outcome for count in range(10, 121)]
    assert "fail" not in outcomes
    assert outcomes[-1] == "pass"


def test_growth_that_slows_down_is_waited_for():
    values = [20.0 + minute for minute in range(30)] + [50 + 0.55 * minute for minute in range(30)]
    result = look(values)
    assert result.outcome == "inconclusive"
    assert "though more and more slowly" in result.reason


def test_cpu_follows_the_load_so_its_growth_is_no_leak():
    assert look([20 + minute for minute in range(40)], gate=CPU).outcome == "pass"


def test_without_readings_nothing_passes():
    (result,) = judge_machines((MEMORY,), None, "v2", DAY)
    assert result.outcome == "inconclusive"
    readings = Readings({"memory": {"v1": series([40] * 9)}}, START + timedelta(minutes=9))
    assert [one.outcome for one in judge_machines((MEMORY,), readings, "v2", DAY)] == ["inconclusive"]
    assert [one.outcome for one in judge_machines((MEMORY,), readings, "v1", DAY)] == ["pass"]


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_a_flat_series_is_hardly_ever_stopped_in_an_hour_of_looks(phi):
    rng = np.random.default_rng(20130101)
    runs = 100
    stopped = 0
    for _ in range(runs):
        values = 50 + 3 * noise(rng, 60, phi)
        stopped += any(look(values[:count]).outcome == "fail" for count in range(5, 61))
    assert stopped <= 0.02 * runs


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_a_leak_is_stopped_well_before_the_limit(phi):
    rng = np.random.default_rng(20130101)
    levels = []
    for _ in range(40):
        values = 40 + np.arange(60) + noise(rng, 60, phi)
        count = next(count for count in range(5, 61) if look(values[:count]).outcome == "fail")
        levels.append(values[count - 1])
    assert np.median(levels) < 63
    assert max(levels) < 70


def test_a_day_of_minutes_is_thinned_and_still_shows_a_slow_leak():
    minutes = np.arange(1440)
    values = 40 + minutes * 0.02 + noise(np.random.default_rng(1), 1440, 0.8)
    result = look(values)
    assert (result.outcome, result.samples) == ("fail", 1440)
