"""Assets of the schemes ``mlmodel`` and ``mldataset``: how Airflow checks, makes and translates them."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

from airflow.sdk import Asset

from airflow_mlops.core.lineage.naming import asset_name

if TYPE_CHECKING:
    from openlineage.client.event_v2 import Dataset

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check an asset's URI; Airflow calls this for every asset of our schemes.

    :raises ValueError: if it names no model or dataset; Airflow turns it into an import error of the DAG file.
    """
    if not _NAME.match(uri.netloc) or uri.query:
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


def convert_asset_to_openlineage(asset: Asset, lineage_context: object) -> Dataset:
    """Translate an asset to the OpenLineage dataset of the same thing.

    :param lineage_context: the hook or operator that met the asset; the name does not depend on it.
    :raises ValueError: for an asset of another scheme.
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


def _create(scheme: str, name: str, part: str, extra: dict[str, Any] | None) -> Asset:
    # Named by its URI, as Airflow names an asset that a user writes as Asset("mlmodel://churn").
    return HashedAsset(uri=f"{scheme}://{name}/{part}".rstrip("/"), extra=extra or {})
