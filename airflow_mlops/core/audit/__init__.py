"""The audit log: what was written, in what order, by whom; and whether it still stands as it was written."""

from __future__ import annotations

from airflow_mlops.core.audit.adopting import adopt
from airflow_mlops.core.audit.exporting import events, export
from airflow_mlops.core.audit.report import AuditReport, Finding
from airflow_mlops.core.audit.verifying import head, verify

__all__ = ["AuditReport", "Finding", "adopt", "events", "export", "head", "verify"]
