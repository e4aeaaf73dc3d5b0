"""Evidently's defaults on the same days, and the files that NannyML's child process reads."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from decay_days import COLUMNS, ZONE, World
from decay_nannyml import AT, LABEL, SCORE, alerts

from airflow_mlops.core.monitoring.window import MOST_ROWS, SEED
from airflow_mlops.demo.flights import WEATHER

NUMBERS = ["distance", *WEATHER]
CATEGORIES = ["carrier", "origin", "dest"]
#: Share of columns from which Evidently calls the data set drifted.
EVIDENTLY_SHARE = 0.5
_EPOCH = pd.Timestamp("2000-01-01")


class Evidently:
    """``DataDriftPreset`` by its tests, without plots: each column by its default test and threshold.

    The reference is all known days, at most as many rows as ours takes; of answers the held-out rows.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    @cached_property
    def _reference(self) -> pd.DataFrame:
        whole = self._world.known[COLUMNS].assign(prediction=self._world.score)
        return whole.sample(min(len(whole), MOST_ROWS), random_state=SEED)

    def share(self, day: pd.DataFrame) -> float:
        """The share of columns that drifted."""
        found = [self._drifted(name, day) for name in (*COLUMNS, "prediction")]
        return sum(found) / len(found)

    def _drifted(self, name: str, day: pd.DataFrame) -> bool:
        os.environ["DO_NOT_TRACK"] = "1"
        from evidently.legacy.calculations.stattests import get_stattest
        from evidently.legacy.core import ColumnType

        kind = ColumnType.Categorical if name in CATEGORIES else ColumnType.Numerical
        sides: list[Any] = [side[name].dropna() for side in (self._reference, day)]
        if not all(map(len, sides)):
            return False  # a column without values is left out
        return bool(get_stattest(*sides, kind, None)(*sides, kind, None).drifted)


def nannyml_alerts(
    python: Path, world: World, cells: Mapping[str, Sequence[pd.DataFrame]]
) -> dict[str, dict[str, list[bool]]]:
    """Of each calculator and cell, whether each of its days alerts."""
    at = world.known["departure"].dt.tz_convert(ZONE).dt.tz_localize(None)
    known = world.known.assign(**{AT: at, SCORE: world.score})
    days = [day for some in cells.values() for day in some]
    columns = [*COLUMNS, LABEL, AT, SCORE]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        known[columns].to_parquet(folder / "known.parquet")
        live = pd.concat([_numbered(day, number) for number, day in enumerate(days)], ignore_index=True)
        live[columns].to_parquet(folder / "live.parquet")
        (folder / "columns.json").write_text(json.dumps({"number": NUMBERS, "category": CATEGORIES}))
        found = alerts(python, folder)
    return {calculator: _by_cell(flags, cells) for calculator, flags in found.items()}


def _numbered(day: pd.DataFrame, number: int) -> pd.DataFrame:
    """On a date of its own, so that each is one chunk."""
    local = day["departure"].dt.tz_convert(ZONE).dt.tz_localize(None)
    at = _EPOCH + pd.Timedelta(days=number) + (local - local.dt.normalize())
    return day.assign(**{AT: at, SCORE: day["prediction"]})


def _by_cell(flags: Sequence[bool], cells: Mapping[str, Sequence[Any]]) -> dict[str, list[bool]]:
    if len(flags) != sum(map(len, cells.values())):
        raise AssertionError(f"{len(flags)} chunks")
    found, start = {}, 0
    for name, days in cells.items():
        found[name] = list(flags[start : start + len(days)])
        start += len(days)
    return found
