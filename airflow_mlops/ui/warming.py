"""Makes the pages ready while Airflow's API server starts, so that their first readers do not wait for it."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Final

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.labels.record import LabelAudit
from airflow_mlops.core.lineage.graph.index import Index
from airflow_mlops.core.monitoring.performance.report import PerformanceReport
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.core.overview import overviews
from airflow_mlops.core.overview.recent import far_away
from airflow_mlops.core.record import Record, utc_now
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.rollout.progress import StageNow
from airflow_mlops.core.rollout.stage_verdicts import StageVerdict
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.opening import folder_of
from airflow_mlops.core.validation.result import ValidationResult
from airflow_mlops.ui.rendering import environment
from airflow_mlops.ui.source import the_platform

log = logging.getLogger(__name__)
#: What pages import when they are asked for the first time.
_LATER: Final = (
    "airflow_mlops.core.card.as_html",
    "airflow_mlops.core.card.as_markdown",
    "airflow_mlops.core.monitoring.performance.gates",
    "airflow_mlops.ui.version_parts.ancestry",
    "airflow_mlops.ui.version_parts.audited",
)
#: Large records of which pydantic makes a reader when the first one is read.
_RECORDS: Final[tuple[type[Record], ...]] = (
    ModelVersion, DatasetVersion, DriftReport, PerformanceReport, ValidationResult, LabelAudit, StageNow, StageVerdict,
)  # fmt: skip


def prepare() -> None:
    """Import what pages need, compile their templates, and look at the models once.

    Nothing depends on it: what fails here is told to who asks for a page.
    """
    try:
        for name in _LATER:
            import_module(name)
        for record in _RECORDS:
            record.model_rebuild()
        templates = environment()
        for name in templates.list_templates():
            templates.get_template(name)
        platform = the_platform()
        if is_begun(platform.store_uri):
            look_once(platform.store())
    except Exception as error:
        log.info("the Models pages will be made ready by their first reader: %s", error)


def is_begun(uri: str) -> bool:
    """Whether there may be something in a store: to open a folder makes it, which is left to who writes or looks."""
    folder = folder_of(uri)
    return folder is None or folder.is_dir()


def look_once(store: Store) -> None:
    """Read what the list of models shows; of a store that is near also what lineage asks of all models."""
    overviews(store, now=utc_now())
    if far_away(store):
        return  # hours of traffic that nobody may ever ask for
    index = Index(store)
    for model in index.models:
        index.versions(model)
        index.scorings(model)
