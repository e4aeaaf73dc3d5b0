"""How often a window without any change is called drift, and whether changes are found: our look beside Evidently's
defaults.

Each run draws a reference and a window from the same source. *ours* is the outcome of the monitor's whole comparison
(``monitoring.drift`` at its defaults: alpha 0.05, least 0.1, with the classifier). *Evidently* is ``DataDriftPreset``
by its defaults: *any column*, and its verdict on the data set (half of the columns). Its statistics are computed by
ours, which equal them to 1e-9 (``tests/core/monitoring/statistics``), as thousands of its reports would take hours.

The last part takes real days of flights as windows: held-out days of the same year, the rest of the days is the
reference. A day's weather is one value for hundreds of rows, so every day differs from the year by far more than
chance; *usual change* is what windows of the training data show among themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from reporting import Measure, report, share_interval

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.monitoring.columns import Watched, read_frame_of
from airflow_mlops.core.monitoring.comparison import compare
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.core.monitoring.usual import UsualChange, usual_change
from airflow_mlops.core.monitoring.window import Reference, Window
from airflow_mlops.demo.flights import WEATHER, flights
from airflow_mlops.spec import ModelSpec

ALPHA = 0.05
NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
REFERENCE_ROWS = 10_000
SIZES = (500, 5000)
#: Share of drifted columns from which Evidently calls the data set drifted.
EVIDENTLY_SHARE = 0.5
Rng = np.random.Generator
Draw = Callable[[Rng, int], pd.DataFrame]


@dataclass(frozen=True)
class Flags:
    """Shares of windows that were flagged."""

    ours: float
    any_column: float
    data_set: float
    runs: int


def normal(draw: Rng, n: int) -> pd.DataFrame:
    return pd.DataFrame(draw.normal(size=(n, 20)), columns=[f"x{number:02d}" for number in range(20)])


def categories(draw: Rng, n: int) -> pd.DataFrame:
    """Ten columns with 200 categories each, half of them of equal frequency and half of falling (1 / rank)."""
    falling = 1 / np.arange(1, 201)
    shares = [np.full(200, 1 / 200), falling / falling.sum()]
    columns = {f"c{number}": draw.choice(200, n, p=shares[number % 2]).astype(str) for number in range(10)}
    return pd.DataFrame(columns)


def tied(draw: Rng, n: int) -> pd.DataFrame:
    """Twenty columns of numbers of which many rows have the same: two values, counts, mostly zero, rounded."""
    columns = {}
    for number in range(5):
        columns[f"flag{number}"] = draw.integers(0, 2, n).astype(float)
        columns[f"count{number}"] = draw.poisson(1.0, n).astype(float)
        columns[f"zero{number}"] = np.where(draw.random(n) < 0.8, 0.0, draw.exponential(size=n))
        columns[f"round{number}"] = draw.normal(0, 2, n).round()
    return pd.DataFrame(columns)


@cache
def flight_rows() -> pd.DataFrame:
    return flights()[["departure", "carrier", "origin", "dest", "distance", *WEATHER]]


def shuffled_flights(draw: Rng, n: int) -> pd.DataFrame:
    rows = flight_rows()
    return rows.iloc[draw.integers(0, len(rows), n)].drop(columns="departure").reset_index(drop=True)


SOURCES: Mapping[str, Draw] = {
    "20 normal columns": normal,
    "10 columns of 200 categories": categories,
    "20 tied columns": tied,
    "flights, rows shuffled": shuffled_flights,
}


def null_column(live: pd.DataFrame, draw: Rng) -> pd.DataFrame:
    return live.assign(x07=live["x07"].where(draw.random(len(live)) >= 0.6))


def shift(live: pd.DataFrame, draw: Rng) -> pd.DataFrame:
    return live.assign(x03=live["x03"] + 3)


def relation(live: pd.DataFrame, draw: Rng) -> pd.DataFrame:
    """A correlation of 0.8 where there was none; both columns stay normal."""
    return live.assign(x03=0.8 * live["x01"] + 0.6 * live["x03"])


CHANGES = {
    "60 % null in 1 of 20": (null_column, ("x07",)),
    "3 sigma in 1 of 20": (shift, ("x03",)),
    "correlation 0.8 of 2 of 20": (relation, ()),
}


def watched(frame: pd.DataFrame) -> list[Watched]:
    return [
        Watched(name, "number", "number") if kind.kind in "if" else Watched(name, "string", "category")
        for name, kind in frame.dtypes.items()
    ]


def look(reference: pd.DataFrame, live: pd.DataFrame, usual: UsualChange | None = None) -> DriftReport:
    columns = watched(reference)
    spec = ModelSpec(
        name="model",
        data={"source": "rows/*.parquet", "event_time": "at", "label": "label"},
        features={"columns": list(reference.columns)},
        evaluation={"gates": [{"metric": "auc", "min": 0.6}]},
        rollout={"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
        monitoring={"min_rows": 100},
    )
    version = DatasetVersion(
        name="model",
        id="0" * 64,
        format="parquet",
        files=(),
        rows=len(reference),
        columns=(),
        event_time="at",
        first_event=NOW,
        last_event=NOW,
        created_at=NOW,
    )
    nothing = np.empty(0)
    window = Window(NOW - DAY, NOW, 1, len(live), read_frame_of(live, columns), nothing, {})
    known = Reference(version, read_frame_of(reference, columns), nothing)
    return compare(spec, columns, window, known, usual=usual)


def evidently_flags(found: DriftReport) -> int:
    """How many columns Evidently's defaults call drifted: distances at the threshold or above, p-values below it."""
    flags = [
        one.value <= one.threshold if "p_value" in str(one.method) else one.value >= one.threshold
        for one in found.columns
        if one.value is not None and one.threshold is not None
    ]
    return sum(flags)


def flags_of(reports: Sequence[DriftReport]) -> Flags:
    theirs = [evidently_flags(one) for one in reports]
    return Flags(
        ours=float(np.mean([one.outcome == "drift" for one in reports])),
        any_column=float(np.mean([flags > 0 for flags in theirs])),
        data_set=float(
            np.mean(
                [
                    flags >= EVIDENTLY_SHARE * len(one.columns)
                    for flags, one in zip(theirs, reports, strict=True)
                ]
            )
        ),
        runs=len(reports),
    )


def simulated(
    draw_rows: Draw, n: int, runs: int, m: int = REFERENCE_ROWS, change: Any = None
) -> list[DriftReport]:
    reports = []
    for run in range(runs):
        draw = np.random.default_rng([n, m, run])
        reference, live = draw_rows(draw, m), draw_rows(draw, n)
        reports.append(look(reference, live if change is None else change(live, draw)))
    return reports


def without_change(quick: bool) -> Iterator[Measure]:
    runs = 4 if quick else 100
    cells = [(name, draw, n, REFERENCE_ROWS) for name, draw in SOURCES.items() for n in SIZES]
    cells.append(("20 normal columns, reference of 1,000", normal, 500, 1000))
    for name, draw, n, m in cells:
        found = flags_of(simulated(draw, n, runs, m))
        low, high = share_interval(round(found.ours * runs), runs)
        yield Measure(
            f"no change, {name}, n = {n:,}: ours",
            found.ours,
            limit=None if quick else ALPHA,
            note=f"95 %: {low:.1%} to {high:.1%}, {runs} runs",
        )
        yield Measure(f"  Evidently, any column (its data set: {found.data_set:.0%})", found.any_column)


def with_change(quick: bool) -> Iterator[Measure]:
    runs = 2 if quick else 50
    for name, (change, columns) in CHANGES.items():
        for n in SIZES:
            reports = simulated(normal, n, runs, change=change)
            found = flags_of(reports)
            named = [
                one.outcome == "drift" and (not columns or one.drifted[:1] == columns) for one in reports
            ]
            yield Measure(
                f"{name}, n = {n:,}: found and named by ours",
                float(np.mean(named)),
                limit=1.0 if columns else None,
                better="higher",
                note=f"{runs} runs",
            )
            yield Measure(
                f"  Evidently, any column (its data set: {found.data_set:.0%})",
                found.any_column,
                better="higher",
            )


def real_days(quick: bool) -> Iterator[Measure]:
    """Held-out days of the year, with and without knowing what is usual."""
    rows = flight_rows()
    day = rows["departure"].dt.floor("D")
    days = np.array(sorted(day.unique()), dtype=object)
    held = np.random.default_rng(0).choice(days, 8 if quick else 90, replace=False)
    known = rows[~day.isin(held)]
    columns = watched(rows.drop(columns="departure"))
    usual = usual_change(known, known["departure"], columns, length=DAY, alpha=ALPHA)
    reference = known.drop(columns="departure").sample(50_000, random_state=0)
    for said, limits in (("rows as independent", None), ("usual change known", usual)):
        reports = [
            look(reference, rows[day == one].drop(columns="departure"), limits)
            for one in held
            if (day == one).sum() >= 100
        ]
        found = flags_of(reports)
        yield Measure(
            f"held-out days of flights, {said}: flagged by ours",
            found.ours,
            note=f"{found.runs} days; Evidently, any column {found.any_column:.0%}, data set {found.data_set:.0%}",
        )
    draw = np.random.default_rng(1)
    for name, change in planted(rows).items():
        flagged = [
            name.split()[0]
            in look(reference, change(rows[day == one].drop(columns="departure"), draw), usual).drifted
            for one in held[: 2 if quick else 20]
        ]
        yield Measure(f"  a planted change is found: {name}", float(np.mean(flagged)), better="higher")


def planted(rows: pd.DataFrame) -> dict[str, Callable[[pd.DataFrame, Rng], pd.DataFrame]]:
    three = 3 * float(rows["temp"].std())
    return {
        "humid 60 % null": lambda day, draw: day.assign(
            humid=day["humid"].where(draw.random(len(day)) >= 0.6)
        ),
        "carrier UA renamed": lambda day, draw: day.assign(carrier=day["carrier"].replace({"UA": "UAL"})),
        "distance in kilometres": lambda day, draw: day.assign(distance=day["distance"] * 1.609),
        "pressure 0 in 30 %": lambda day, draw: day.assign(
            pressure=day["pressure"].where(draw.random(len(day)) >= 0.3, 0.0)
        ),
        "temp 3 sigma": lambda day, draw: day.assign(temp=day["temp"] + three),
    }


def measure(quick: bool) -> Iterator[Measure]:
    yield from without_change(quick)
    yield from with_change(quick)
    yield from real_days(quick)


if __name__ == "__main__":
    raise SystemExit(report("flags without a change, and with one", measure, sys.argv[1:]))
