"""Immutable objects and append-only logs, on a folder or on S3."""

from __future__ import annotations

from airflow_mlops.core.store.base import Item, Store
from airflow_mlops.core.store.log import Log
from airflow_mlops.core.store.opening import open_store

__all__ = ["Item", "Log", "Store", "open_store"]
