"""ModelSpec: WHAT a model is. No bucket, no role, no instance type: those belong to the platform."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.section import Section
from airflow_mlops.core.yaml_file import read_mapping
from airflow_mlops.spec.contact import contact_link
from airflow_mlops.spec.data import Data, Privacy
from airflow_mlops.spec.evaluation import Evaluation
from airflow_mlops.spec.governance import Access, Approval, Card
from airflow_mlops.spec.learning import Features, Labels, Split, Training
from airflow_mlops.spec.monitoring import Monitoring
from airflow_mlops.spec.rollout import Rollout
from airflow_mlops.spec.scoring import Scoring
from airflow_mlops.spec.serving import Retention, Serving
from airflow_mlops.spec.validation import Validation

#: No ``__``: it stands between a model and what belongs to it, such as a joined data set (``orders__weather``).
NAME_PATTERN = r"^[a-z](_?[a-z0-9]){1,62}$"


class ModelSpec(Section):
    """One model: what it learns from, how it is judged, how it is released and watched.

    From Python, ``ModelSpec(name=..., data=Data(...), ...)``; from YAML, :meth:`from_yaml`. Both raise
    :class:`~airflow_mlops.core.errors.SpecError`, which names every wrong field.
    """

    name: str = Field(
        max_length=63,
        pattern=NAME_PATTERN,
        description="Lower case letters, digits and single _, from a letter on.",
    )
    description: str = ""
    owner: str = Field("airflow", min_length=1, description="Who answers for it: owner of the DAGs.")
    team: str = Field(
        "", max_length=90, pattern=r"^(\S(.*\S)?)?$", description="The owner's team: tag of the DAGs."
    )
    contact: str = Field(
        "", max_length=400, description="Where to reach them: an address, a URL or a #channel."
    )
    access: Access | None = Field(
        None, description="Roles that see and run its DAGs; Airflow's own rules without."
    )
    data: Data
    privacy: Privacy | None = None
    validation: Validation = Validation()
    features: Features
    split: Split = Split()
    training: Training = Training()
    labels: Labels | None = None
    evaluation: Evaluation
    approval: Approval | None = Field(None, description="Whether people must say yes to a version.")
    card: Card = Card()
    rollout: Rollout
    serving: Serving = Serving()
    monitoring: Monitoring = Monitoring()
    scoring: Scoring | None = None
    retention: Retention | None = None

    @field_validator("contact")
    @classmethod
    def _reaches(cls, value: str) -> str:
        contact_link(value)
        return value

    @field_validator("approval", mode="before")
    @classmethod
    def _required(cls, value: object) -> object:
        return {} if value == "required" else value

    @model_validator(mode="after")
    def _card_can_be_filled(self) -> ModelSpec:
        """A card that no release could fill is refused before anything is trained."""
        tests, judged = self.validation, self.evaluation
        filled_by = {
            "owner": ("owner or team, and contact", (self.owner != "airflow" or self.team) and self.contact),
            "data_tests": ("validation", tests.model_copy(update={"engine": "auto"}) != Validation()),
            "slices": ("evaluation.slices or evaluation.search", judged.slices or judged.search),
            "fairness": (
                "evaluation.groups",
                judged.groups or any(gate.group is not None for gate in judged.gates),
            ),
            "ageing": ("evaluation.ageing", judged.ageing),
            "approvals": ("approval", self.approval),
            "monitoring": ("monitoring.schedule", self.monitoring.schedule),
        }
        empty = [name for name in self.card.required if name in filled_by and not filled_by[name][1]]
        if empty:
            raise ValueError(
                "card.required: nothing would ever fill "
                + ", ".join(f"{name} (say {filled_by[name][0]})" for name in empty)
            )
        return self

    @property
    def data_steps(self) -> tuple[str, ...]:
        """The tasks of a release that make or check data because the spec asks for them, in their order."""
        asked = {
            "join": bool(self.data.joins),
            "apply_review": self.labels is not None and self.labels.review is not None,
            "protect": self.privacy is not None,
            "check_features": self.features.leakage is not None,
            "audit_labels": self.labels is not None,
        }
        return tuple(step for step, wanted in asked.items() if wanted)

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
