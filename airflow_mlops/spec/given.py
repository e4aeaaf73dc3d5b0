"""The spec of a task: a ModelSpec in the DAG file, a mapping once it is rendered, before that maybe an XCom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_mlops.spec.model import ModelSpec


def fields_given(task: object) -> Mapping[str, Any]:
    """The fields of a task's spec; none while it is a template, and for a task without one."""
    spec = getattr(task, "spec", None)
    if isinstance(spec, ModelSpec):
        return spec.to_dict()
    return spec if isinstance(spec, Mapping) else {}
