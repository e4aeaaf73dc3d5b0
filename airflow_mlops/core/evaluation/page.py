"""The report of an evaluation: one HTML page without scripts that needs nothing from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.drawing import html
from airflow_mlops.core.drawing.html import Markup
from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.evaluation import page_analyses, page_sections
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes, put_bytes
from airflow_mlops.spec import ModelSpec

#: Heading, field of the record, and what draws it: from the whole record, and from the field.
_WHOLE: tuple[tuple[str, str, Callable[[Evaluation], Markup]], ...] = (
    ("Gates", "gates", page_sections.gates),
    ("Metrics", "metrics", page_sections.metrics),
    ("Slices", "slices", page_sections.slices),
)
_ANALYSES: tuple[tuple[str, str, Callable[[Any], Markup]], ...] = (
    ("Weak slices", "search", page_analyses.weak_slices),
    ("Fairness", "fairness", page_analyses.fairness),
    ("Calibration", "calibration", page_analyses.calibration),
    ("Importance", "importance", page_analyses.importance),
    ("Costs", "costs", page_analyses.costs),
    ("Ageing", "ageing", page_analyses.ageing),
    ("Efficiency", "efficiency", page_analyses.efficiency),
)


def render(
    evaluation: Evaluation,
    *,
    title: str,
    spec: ModelSpec | None = None,
    dataset: DatasetVersion | None = None,
    run: str | None = None,
) -> str:
    """Draw the report; what the record does not have is absent. The same input gives the same text.

    :param title: one line, e.g. the model and the time range.
    :param run: the run that evaluated, for the provenance.
    """
    sections = _sections(evaluation)
    sections["Provenance"] = page_sections.provenance(evaluation, spec, dataset, run)
    head = html.tag(
        "header",
        html.tag("h1", title),
        page_sections.verdict(evaluation),
        *([html.tag("p", spec.description, class_="note")] if spec is not None and spec.description else []),
    )
    body = [html.section(heading, content) for heading, content in sections.items()]
    return html.page(title, head, html.contents(sections), html.tag("main", html.join(body)))


def with_page(
    store: Store, evaluation: Evaluation, *, title: str, spec: ModelSpec, dataset: DatasetVersion, run: str
) -> Evaluation:
    """Draw the report, keep it as a blob, and name it in the record; doing it again stores nothing twice."""
    page = render(evaluation, title=title, spec=spec, dataset=dataset, run=run)
    return evaluation.model_copy(update={"page": put_bytes(store, page.encode())})


def read_page(store: Store, evaluation: Evaluation, what: str) -> bytes:
    """The report of an evaluation.

    :param what: names the evaluation, for the message.
    :raises RegistryError: if none was made.
    :raises KeyMissing, IntegrityError: if it is gone from the store, or was changed.
    """
    if evaluation.page is None:
        raise RegistryError(
            f"{what} has no report",
            expected="an evaluation of this release of airflow-mlops",
            remedy="evaluate again",
        )
    return get_bytes(store, evaluation.page)


def _sections(evaluation: Evaluation) -> dict[str, Markup]:
    """What there is, in the order of the page."""
    found = {heading: drawn(evaluation) for heading, field, drawn in _WHOLE if getattr(evaluation, field)}
    for heading, field, drawn in _ANALYSES:
        if record := getattr(evaluation, field):
            found[heading] = drawn(record)
    return found
