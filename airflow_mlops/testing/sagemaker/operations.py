"""Brings all operations together: importing this module registers them."""

from __future__ import annotations

from airflow_mlops.testing.sagemaker import (  # noqa: F401 - they register their operations
    alarms,
    autoscaling,
    cards,
    hosting_configs,
    hosting_endpoints,
    hosting_models,
    identity,
    logs,
    metrics,
    packages,
    tags,
    training,
    transform,
)
from airflow_mlops.testing.sagemaker.router import Router
from airflow_mlops.testing.sagemaker.server import Runtime
from airflow_mlops.testing.sagemaker.simulator import Simulator


def make_runtime(simulator: Simulator) -> Runtime | None:
    """What answers invocations of endpoints."""
    return Router(simulator)
