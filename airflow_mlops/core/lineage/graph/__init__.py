"""Lineage from the store alone: what a model version was made of, and what a file or a dataset version has touched.

Both are records that can be written as JSON, drawn (:mod:`~airflow_mlops.core.lineage.graph.picture`) and printed
(:mod:`~airflow_mlops.core.lineage.graph.text`). What was read of the store is kept in an index on this machine.
"""

from __future__ import annotations

from datetime import datetime

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.lineage.graph.impact import Impact, impact_of_dataset, impact_of_file
from airflow_mlops.core.lineage.graph.index import Index
from airflow_mlops.core.lineage.graph.records import Edge, Graph, Node
from airflow_mlops.core.lineage.graph.upstream import path_of
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.store import Store

__all__ = ["Edge", "Graph", "Impact", "Node", "downstream", "upstream"]


def upstream(
    store: Store,
    model: str,
    version: int,
    *,
    files: int = 5,
    now: datetime | None = None,
    fresh: bool = False,
) -> Graph:
    """The path of a model version, from source bytes to the endpoint.

    :param files: of each dataset version that get a node of their own; the others are summed up.
    :param now: what still serves is judged at this time; now without it.
    :param fresh: forget the index on this machine, and read everything from the store.
    :raises RegistryError: if there is no such version; names what exists.
    """
    return path_of(Index(store, fresh=fresh), model, version, now or utc_now(), files)


def downstream(
    store: Store,
    *,
    file: str | None = None,
    dataset: str | None = None,
    now: datetime | None = None,
    fresh: bool = False,
) -> Impact:
    """What a file or a dataset version has touched: versions made of it, models, traffic, predictions.

    :param file: a path, a URI, or a SHA-256 or its first eight digits.
    :param dataset: ``NAME@ID``; the id may be cut short.
    :param now: what still serves is judged at this time; now without it.
    :param fresh: forget the index on this machine, and read everything from the store.
    :raises DataError: if neither or both are given, or it can't be told what is meant.
    """
    index, moment = Index(store, fresh=fresh), now or utc_now()
    if (file is None) == (dataset is None):
        raise DataError(
            "one question at a time", given="both" if file else "none", expected="a file or a dataset"
        )
    if dataset is not None:
        return impact_of_dataset(index, dataset, moment)
    return impact_of_file(index, file or "", moment)
