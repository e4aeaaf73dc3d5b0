"""The ground of the operators' tests."""

from tests.operators.conftest import _without_task_runner, connect, endpoint, run, store

__all__ = ["_without_task_runner", "connect", "endpoint", "run", "store"]
