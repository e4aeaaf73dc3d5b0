"""What can be wrong with a set-up, looked at one by one: each check says what it found, and what to do about it."""

from __future__ import annotations

from airflow_mlops.core.doctor.finding import Finding, State
from airflow_mlops.core.doctor.running import Check, examine

__all__ = ["Check", "Finding", "State", "examine"]
