"""Days until a planted decay is noticed: our look, Evidently's and NannyML's defaults, once a day, on real flights.

A model answers days of flights that are like those it learned from (``decay_days.py``); from a day on a decay is in
them. Labels come seven days late. Each decider looks at the end of each day: 1 means that the end of the first decayed
day showed it. An alert at any later day counts as noticed, also one by chance: so only deciders count, ours too, whose
alerts on days without a decay are at most 5 in 100. The column "no decay" of the table is the control: so soon each
one alerts by chance alone.

NannyML is installed from PyPI into a temporary environment (a minute or two), or ``--nannyml PYTHON`` names one that
has it; ``--no-nannyml`` leaves it out, and so does ``--quick``.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from decay_days import DECAYS, NO_DECAY, World
from decay_nannyml import CALCULATORS, LABELS_LATE, install
from decay_ours import Judged, Monitor
from decay_rivals import EVIDENTLY_SHARE, Evidently, nannyml_alerts
from reporting import Measure, report, share_interval

#: Days without a decay before the planted one, and days until "never".
BEFORE, HORIZON = 14, 30
#: Periods that reach labels which come seven days late; the default of seven does not.
LONGER = 14
MOST_FALSE = 0.05
#: Of the real days in their order, July to September.
REAL_DAYS = 92
OURS = "ours"
EVIDENTLY = ("Evidently, data set", "Evidently, any column")
ALL_OF_NANNYML = "NannyML, any of these"
QUICK_DECAYS = ("labels of all exchanged", "temp and wind 60 % null", "United x 4")

Alerts = dict[str, bool]


@dataclass(frozen=True)
class Size:
    """How much is run.

    :param quiet: live days of a world that are looked at without a decay; of them the first ``pool``, whole weeks, are
        those that streams are made of.
    :param streams: of each decay and world; ``horizon``: days until "never".
    """

    worlds: int = 2
    quiet: int = 70
    pool: int = 28
    streams: int = 8
    horizon: int = HORIZON
    real_days: bool = True
    decays: tuple[str, ...] = tuple(one.name for one in DECAYS)


FULL = Size()
QUICK = Size(1, 14, 14, 2, 7, real_days=False, decays=QUICK_DECAYS)


@dataclass
class Found:
    """What one world showed.

    :param quiet: of each decider, its alerts on the days without a decay.
    :param days: of each decay and decider, the days until it was noticed, by stream; infinite for never.
    """

    quiet: dict[str, list[bool]] = field(default_factory=dict)
    days: dict[str, dict[str, list[float]]] = field(default_factory=dict)


def streams(pool: int, length: int, count: int, seed: int) -> Iterator[list[int]]:
    """Places of days, week by week in random order: the weekdays stay in turn.

    :param pool: how many days there are, whole weeks.
    """
    rng = np.random.default_rng(seed)
    for _ in range(count):
        places: list[int] = []
        while len(places) < length:
            weeks = np.stack([rng.permutation(pool // 7) for _ in range(7)], axis=1)
            places += (weeks * 7 + np.arange(7)).ravel().tolist()
        yield places[:length]


class Play:
    """One world: every decider on the same days, what is shared by streams is computed once."""

    def __init__(self, seed: int | None, size: Size, python: Path | None) -> None:
        self.size = size
        self.world = World.make(seed)
        self.monitor = Monitor(self.world)
        self.evidently = Evidently(self.world)
        self.quiet = range(REAL_DAYS if seed is None else size.quiet)
        decays = [one for one in DECAYS if seed is not None and one.name in size.decays]
        self.cells = {NO_DECAY.name: self.world.decayed(NO_DECAY, self.quiet)}
        self.cells |= {one.name: self.world.decayed(one, range(size.pool)) for one in decays}
        self.labels_only = {one.name for one in DECAYS if one.labels_only}
        self.nannyml = nannyml_alerts(python, self.world, self.cells) if python else {}
        self._kept: dict[Any, Any] = {}

    def found(self) -> Found:
        """All days without a decay, then the streams of each decay, and of none."""
        result = Found()
        days = [(NO_DECAY.name, place) for place in self.quiet]
        for place in self.quiet:
            # The first days have the last ones before them.
            history = [days[(place - back) % len(days)] for back in reversed(range(BEFORE + 1))]
            for decider, alert in self.look(history).items():
                result.quiet.setdefault(decider, []).append(alert)
        if self.world.seed is not None:
            result.days = {decay: self.noticed(decay) for decay in self.cells}
        return result

    def noticed(self, decay: str) -> dict[str, list[float]]:
        """Of each decider the days until the decay is noticed."""
        found: dict[str, list[float]] = {}
        length = BEFORE + self.size.horizon
        for places in streams(self.size.pool, length, self.size.streams, seed=self.world.seed or 0):
            names = [NO_DECAY.name] * BEFORE + [decay] * self.size.horizon
            first = self.first_alerts(list(zip(names, places, strict=True)))
            for decider, day in first.items():
                found.setdefault(decider, []).append(day)
        return found

    def first_alerts(self, days: Sequence[tuple[str, int]]) -> dict[str, float]:
        """Look day by day until every decider has alerted."""
        first: dict[str, float] = {}
        for day in range(self.size.horizon):
            now = self.look(days[: BEFORE + day + 1])
            first = first or dict.fromkeys(now, math.inf)
            for decider, alert in now.items():
                if alert:
                    first[decider] = min(first[decider], day + 1)
            if all(map(math.isfinite, first.values())):
                break
        return first

    def look(self, days: Sequence[tuple[str, int]]) -> Alerts:
        """The alerts at the end of the newest of these days."""
        return {**self._ours(days), **self._evidently(*days[-1]), **self._nannyml(days)}

    def _ours(self, days: Sequence[tuple[str, int]]) -> Alerts:
        newest = days[-self.world.spec.monitoring.retrain.of :]
        drifts = [self._keep("drift", self._features(one), self.monitor.drift) for one in newest]
        drift = drifts[-1]
        asked = self.world.spec.monitoring.performance.periods
        short, longer = (self.monitor.judged(self._periods(days[-count:])) for count in (asked, LONGER))
        drifted = drift.outcome == "drift"
        return {
            OURS: drifted or bool(longer.failed),
            "ours, drift": drifted,
            "ours, columns alone": bool(drift.drifted),
            "ours, performance": bool(longer.failed),
            f"ours, performance of {asked} periods": bool(short.failed),
            "ours, asks to retrain": self.monitor.asks(drifts, longer),
        }

    def _periods(self, days: Sequence[tuple[str, int]]) -> list[tuple[Judged, bool]]:
        return [
            (self._keep("performance", cell, self.monitor.performance), len(days) - number > LABELS_LATE)
            for number, cell in enumerate(days)
        ]

    def _evidently(self, name: str, place: int) -> Alerts:
        share = self._keep("evidently", self._features((name, place)), self.evidently.share)
        return dict(zip(EVIDENTLY, (share >= EVIDENTLY_SHARE, share > 0), strict=True))

    def _nannyml(self, days: Sequence[tuple[str, int]]) -> Alerts:
        found = {}
        for calculator, waits in CALCULATORS.items():
            if calculator in self.nannyml:
                name, place = days[-1 - LABELS_LATE] if waits else days[-1]
                found[f"NannyML, {calculator}"] = self.nannyml[calculator][name][place]
        return {**found, ALL_OF_NANNYML: any(found.values())} if found else {}

    def _features(self, cell: tuple[str, int]) -> tuple[str, int]:
        """The day that looks alike without its labels."""
        return (NO_DECAY.name, cell[1]) if cell[0] in self.labels_only else cell

    def _keep(self, what: str, cell: tuple[str, int], compute: Any) -> Any:
        if (what, cell) not in self._kept:
            self._kept[what, cell] = compute(self.cells[cell[0]][cell[1]])
        return self._kept[what, cell]


def play(seed: int | None, size: Size, python: Path | None) -> Found:
    """In a process of its own."""
    warnings.simplefilter("ignore")
    return Play(seed, size, python).found()


@dataclass(frozen=True)
class Results:
    """All worlds together, and the real days in their order."""

    found: Sequence[Found]
    real: Found | None
    size: Size

    def quiet(self, decider: str) -> list[bool]:
        """Its alerts on days without a decay."""
        return [one for found in self.found for one in found.quiet[decider]]

    def false_alarms(self, decider: str) -> float:
        """Their share of the days."""
        return float(np.mean(self.quiet(decider)))

    def days(self, decay: str, decider: str) -> list[float]:
        """Days until it noticed, by stream."""
        return [one for found in self.found for one in found.days[decay][decider]]

    def median(self, decay: str, decider: str) -> float:
        """Infinite if fewer than half of the streams were noticed."""
        return float(np.quantile(self.days(decay, decider), 0.5, method="higher"))

    @property
    def deciders(self) -> list[str]:
        """Ours first."""
        return list(self.found[0].quiet)

    @property
    def rivals(self) -> list[str]:
        """Those that alert on few enough days without a decay."""
        others = [one for one in self.deciders if not one.startswith(OURS)]
        return [one for one in others if self.false_alarms(one) <= MOST_FALSE]

    def best(self, decay: str) -> tuple[str, float]:
        """The fastest of the rivals that count, and its days."""
        times: Mapping[str, float] = {one: self.median(decay, one) for one in self.rivals}
        name = min(times, key=lambda one: times[one], default="nobody")
        return name, times.get(name, math.inf)

    def measures(self) -> Iterator[Measure]:
        """False alarms of all, then how ours compares, decay by decay."""
        count = len(self.quiet(OURS))
        for decider in self.deciders:
            hits = sum(self.quiet(decider))
            low, high = share_interval(hits, count)
            note = f"95 % interval {100 * low:.1f}-{100 * high:.1f} (days as independent); {count} days"
            limit = 100 * MOST_FALSE if decider == OURS else None
            yield Measure(f"false alarms in 100 days, {decider}", 100 * hits / count, limit=limit, note=note)
        never = self.size.horizon + 1
        counts = self.false_alarms(OURS) <= MOST_FALSE
        for decay in self.found[0].days:
            if decay == NO_DECAY.name:
                continue
            own, (rival, best) = self.median(decay, OURS), self.best(decay)
            # Who alerts all the time is no faster than others.
            later = min(own, never) - min(best, never) if counts else math.inf
            note = f"{_days(own)} / {_days(best)} by {rival if math.isfinite(best) else 'any'}"
            note += "" if counts else "; ours has too many false alarms to count"
            yield Measure(f"days later than the best rival, {decay}", later, limit=0, note=note)

    def table(self) -> str:
        """In Markdown: deciders by decays."""
        decays = list(self.found[0].days)
        real = [] if self.real is None else ["alerts in 100 days, July to September"]
        heads = ["days until noticed (median)", "false alarms in 100 days", *real, *decays]
        lines = [f"| {' | '.join(heads)} |", "|---" + "|---:" * (len(heads) - 1) + "|"]
        for decider in self.deciders:
            shown = [f"{100 * self.false_alarms(decider):.0f}"]
            if self.real is not None:
                shown.append(f"{100 * np.mean(self.real.quiet[decider]):.0f}")
            shown += [_days(self.median(decay, decider)) for decay in decays]
            lines.append(f"| {decider} | {' | '.join(shown)} |")
        return "\n".join(lines)


def _days(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "never"


def measure(size: Size, python: Path | None) -> Iterator[Measure]:
    # The real days take longest.
    seeds: list[int | None] = [*([None] if size.real_days else []), *range(1, size.worlds + 1)]
    with ProcessPoolExecutor(min(2, len(seeds)), mp_context=get_context("spawn")) as pool:
        found = dict(
            zip(seeds, pool.map(play, seeds, [size] * len(seeds), [python] * len(seeds)), strict=True)
        )
    results = Results([found[one] for one in seeds if one is not None], found.get(None), size)
    yield from results.measures()
    streams_of = size.worlds * size.streams
    print(f"\n{results.table()}\n\n{size.worlds} models, {streams_of} streams of each decay;", end=" ")
    print(f"never: not within {size.horizon} days" + ("" if python else "; NannyML was left out"))


@contextmanager
def nannyml(given: str | None, wanted: bool) -> Iterator[Path | None]:
    """The Python of an environment with NannyML; None where it can't be had or is not wanted."""
    if given is not None or not wanted:
        yield None if given is None else Path(given)
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            python = install(Path(folder) / "environment")
        except subprocess.CalledProcessError as error:
            print(f"NannyML can't be had: {error.stderr.decode(errors='replace').strip()[-300:]}")
            yield None
            return
        yield python


def run(argv: list[str]) -> int:
    """Take our own options off, and report."""
    given, wanted = None, "--no-nannyml" not in argv and "--quick" not in argv
    rest = [one for one in argv if one != "--no-nannyml"]
    if "--nannyml" in rest:
        place = rest.index("--nannyml")
        if place + 1 == len(rest):
            raise SystemExit("--nannyml needs the Python of an environment with NannyML")
        given = rest[place + 1]
        del rest[place : place + 2]
    with nannyml(given, wanted) as python:
        return report(
            "Days until a planted decay is noticed",
            lambda quick: measure(QUICK if quick else FULL, python),
            rest,
        )


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
