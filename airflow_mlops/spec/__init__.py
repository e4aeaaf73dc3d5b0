"""ModelSpec and its sections: WHAT a model is. No bucket, no role, no instance type: those belong to the platform."""

from __future__ import annotations

from airflow_mlops.spec.data import Arrival, Data, Join, Privacy
from airflow_mlops.spec.duration import Duration
from airflow_mlops.spec.evaluation import Ageing, Costs, Evaluation, SliceSearch
from airflow_mlops.spec.governance import Access, Approval, ApprovalRule, Card, CardSection
from airflow_mlops.spec.learning import Augmentation, Features, Labels, Leakage, Split, Training
from airflow_mlops.spec.model import NAME_PATTERN, ModelSpec
from airflow_mlops.spec.monitoring import Drift, Monitoring, Performance, Retrain
from airflow_mlops.spec.rollout import Canary, Replay, Rollout, Shadow, Stage, Step
from airflow_mlops.spec.scoring import Scoring
from airflow_mlops.spec.serving import Fallback, Health, Retention, Serving
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
    "Access",
    "Ageing",
    "Approval",
    "ApprovalRule",
    "Arrival",
    "Augmentation",
    "Canary",
    "Card",
    "CardSection",
    "Costs",
    "Data",
    "DataDrift",
    "Drift",
    "Duration",
    "Evaluation",
    "Expectation",
    "Fallback",
    "Features",
    "Freshness",
    "Health",
    "Join",
    "Labels",
    "Leakage",
    "ModelSpec",
    "Monitoring",
    "Performance",
    "Privacy",
    "Replay",
    "Retention",
    "Retrain",
    "Rollout",
    "SchemaContract",
    "Scoring",
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
