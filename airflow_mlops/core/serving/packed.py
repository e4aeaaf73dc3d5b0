"""What an archive of a model says of itself: its ``version.json``."""

from __future__ import annotations

from typing import Any

from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.serving.fallback import VARIANT as FALLBACK
from airflow_mlops.core.serving.loading import Contract, contract_of
from airflow_mlops.core.training.artifact import InputColumn, TrainedModel
from airflow_mlops.spec import Serving

#: Name of the file, and of the folder beside it that holds the model's blobs.
FILE, STORE = "version.json", "store"


class PackedVersion(Record):
    """A registered version, or the fallback rule alone.

    :param number: of the version; None for the rule.
    :param trained: None for the rule.
    :param inputs: the request's columns, for CSV without a header.
    :param serving: section ``serving`` of the version's spec.
    """

    model: str
    number: int | None
    trained: TrainedModel | None
    inputs: tuple[InputColumn, ...]
    serving: dict[str, Any]

    @classmethod
    def of(cls, version: ModelVersion, number: int | None) -> PackedVersion:
        """What an archive of this version holds. :param number: None for its fallback rule alone."""
        contract = contract_of(version)
        return cls(
            model=version.model,
            number=number,
            trained=version.trained if number is not None else None,
            inputs=contract.inputs,
            serving=contract.serving.model_dump(mode="json"),
        )

    @property
    def variant(self) -> str:
        """The name in answers and captures."""
        return FALLBACK if self.number is None else f"v{self.number}"

    @property
    def contract(self) -> Contract:
        """What callers rely on."""
        return Contract(self.inputs, Serving(**self.serving))
