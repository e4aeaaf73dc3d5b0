"""How models stand now: what the Models page, the terminal and REST clients look at first."""

from __future__ import annotations

from airflow_mlops.core.overview.board import model_names, overview_of, overviews
from airflow_mlops.core.overview.records import LastRelease, ModelOverview, Mood, RolloutNow, Sign

__all__ = [
    "LastRelease",
    "ModelOverview",
    "Mood",
    "RolloutNow",
    "Sign",
    "model_names",
    "overview_of",
    "overviews",
]
