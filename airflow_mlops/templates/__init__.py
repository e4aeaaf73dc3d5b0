"""DAG templates: one call makes the DAGs of a model's whole life."""

from __future__ import annotations

from airflow_mlops.templates.erase import erase
from airflow_mlops.templates.lifecycle import lifecycle
from airflow_mlops.templates.monitor import monitor
from airflow_mlops.templates.release import release
from airflow_mlops.templates.reproduce import reproduce
from airflow_mlops.templates.rollback import rollback
from airflow_mlops.templates.rollout import rollout
from airflow_mlops.templates.score import score

__all__ = ["erase", "lifecycle", "monitor", "release", "reproduce", "rollback", "rollout", "score"]
