"""Worked example: the DAGs of a model that predicts flight delays, from data to rollback.

``flight_delay.yaml`` says what the model is; ``flight_delay_features.py`` is its feature function. Where it runs is the
business of the connection ``mlops_default``; without one, everything lies below ``$AIRFLOW_HOME/mlops``.
"""

from __future__ import annotations

from pathlib import Path

from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates import lifecycle

lifecycle(ModelSpec.from_yaml(Path(__file__).with_name("flight_delay.yaml")))
