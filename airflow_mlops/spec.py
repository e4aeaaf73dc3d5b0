"""ModelSpec: WHAT a model is. No bucket, no role, no instance type: those belong to the platform."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.gates import Gate
from airflow_mlops.core.section import Section
from airflow_mlops.core.yaml_file import read_mapping

_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_PRINTED = ("d", "h", "m", "s")
_MICROSECOND = timedelta(microseconds=1)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")
NAME_PATTERN = r"^[a-z][a-z0-9_]{0,61}[a-z0-9]$"


def _parse_duration(value: Any) -> Any:
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        microseconds = Decimal(match[1]) * (_UNITS[match[2]] // _MICROSECOND)
        try:
            value = timedelta(microseconds=int(microseconds))
        except OverflowError:
            raise ValueError(f"a duration is at most {timedelta.max.days} days") from None
    if isinstance(value, timedelta) and value > timedelta(0):
        return value
    raise ValueError("a duration is a number above 0 with a unit of s, m, h, d or w, for example 90s or 30d")


def _print_duration(value: timedelta) -> str:
    """The duration to the microsecond, so that reading it gives the same again."""
    for unit in _PRINTED:
        if value % _UNITS[unit] == timedelta(0):
            return f"{value // _UNITS[unit]}{unit}"
    seconds, rest = divmod(value // _MICROSECOND, 10**6)
    return f"{seconds}.{rest:06d}".rstrip("0") + "s"


Duration = Annotated[timedelta, BeforeValidator(_parse_duration), PlainSerializer(_print_duration)]


class Data(Section):
    """Where rows come from and what their columns mean.

    ``source`` is a glob below the platform's data root, so the same spec runs on a folder and on S3.
    """

    source: str = Field(min_length=1, description="Glob below the platform's data root: flights/*.parquet")
    event_time: str = Field(description="Column with the time of the event (not of loading).")
    label: str = Field(description="Column with the ground truth.")
    id: str | None = Field(None, description="Column that names a row for people, e.g. an order number.")

    @model_validator(mode="after")
    def _relative(self) -> Data:
        if "://" in self.source or self.source.startswith(("/", "~")) or ".." in self.source.split("/"):
            raise ValueError(
                "source is a glob below the platform's data root, not a place of its own; "
                "set the root in the mlops connection (field data)"
            )
        if not self.source.endswith((".parquet", ".csv")):
            raise ValueError("source ends in .parquet or .csv")
        return self

    @property
    def format(self) -> Literal["parquet", "csv"]:
        """The file format, from the ending of ``source``."""
        return "csv" if self.source.endswith(".csv") else "parquet"


class Expectation(Section):
    """One Great Expectations expectation: its type in snake case, its arguments, and what a failure does."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str = Field(pattern=r"^expect_[a-z0-9_]+$", description="e.g. expect_column_values_to_not_be_null")
    severity: Literal["fail", "warn"] = Field("fail", description="fail stops the release, warn is recorded.")

    @model_validator(mode="before")
    @classmethod
    def _plain_arguments(cls, fields: Any) -> Any:
        """Arguments as JSON holds them: YAML reads 2013-01-31 as a date, and the stored spec has its text."""
        if not isinstance(fields, dict):
            return fields
        return json.loads(json.dumps(fields, default=_plain, allow_nan=False))

    @property
    def arguments(self) -> dict[str, Any]:
        """The expectation's own arguments: column, min_value, mostly, ..."""
        return dict(self.model_extra or {})


def _plain(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise ValueError(f"an argument is text, a number, a date or a list of them; given {type(value).__name__}")


class Validation(Section):
    """Tests of the data: a suite file of Great Expectations, a short list here, or both."""

    suite: str | None = Field(
        None, description="Path of a Great Expectations suite as JSON, below the data root."
    )
    expectations: tuple[Expectation, ...] = ()


class Features(Section):
    """What the model sees: raw columns that a request carries, and one function over them."""

    columns: tuple[str, ...] = Field(min_length=1, description="Raw columns that the function gets.")
    function: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="module:function, pandas in and out, a row for each row; without one, the raw columns.",
    )
    categorical: tuple[str, ...] = Field((), description="Feature columns to treat as categories.")


class Split(Section):
    """Split by event time: the newest rows test, the rows before them stop the training early."""

    test: Duration = Field(
        timedelta(days=30), description="Length of the newest part, held out for evaluation."
    )
    validation: Duration | None = Field(None, description="Length of the part before it, for early stopping.")


class Training(Section):
    """How the model is fitted."""

    objective: Literal["binary", "regression"] = "binary"
    rounds: int = Field(200, ge=1, le=100_000, description="Boosting rounds.")
    early_stopping: int | None = Field(None, ge=1, description="Stop after so many rounds without gain.")
    seed: int = Field(0, ge=0, le=2**31 - 1)
    params: dict[str, float | int | str | bool] = Field(
        default_factory=dict, description="XGBoost parameters, e.g. max_depth."
    )

    @model_validator(mode="after")
    def _own_fields(self) -> Training:
        taken = {"objective", "seed", "random_state", "num_boost_round", "nthread"} & set(self.params)
        if taken:
            raise ValueError(
                f"params can't set {', '.join(sorted(taken))}: they have fields of their own or are fixed"
            )
        return self


class Evaluation(Section):
    """Which gates a model has to pass offline before it is registered."""

    gates: tuple[Gate, ...] = Field(
        min_length=1, description="At least one gate: nothing is released unjudged."
    )
    slices: tuple[str, ...] = Field((), description="Columns whose values are reported one by one.")


class Shadow(Section):
    """The challenger answers a copy of every request; nobody sees its answers."""

    min_samples: int = Field(1000, ge=1, description="Least number of paired requests before a pass.")
    max_duration: Duration = Field(timedelta(hours=24), description="Then the stage is inconclusive.")
    gates: tuple[Gate, ...] = Field(min_length=1)


class Step(Section):
    """One step of a canary: a share of the requests, how long at least, and gates of this step alone."""

    weight: float = Field(gt=0, lt=1, description="The challenger's share of the requests.")
    dwell: Duration | None = Field(None, description="Least time at this share before the step may pass.")
    gates: tuple[Gate, ...] = Field((), description="Gates of this step, beside those of the canary.")


def _parse_step(value: Any) -> Any:
    return {"weight": value} if isinstance(value, (int, float)) and not isinstance(value, bool) else value


class Canary(Section):
    """The challenger answers a growing share of the requests."""

    steps: tuple[Annotated[Step, BeforeValidator(_parse_step)], ...] = Field(
        (Step(weight=0.1), Step(weight=0.5)),
        min_length=1,
        description="Shares, or steps with a dwell time and gates.",
    )
    min_samples: int = Field(1000, ge=1, description="Least number of the challenger's requests per step.")
    max_duration: Duration = Field(
        timedelta(hours=24), description="Per step; then the step is inconclusive."
    )
    gates: tuple[Gate, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rising(self) -> Canary:
        weights = [step.weight for step in self.steps]
        if weights != sorted(set(weights)):
            raise ValueError("steps rise, for example [0.1, 0.5]")
        for step in self.steps:
            if step.dwell is not None and step.dwell > self.max_duration:
                raise ValueError(f"the dwell time of step {step.weight:g} is longer than max_duration")
        return self

    def step(self, weight: float) -> Step:
        """The step with this share. :raises KeyError: if there is none."""
        for step in self.steps:
            if step.weight == weight:
                return step
        raise KeyError(weight)


class Replay(Section):
    """The challenger answers requests that were captured before, ahead of any traffic."""

    window: Duration = Field(timedelta(days=1), description="Captured traffic that is asked again.")
    max_requests: int = Field(20_000, ge=1, description="Most requests that are asked again, the newest.")
    min_samples: int = Field(1000, ge=1, description="Least number of paired requests before a pass.")
    gates: tuple[Gate, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _reachable(self) -> Replay:
        if self.min_samples > self.max_requests:
            raise ValueError(
                f"min_samples is above max_requests ({self.max_requests}), so that nothing would ever pass"
            )
        return self


Stage = Literal["replay", "shadow", "canary"]


class Rollout(Section):
    """How much evidence a promotion needs. ``alpha`` is the error budget of a stage, split over its gates."""

    alpha: float = Field(0.05, gt=0, le=0.2)
    replay: Replay | None = None
    shadow: Shadow | None = None
    canary: Canary | None = None
    slices: tuple[str, ...] = Field(
        (), description="Request columns; a challenger that is too bad for one of their values is stopped."
    )
    max_slices: int = Field(
        20, ge=1, le=1000, description="Values per column that are watched, in the order of appearance."
    )
    inconclusive: Literal["rollback", "hold"] = Field(
        "rollback", description="What an undecided stage does at its end: go back, or wait for a person."
    )
    max_hold: Duration = Field(
        timedelta(days=7), description="A hold ends with the champion alone after this."
    )

    @model_validator(mode="after")
    def _some_stage(self) -> Rollout:
        if self.shadow is None and self.canary is None:
            raise ValueError(
                "a rollout has a shadow stage, a canary stage or both: without one nothing is proved"
            )
        return self

    @property
    def stages(self) -> tuple[tuple[Stage, float], ...]:
        """The stages in their order, each with the challenger's share of the live requests, 0 before the canary."""
        stages: list[tuple[Stage, float]] = [("replay", 0.0)] if self.replay else []
        stages += [("shadow", 0.0)] if self.shadow else []
        stages += [("canary", step.weight) for step in (self.canary.steps if self.canary else ())]
        return tuple(stages)


class Fallback(Section):
    """The rule that answers when no model can: a value, or a value per value of one request column."""

    default: float
    by: str | None = Field(None, description="Request column to look up.")
    values: dict[str, float] = Field(default_factory=dict, description="Answer per value of that column.")


class Serving(Section):
    """How the endpoint treats requests for this model."""

    key: tuple[str, ...] = Field((), description="Request columns whose hash assigns a request to a variant.")
    fallback: Fallback | None = None
    max_rows: int = Field(1000, ge=1, description="Largest batch of rows in one request.")


class Monitoring(Section):
    """When drift of the captured traffic is looked for, and what asks for retraining."""

    schedule: str | None = Field(
        None, description="Cron expression of the monitor DAG; without one, by hand."
    )
    window: Duration = Field(timedelta(days=1), description="Captured traffic that is compared.")
    min_rows: int = Field(500, ge=1, description="Fewer captured rows decide nothing.")
    drift_share: float = Field(
        0.3, gt=0, le=1, description="Share of drifted columns that asks for retraining."
    )
    columns: tuple[str, ...] = Field((), description="Columns to watch; all feature columns without any.")


class ModelSpec(Section):
    """One model: what it learns from, how it is judged, how it is released and watched.

    From Python, ``ModelSpec(name=..., data=Data(...), ...)``; from YAML, :meth:`from_yaml`. Both raise
    :class:`~airflow_mlops.core.errors.SpecError`, which names every wrong field.
    """

    name: str = Field(pattern=NAME_PATTERN, description="Lower case letters, digits and _.")
    description: str = ""
    owner: str = Field("airflow", min_length=1)
    data: Data
    validation: Validation = Validation()
    features: Features
    split: Split = Split()
    training: Training = Training()
    evaluation: Evaluation
    rollout: Rollout
    serving: Serving = Serving()
    monitoring: Monitoring = Monitoring()

    @classmethod
    def from_yaml(cls, path: Path | str) -> ModelSpec:
        """Read a spec from a YAML file (safe loader).

        :raises SpecError: if the file is missing, is not YAML, or a field is wrong.
        """
        return cls.from_mapping(read_mapping(Path(path)))

    @classmethod
    def from_mapping(cls, fields: object) -> ModelSpec:
        """The spec that a mapping of its fields describes, e.g. what :meth:`to_dict` gave.

        :raises SpecError: if it is no mapping from text, or a field is wrong.
        """
        if not isinstance(fields, Mapping):
            raise SpecError("not a model spec", given=repr(fields)[:80], expected="a mapping of sections")
        odd = [name for name in fields if not isinstance(name, str)]
        if odd:
            raise SpecError(f"ModelSpec: {odd[0]!r}: unknown field; names of fields are text")
        return cls(**fields)

    def with_overrides(self, overrides: Mapping[str, Any]) -> ModelSpec:
        """This spec with some fields replaced: nested mappings are merged, all else is taken as it is.

        :raises SpecError: if the result is not a valid spec, or ``name`` would change.
        """
        if not isinstance(overrides, Mapping):
            raise SpecError(
                "overrides are no mapping",
                given=repr(overrides)[:80],
                expected='fields of the spec, e.g. {"training": {"rounds": 300}}',
            )
        if "name" in overrides and overrides["name"] != self.name:
            raise SpecError("name can't be overridden", given=overrides["name"], expected=self.name)
        return type(self).from_mapping(_merge(self.to_dict(), overrides))

    def to_dict(self) -> dict[str, Any]:
        """The spec as plain JSON values; ``ModelSpec(**spec.to_dict()) == spec``."""
        plain: dict[str, Any] = json.loads(self.model_dump_json())
        return plain


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged
