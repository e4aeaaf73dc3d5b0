"""A release that waits for a person for longer than it may."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG

from airflow_mlops.notifications.deadline import late_release
from airflow_mlops.notifications.webhook import WebhookNotifier
from airflow_mlops.spec import ModelSpec

SPEC = ModelSpec(
    name="late",
    data={"source": "orders/*.parquet", "event_time": "ordered", "label": "late"},
    features={"columns": ["amount"]},
    evaluation={"gates": [{"metric": "auc", "min": 0.6}]},
    rollout={"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
)
NOTIFIERS = [WebhookNotifier(payload={"text": "{{ mlops_alert.text }}", "run": "{{ dag_run.dag_run_id }}"})]

with DAG("late.release", schedule=None, deadline=late_release(SPEC, NOTIFIERS, limit=timedelta(seconds=5))):
    ApprovalOperator(task_id="approve", subject="Release it?")
