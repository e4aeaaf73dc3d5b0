"""All that is known about a version when people are asked about it, read from the store."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_mlops.core.data.version import DatasetRef, DatasetVersion, dataset_key
from airflow_mlops.core.labels.record import LabelAudit
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import read_kept, recall
from airflow_mlops.core.validation.result import ValidationResult


@dataclass(frozen=True)
class Case:
    """A version, the champion that it would replace, and what the stages found.

    :param number: of the version.
    :param champion: number and record of the present champion, None without one.
    :param validation: of its data, None where nothing was tested.
    :param audit: of its labels, None where they were not audited.
    :param data: the dataset version that it learned from, ``data_before`` the champion's; None where there is no
        manifest.
    :param store_uri: where all this lies.
    """

    number: int
    record: ModelVersion
    champion: tuple[int, ModelVersion] | None
    validation: ValidationResult | None
    audit: LabelAudit | None
    data: DatasetVersion | None
    data_before: DatasetVersion | None
    store_uri: str

    @property
    def compared(self) -> bool:
        """Whether its evaluation is against the present champion."""
        found = self.record.evaluation
        rival = self.champion[0] if self.champion else None
        return rival is not None and found.champion_version == rival and found.champion is not None


def load_case(store: Store, model: str, number: int) -> Case:
    """Read it.

    :raises RegistryError: if there is no such version.
    """
    registry = Registry(store, model)
    record = registry.get(number)
    newest = DeploymentLog(store, model).log.newest()
    rival = newest[1].champion if newest else None
    before = registry.get(rival) if rival is not None else None
    return Case(
        number=number,
        record=record,
        champion=(rival, before) if rival is not None and before is not None else None,
        validation=recall(store, record.validation, ValidationResult) if record.validation else None,
        audit=recall(store, record.audit, LabelAudit) if record.audit else None,
        data=_manifest(store, record.dataset),
        data_before=_manifest(store, before.dataset) if before else None,
        store_uri=store.uri,
    )


def _manifest(store: Store, ref: DatasetRef) -> DatasetVersion | None:
    return read_kept(store, dataset_key(ref.name, ref.id), DatasetVersion)
