"""The DAGs of the model of docs/rest.md: small data, a short training, and a person approves each version."""

from __future__ import annotations

from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates import lifecycle

lifecycle(
    ModelSpec(
        name="churn",
        data={"source": "churn/*.csv", "event_time": "asked", "label": "churned", "id": "customer"},
        features={"columns": ["months", "calls"]},
        split={"test": "10d"},
        training={"rounds": 5, "seed": 7},
        evaluation={"gates": [{"metric": "auc", "min": 0.6}]},
        approval={},
        rollout={
            "shadow": {
                "min_samples": 100,
                "max_duration": "1h",
                "gates": [{"metric": "error_rate", "margin": 0.1}],
            }
        },
        serving={"fallback": {"default": 0.2}},
    ),
    mlops_conn_id="mlops_churn",
    poll_interval=1,
)
