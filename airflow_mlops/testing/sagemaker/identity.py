"""STS: who calls."""

from __future__ import annotations

from typing import Any

from airflow_mlops.testing.sagemaker.api import operation
from airflow_mlops.testing.sagemaker.simulator import Simulator


@operation("sts", "GetCallerIdentity")
def get_caller_identity(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """The simulated account."""
    return {
        "Account": simulator.account,
        "UserId": "simulated",
        "Arn": f"arn:aws:iam::{simulator.account}:user/simulated",
    }
