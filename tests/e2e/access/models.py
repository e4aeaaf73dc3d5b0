"""DAGs of three models: with roles that view and run, with roles taken away, and without a word on access."""

from __future__ import annotations

import os

from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates import lifecycle

COMMON = {
    "owner": "ann",
    "team": "pricing",
    "contact": "pricing@example.com",
    "data": {"source": "churn/*.parquet", "event_time": "at", "label": "churned"},
    "features": {"columns": ["calls"]},
    "evaluation": {"gates": [{"metric": "auc", "min": 0.7}]},
    "rollout": {"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
}
ACCESS = {"view": ["analysts"], "run": ["pricing"]}

lifecycle(ModelSpec(name="churn", access=ACCESS, **COMMON))
lifecycle(ModelSpec(name="taken", access={} if "TAKEN" in os.environ else ACCESS, **COMMON))
lifecycle(ModelSpec(name="other", access={"view": ["nobodys"]} if "WRONG" in os.environ else None, **COMMON))
