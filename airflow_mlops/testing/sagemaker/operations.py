"""Brings all operations together: importing this module registers them."""

from __future__ import annotations

from airflow_mlops.testing.sagemaker import identity  # noqa: F401 - registers its operations
from airflow_mlops.testing.sagemaker.server import Runtime
from airflow_mlops.testing.sagemaker.simulator import Simulator


def make_runtime(simulator: Simulator) -> Runtime | None:
    """What answers invocations of endpoints."""
    return None
