"""Captured answers and their ground truth as one table: partitioned Parquet in the store, taken in once each."""

from __future__ import annotations

from airflow_mlops.core.monitoring.answers.records import Maturity, TakenIn
from airflow_mlops.core.monitoring.answers.table import AnswersTable, settled_at

__all__ = ["AnswersTable", "Maturity", "TakenIn", "settled_at"]
