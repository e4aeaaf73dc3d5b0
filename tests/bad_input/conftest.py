"""The platform of the operators' tests."""

from __future__ import annotations

from tests.operators.conftest import _without_task_runner, connect, endpoint, store

__all__ = ["_without_task_runner", "connect", "endpoint", "store"]
