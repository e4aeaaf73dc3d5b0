"""Assets of the schemes ``mlmodel`` and ``mldataset``: how Airflow checks, makes and translates them."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

from airflow.sdk import Asset

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.lineage.naming import ASSET_NAME, asset_name

if TYPE_CHECKING:
    from airflow.sdk import AssetWatcher
    from openlineage.client.event_v2 import Dataset

    from airflow_mlops.spec import Arrival, ModelSpec

#: The part of a dataset's asset that tells of new files.
ARRIVAL = "arrival"
#: The part of a model's asset that has an event whenever another version serves: a promotion, a rollback.
ENDPOINT = "endpoint"
_PART = re.compile(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-]")


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check an asset's URI; Airflow calls this for every asset of our schemes.

    :raises ValueError: if it names no model or dataset; Airflow turns it into an import error of the DAG file.
    """
    path = uri.path.removeprefix("/").removesuffix("/")
    parts_fit = all(_PART.fullmatch(one) for one in path.split("/")) if path else True
    if not ASSET_NAME.fullmatch(uri.netloc) or uri.query or not parts_fit:
        raise ValueError(
            f"asset URI {uri.geturl()!r} is not {uri.scheme}://<name>[/<part>] "
            "with a name of lower-case letters, digits and _"
        )
    return uri


def create_model_asset(*, model: str, part: str = "", extra: dict[str, Any] | None = None) -> Asset:
    """The asset of a model, or of a part of its life such as ``retrain``."""
    return _create("mlmodel", model, part, extra)


def create_dataset_asset(*, dataset: str, part: str = "", extra: dict[str, Any] | None = None) -> Asset:
    """The asset of a dataset, or of a part of it such as ``quarantine``."""
    return _create("mldataset", dataset, part, extra)


def watched_dataset_asset(spec: ModelSpec, mlops_conn_id: str | None = None) -> Asset:
    """The asset ``mldataset://<model>/arrival``, which has an event for each complete batch of new files.

    It is an asset of its own: Airflow takes a watcher away when it parses another file that names the same asset
    without it, and ``mldataset://<model>`` is for anybody to emit.

    :param spec: a model with ``data.arrival``.
    :param mlops_conn_id: connection that says where the data are; without one, ``[mlops] conn_id``.
    :raises SpecError: if the spec has no ``data.arrival``.
    """
    arrival, source = spec.data.arrival, spec.data.source
    if arrival is None or source is None:
        raise SpecError(f"{spec.name} watches no data", remedy="set data.source and data.arrival in the spec")
    return _watched(spec.name, source, arrival, mlops_conn_id)


def watched_scoring_asset(spec: ModelSpec, mlops_conn_id: str | None = None) -> Asset:
    """The asset ``mldataset://<model>__scoring/arrival``: the same for the rows that a model scores.

    :param spec: a model with ``scoring.arrival``.
    :param mlops_conn_id: connection that says where the data are; without one, ``[mlops] conn_id``.
    :raises SpecError: if the spec has no ``scoring.arrival``.
    """
    from airflow_mlops.spec.scoring import scored_dataset

    scoring = spec.scoring
    if scoring is None or scoring.arrival is None:
        raise SpecError(f"{spec.name} watches no rows to score", remedy="set scoring.arrival in the spec")
    return _watched(scored_dataset(spec.name), scoring.source, scoring.arrival, mlops_conn_id)


def _watched(dataset: str, source: str, arrival: Arrival, mlops_conn_id: str | None) -> Asset:
    from airflow.sdk import AssetWatcher

    from airflow_mlops.triggers.arrival import NewDataTrigger

    trigger = NewDataTrigger(
        dataset=dataset,
        source=source,
        complete=arrival.complete,
        settle=arrival.settle.total_seconds(),
        manifest=arrival.manifest,
        mlops_conn_id=mlops_conn_id or "",
    )
    return _create(
        "mldataset", dataset, ARRIVAL, None, [AssetWatcher(name=f"{dataset}.arrival", trigger=trigger)]
    )


def convert_asset_to_openlineage(asset: Asset, lineage_context: object) -> Dataset:
    """Translate an asset to the OpenLineage dataset of the same thing.

    :param lineage_context: the hook or operator that met the asset; the name does not depend on it.
    :raises ValueError: for an asset of another scheme, or of a part that there is not; Airflow leaves it out of its
        event then.
    """
    from openlineage.client.event_v2 import Dataset

    name = asset_name(asset.uri)
    if name is None:
        raise ValueError(f"asset {asset.uri!r} is neither a mlmodel nor a mldataset")
    return Dataset(namespace=name.namespace, name=name.name)


class HashedAsset(Asset):
    """An asset that computes its hash once.

    Airflow hashes a DAG, and with it the assets of its schedule, some hundred times while tasks are added to it, and an
    asset's hash is made of its JSON: that was a third of what importing a file of many models took.
    """

    @cached_property
    def _hash(self) -> int:
        return int(super().__hash__())  # type: ignore[no-untyped-call]

    def __hash__(self) -> int:
        return self._hash


def _create(
    scheme: str,
    name: str,
    part: str,
    extra: dict[str, Any] | None,
    watchers: list[AssetWatcher] | None = None,
) -> Asset:
    # Named by its URI, as Airflow names an asset that a user writes as Asset("mlmodel://churn").
    return HashedAsset(
        uri=f"{scheme}://{name}/{part}".rstrip("/"), extra=extra or {}, watchers=watchers or []
    )
