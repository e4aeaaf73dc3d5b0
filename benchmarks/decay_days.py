"""Days of flights from New York, a model of the first half of them, and decays that are planted in the others.

The days of 2013 are put in random order, weekday by weekday, and get the dates of that order. So the days that the
model answers are of the same kind as those that it learned from: the world does not change until a decay is planted,
but one day's weather is still one day's. Without shuffling, the days are as they were, with their seasons.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from airflow_mlops.core.data.reading import load_version
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.split import split_by_time
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.monitoring.held_out import HeldOut
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.core.training.run import train
from airflow_mlops.demo.flights import WEATHER, flights, write_batch
from airflow_mlops.platform import Platform
from airflow_mlops.spec import ModelSpec

DAGS = Path(__file__).resolve().parent.parent / "dags"
ZONE = "America/New_York"
YEAR = pd.Timestamp("2013-01-01")
#: Days that the model knows, to the end of June: the newest 30 are held out. The others are live.
KNOWN = 181
COLUMNS = ["carrier", "origin", "dest", "distance", *WEATHER]

Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def watched_spec() -> ModelSpec:
    """The demo's model, watched once a day with the defaults and its gate on the log loss."""
    if str(DAGS) not in sys.path:
        sys.path.insert(0, str(DAGS))  # where the feature function of the spec lies
    spec = ModelSpec.from_yaml(DAGS / "flight_delay.yaml")
    plain = ModelSpec.from_mapping({**spec.to_dict(), "monitoring": {"schedule": "@daily"}})
    gates = [{"metric": "log_loss", "margin": 0.05}]
    watched = {"columns": COLUMNS, "performance": {"gates": gates, "label_delay": "7d"}}
    return plain.with_overrides({"monitoring": watched})


@cache
def real_days() -> tuple[pd.DataFrame, ...]:
    """The flights of each local day of 2013."""
    table = flights()
    day = (_local(table["departure"]).dt.normalize() - YEAR).dt.days
    return tuple(one.reset_index(drop=True) for _, one in table.drop(columns="month").groupby(day, sort=True))


def shuffled_days(seed: int | None) -> list[pd.DataFrame]:
    """The days of the year in random order, each on a weekday of its own kind; in their order without a seed."""
    days = real_days()
    if seed is None:
        return list(days)
    rng = np.random.default_rng(seed)
    order = np.arange(len(days))
    for weekday in range(7):
        order[weekday::7] = rng.permutation(order[weekday::7])
    return [redated(days[old], new - old) for new, old in enumerate(order.tolist())]


def redated(day: pd.DataFrame, later: int) -> pd.DataFrame:
    """The flights so many days later, at the same time by the clocks of New York."""
    moved = (_local(day["departure"]) + pd.Timedelta(days=later)).dt.tz_localize(
        ZONE, ambiguous=False, nonexistent="shift_forward"
    )
    ids = day["flight_id"] + f"+{later}"
    moved_day = day.assign(departure=moved.dt.tz_convert("UTC"), flight_id=ids)
    return moved_day.sort_values("departure", kind="stable", ignore_index=True)


def _local(times: pd.Series) -> pd.Series:
    return times.dt.tz_convert(ZONE).dt.tz_localize(None)


@dataclass(frozen=True)
class World:
    """A model, what it learned from, and the days that it answers.

    :param known: all rows of the days that it knows; ``held``: those that it did not learn from, with its answers.
    :param live: the days after them, without a change.
    """

    seed: int | None
    spec: ModelSpec
    version: DatasetVersion
    predictor: Predictor
    known: pd.DataFrame
    held: HeldOut
    live: Sequence[pd.DataFrame]

    @classmethod
    def make(cls, seed: int | None) -> World:
        """Train as the package does, on the days before the newest 30 of the known ones."""
        spec, days = watched_spec(), shuffled_days(seed)
        known = pd.concat(days[:KNOWN], ignore_index=True)
        with TemporaryDirectory() as folder:
            root = Path(folder)
            platform = Platform.local(root)
            write_batch(known, 1, root / "data")
            until = datetime(2014, 1, 1, tzinfo=timezone.utc)
            taken = snapshot(platform.store(), platform.data(), spec, until=until)
            version = load_version(platform.store(), taken.name, taken.id)
            predictor = Predictor.load(platform.store(), train(platform.store(), spec, version))
        test = split_by_time(known, "departure", spec.split).test
        labels = test["late"].to_numpy(dtype=np.float64)
        held = HeldOut(test, labels, predictor.predict_frame(test))
        return cls(seed, spec, version, predictor, known, held, days[KNOWN:])

    def decayed(self, decay: Decay, places: Sequence[int]) -> list[pd.DataFrame]:
        """Some live days with the decay in them, and the model's answers as ``prediction``."""
        found = []
        for place in places:
            rng = np.random.default_rng([self.seed or 0, place])
            found.append(decay.change(self.live[place], rng))
        answers = self.predictor.predict_frame(pd.concat(found, ignore_index=True))
        parts = np.split(answers, np.cumsum([len(one) for one in found])[:-1])
        return [day.assign(prediction=part) for day, part in zip(found, parts, strict=True)]

    @cached_property
    def score(self) -> pd.Series:
        """The answers to the held-out rows, missing for the others."""
        scores = pd.Series(np.nan, index=self.known.index)
        scores[self.held.frame.index] = self.held.scores
        return scores


@dataclass(frozen=True)
class Decay:
    """A change of the world, in words, and what it does to a day.

    :param labels_only: features stay as they are, so that nobody can know before labels come.
    """

    name: str
    change: Change
    labels_only: bool = False


def _same(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return day


def _more_late(share: float) -> Change:
    """Of the flights that were on time, so many are late."""

    def change(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        return day.assign(late=day["late"].where(rng.random(len(day)) >= share, 1))

    return change


def _mixed_labels(share: float) -> Change:
    """So many rows get each other's labels: as many are late, but others."""

    def change(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        return day.assign(late=_exchanged(day["late"], share, rng))

    return change


def _mixed_destinations(share: float) -> Change:
    """So many rows get each other's destinations: each column stays as it is, but not what it says of others."""

    def change(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        return day.assign(dest=_exchanged(day["dest"], share, rng))

    return change


def _exchanged(values: pd.Series, share: float, rng: np.random.Generator) -> np.ndarray:
    found = values.to_numpy().copy()
    chosen = np.flatnonzero(rng.random(len(found)) < share)
    found[chosen] = found[rng.permutation(chosen)]
    return found


def _nulls(share: float) -> Change:
    """A sensor that is silent: temperature and wind are missing together."""

    def change(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        silent = rng.random(len(day)) < share
        return day.assign(**{name: day[name].mask(silent) for name in ("temp", "wind_speed")})

    return change


def _celsius(origins: Sequence[str]) -> Change:
    """The temperature in another unit at some airports."""

    def change(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        return day.assign(temp=day["temp"].mask(day["origin"].isin(origins), (day["temp"] - 32) * 5 / 9))

    return change


def _mix(factor: float) -> Change:
    """So many times the flights of United; as many in all."""

    def change(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        weights = np.where(day["carrier"] == "UA", factor, 1.0)
        share = (day["carrier"] == "UA").mean()
        wanted = min(0.95, factor * share)
        weights = np.where(day["carrier"] == "UA", wanted / share, (1 - wanted) / (1 - share))
        rows = rng.choice(len(day), len(day), p=weights / weights.sum())
        return day.iloc[np.sort(rows)].reset_index(drop=True)

    return change


def _constant(**values: float) -> Change:
    """A join that finds nothing: each row gets the value that stands for that."""

    def change(day: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        return day.assign(**values)

    return change


#: What fills in for weather that is not known: about the medians of the year.
FILLED = {
    "temp": 55.0,
    "humid": 58.0,
    "wind_speed": 10.4,
    "precip": 0.0,
    "pressure": 1017.6,
    "visib": 10.0,
}

NO_DECAY = Decay("no decay", _same)
#: Chosen before anything was measured, and not changed since.
DECAYS = (
    Decay("10 % of on-time flights late", _more_late(0.1), labels_only=True),
    Decay("20 % of on-time flights late", _more_late(0.2), labels_only=True),
    Decay("40 % of on-time flights late", _more_late(0.4), labels_only=True),
    Decay("labels of 50 % exchanged", _mixed_labels(0.5), labels_only=True),
    Decay("labels of all exchanged", _mixed_labels(1.0), labels_only=True),
    Decay("temp and wind 20 % null", _nulls(0.2)),
    Decay("temp and wind 60 % null", _nulls(0.6)),
    Decay("temp in Celsius at JFK", _celsius(["JFK"])),
    Decay("temp in Celsius", _celsius(["EWR", "JFK", "LGA"])),
    Decay("United x 1.5", _mix(1.5)),
    Decay("United x 2", _mix(2.0)),
    Decay("United x 4", _mix(4.0)),
    Decay("visib constant", _constant(visib=FILLED["visib"])),
    Decay("pressure constant", _constant(pressure=FILLED["pressure"])),
    Decay("all weather constant", _constant(**FILLED)),
    Decay("dest of 30 % exchanged", _mixed_destinations(0.3)),
    Decay("dest of all exchanged", _mixed_destinations(1.0)),
)
