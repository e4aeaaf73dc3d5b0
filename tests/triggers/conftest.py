"""The ground of the operators' tests."""

import pytest

from airflow_mlops.triggers import looking
from tests.operators.conftest import _without_task_runner, connect, endpoint, run, store

__all__ = ["_without_task_runner", "connect", "endpoint", "run", "store"]


@pytest.fixture(autouse=True)
def _own_lookout() -> None:
    """What triggers of a process share is that of one test only."""
    looking._forget()
