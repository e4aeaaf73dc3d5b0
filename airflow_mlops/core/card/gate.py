"""What a card must hold before a version is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.card.presence import Known, missing
from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.validation.result import ValidationResult

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec


def require_card(spec: ModelSpec, evaluation: Evaluation, validation: ValidationResult | None) -> None:
    """Check that every section in ``card.required`` of the spec has something to say.

    ``approvals`` and ``monitoring`` are filled after the registration: they count when the spec plans them.

    :param validation: what the data tests found, None when nothing was tested.
    :raises RegistryError: naming each section that would be empty, and what to do.
    """
    known = Known(spec.to_dict(), evaluation, validation)
    found = {name: missing(name, known) for name in spec.card.required}
    empty = {name: one for name, one in found.items() if one is not None}
    if empty:
        raise RegistryError(
            f"the model card of {spec.name} lacks {len(empty)} required sections"
            if len(empty) > 1
            else f"the model card of {spec.name} lacks a required section",
            given=", ".join(f"{name} ({_lower(one.what)})" for name, one in empty.items()),
            expected="something to say in each section of card.required",
            remedy="; ".join(f"for {name} {one.remedy}" for name, one in empty.items()),
        )


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
