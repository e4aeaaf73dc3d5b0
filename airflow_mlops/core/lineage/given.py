"""Lineage of a task that could not say more: what its arguments name.

A task can fail before it has read a thing: no connection, a deferral that took too long, a killed process. Its event
has then what it was about to read, by name and version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.lineage.naming import ModelPart, dataset_name, location_name, model_name

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset

    from airflow_mlops.core.lineage.datasets import Lineage

_WILD = re.compile(r"[*?\[{]")


def given_lineage(
    model: str | None,
    arguments: Mapping[str, Any],
    reads: Sequence[ModelPart] = (),
    store_uri: str | None = None,
) -> Lineage:
    """What the arguments of a task name, as inputs; what is no such thing is left out.

    :param arguments: ``dataset``, ``trained``, ``version`` and ``period`` as upstream tasks return them.
    :param reads: parts of the model's life that the task reads, whatever its arguments are.
    :param store_uri: where the store is, if the task got that far.
    """
    from airflow_mlops.core.lineage import datasets as ol

    inputs = [_dataset(arguments.get("dataset"), store_uri)]
    if model:
        inputs.append(_candidate(model, arguments.get("trained"), store_uri))
        inputs += [_version(model, number, store_uri) for number in _numbers(arguments)]
        inputs += [ol.read(model_name(model, part), {}) for part in reads]
    return ol.Lineage(inputs=[one for one in inputs if one is not None])


def source_given(data_uri: str | None, source: str | None) -> Lineage:
    """The folder of the files that a glob takes, as the input.

    :param source: a glob, or a folder, below ``data_uri``.
    """
    from airflow_mlops.core.lineage import datasets as ol

    if not data_uri or not source:
        return ol.Lineage()
    parts = source.split("/")
    wild = next((place for place, part in enumerate(parts) if _WILD.search(part)), len(parts))
    return ol.Lineage(inputs=[ol.read(location_name(data_uri, "/".join(parts[:wild])), {})])


def _dataset(value: Any, store_uri: str | None) -> InputDataset | None:
    from airflow_mlops.core.data.version import DatasetRef
    from airflow_mlops.core.lineage import datasets as ol

    if not isinstance(value, Mapping):
        return None
    name, version = value.get("dataset"), value.get("id")
    if not isinstance(name, str) or not isinstance(version, str):
        return None
    if store_uri:
        return ol.ref_read(DatasetRef(name=name, id=version), store_uri)
    return ol.read(dataset_name(name), ol.pinned(version, kind="FILE"))


def _candidate(model: str, value: Any, store_uri: str | None) -> InputDataset | None:
    from airflow_mlops.core.lineage import datasets as ol

    artifact = value.get("artifact") if isinstance(value, Mapping) else None
    if not isinstance(artifact, str):
        return None
    place = ol.blob_place(store_uri, artifact) if store_uri else None
    return ol.read(model_name(model, "candidate"), ol.pinned(artifact, place, "MODEL"))


def _version(model: str, number: int, store_uri: str | None) -> InputDataset:
    from airflow_mlops.core.lineage import datasets as ol
    from airflow_mlops.core.lineage.stages import registered

    if store_uri:
        return registered(model, number, store_uri)
    return ol.read(model_name(model, "versions"), ol.pinned(str(number), kind="MODEL"))


def _numbers(arguments: Mapping[str, Any]) -> list[int]:
    """Numbers of versions: of ``version``, ``to``, and the champion of a period."""
    version, period = arguments.get("version"), arguments.get("period")
    named = (
        version.get("version") if isinstance(version, Mapping) else version,
        arguments.get("to"),
        period.get("champion") if isinstance(period, Mapping) else None,
    )
    return list(dict.fromkeys(int(str(one)) for one in named if str(one).isdecimal()))
