"""Drift statistics of one column at a time, equal to those of Evidently to 1e-9."""

from airflow_mlops.core.monitoring.statistics.methods import METHODS, Method, Statistic, distance
from airflow_mlops.core.monitoring.statistics.sources import (
    samples_of_batches,
    samples_of_frame,
    samples_of_table,
    samples_of_version,
)

__all__ = [
    "METHODS",
    "Method",
    "Statistic",
    "distance",
    "samples_of_batches",
    "samples_of_frame",
    "samples_of_table",
    "samples_of_version",
]
