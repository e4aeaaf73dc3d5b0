"""How things are named in lineage: the one place, for datasets of stages and for Airflow assets alike.

After OpenLineage's naming specification (spec/Naming.md): a namespace is ``scheme[://authority]``, a name is
the path.

====================================  ======================  ==============================
what                                  namespace               name
====================================  ======================  ==============================
file                                  ``file``                ``/absolute/path``
object on S3                          ``s3://bucket``         ``key``
dataset (asset ``mldataset://x``)     ``mldataset``           ``x``
rows in quarantine                    ``mldataset``           ``x/quarantine``
labels for people to review           ``mldataset``           ``x/review``
complete batches of new files         ``mldataset``           ``x/arrival`` (an asset)
model as it serves                    ``mlmodel``             ``m`` (asset ``mlmodel://m``)
trained, not yet registered           ``mlmodel``             ``m/candidate``
registered versions                   ``mlmodel``             ``m/versions``
captured traffic                      ``mlmodel``             ``m/captures``
what was right afterwards             ``mlmodel``             ``m/ground_truth``
both as one table                     ``mlmodel``             ``m/answers``
monitoring reports                    ``mlmodel``             ``m/monitoring``
what people said of its versions      ``mlmodel``             ``m/approvals``
versions that were built again        ``mlmodel``             ``m/reproductions``
people taken out of its data          ``mlmodel``             ``m/erasures``
batch predictions                     ``mlmodel``             ``m/predictions`` (an asset)
request to retrain                    ``mlmodel``             ``m/retrain`` (an asset)
another version serves                ``mlmodel``             ``m/endpoint`` (an asset)
====================================  ======================  ==============================

A version is no part of a name: it is the ``version`` facet. Where the bytes lie is the ``symlinks`` facet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import unquote, urlsplit

DATASET = "mldataset"
MODEL = "mlmodel"
#: Of a model or a dataset in the URI of an asset.
ASSET_NAME = re.compile(r"[a-z][a-z0-9_]*")

DatasetPart = Literal["", "quarantine", "review", "arrival"]
ModelPart = Literal[
    "",
    "candidate",
    "versions",
    "captures",
    "ground_truth",
    "answers",
    "monitoring",
    "approvals",
    "reproductions",
    "erasures",
    "predictions",
    "retrain",
    "endpoint",
]


@dataclass(frozen=True)
class Name:
    """A dataset's identity in OpenLineage."""

    namespace: str
    name: str


def dataset_name(dataset: str, part: DatasetPart = "") -> Name:
    """The name of a dataset, or of a part of it, such as its rows in quarantine."""
    return Name(DATASET, f"{dataset}/{part}" if part else dataset)


def model_name(model: str, part: ModelPart = "") -> Name:
    """The name of a model as it serves, or of a part of its life."""
    return Name(MODEL, f"{model}/{part}" if part else model)


def location_name(uri: str, path: str = "") -> Name:
    """The name of a file or an object.

    :param uri: a folder's path, ``file:///path`` or ``s3://bucket/prefix``.
    :param path: relative to it.
    """
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        return Name(f"s3://{parts.netloc}", "/".join(one for one in (parts.path.strip("/"), path) if one))
    root = Path(unquote(parts.path) if parts.scheme == "file" else uri).expanduser().absolute()
    return Name("file", (root / path).as_posix())


def asset_name(uri: str) -> Name | None:
    """The name of an Airflow asset of ours; None for an asset of somebody else's.

    :raises ValueError: for one of our schemes that names no model or dataset, or a part that there is not.
    """
    parts = urlsplit(uri)
    if parts.scheme not in (DATASET, MODEL):
        return None
    known = get_args(ModelPart if parts.scheme == MODEL else DatasetPart)
    part = parts.path.removeprefix("/").removesuffix("/")
    if not ASSET_NAME.fullmatch(parts.netloc) or parts.query or parts.fragment or part not in known:
        raise ValueError(
            f"asset URI {uri[:100]!r} is not {parts.scheme}://<name> or {parts.scheme}://<name>/<part>, "
            f"where <part> is one of {', '.join(one for one in known if one)}"
        )
    return Name(parts.scheme, f"{parts.netloc}/{part}" if part else parts.netloc)
