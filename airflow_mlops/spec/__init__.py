"""ModelSpec and its sections: WHAT a model is. No bucket, no role, no instance type: those belong to the platform."""

from __future__ import annotations

from airflow_mlops.spec.data import Data, Join, Privacy
from airflow_mlops.spec.duration import Duration
from airflow_mlops.spec.evaluation import Ageing, Costs, Evaluation, SliceSearch
from airflow_mlops.spec.learning import Augmentation, Features, Labels, Leakage, Split, Training
from airflow_mlops.spec.model import NAME_PATTERN, ModelSpec
from airflow_mlops.spec.rollout import Canary, Replay, Rollout, Shadow, Stage, Step
from airflow_mlops.spec.serving import Fallback, Monitoring, Retention, Serving
from airflow_mlops.spec.validation import (
    DataDrift,
    Expectation,
    Freshness,
    SchemaContract,
    Validation,
    Volume,
)

__all__ = [
    "NAME_PATTERN",
    "Ageing",
    "Augmentation",
    "Canary",
    "Costs",
    "Data",
    "DataDrift",
    "Duration",
    "Evaluation",
    "Expectation",
    "Fallback",
    "Features",
    "Freshness",
    "Join",
    "Labels",
    "Leakage",
    "ModelSpec",
    "Monitoring",
    "Privacy",
    "Replay",
    "Retention",
    "Rollout",
    "SchemaContract",
    "Serving",
    "Shadow",
    "SliceSearch",
    "Split",
    "Stage",
    "Step",
    "Training",
    "Validation",
    "Volume",
]
