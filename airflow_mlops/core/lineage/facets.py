"""Our own facets: what OpenLineage has no words for yet. Their JSON schemas are published in ``schemas/``.

Keys and class names follow OpenLineage's rule for custom facets: ``mlops_<name>`` and
``Mlops<Name><Entity>Facet``. Fields are named in camelCase as all of OpenLineage's. Changing a facet means a
new version folder beside ``1-0-0``; a published schema never changes.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import attr
from openlineage.client.facet_v2 import DatasetFacet, JobFacet, RunFacet

HOME = "https://airflow-mlops.readthedocs.io"
SCHEMAS = f"{HOME}/schemas/1-0-0"


def _producer() -> str:
    try:
        return f"{HOME}/en/{version('airflow-mlops')}/"
    except PackageNotFoundError:
        return f"{HOME}/en/latest/"


PRODUCER = _producer()


def schema_url(facet: str) -> str:
    """JSON pointer to the schema of the facet class named ``facet``."""
    return f"{SCHEMAS}/{facet}.json#/$defs/{facet}"


@attr.define(kw_only=True)
class MlopsWindowDatasetFacet(DatasetFacet):
    """Event times that a dataset version spans, ISO 8601; ``since`` and ``until`` are what was asked for."""

    eventTime: str  # noqa: N815
    firstEvent: str  # noqa: N815
    lastEvent: str  # noqa: N815
    since: str | None = None
    until: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return schema_url("MlopsWindowDatasetFacet")


@attr.define(kw_only=True)
class MlopsModelDatasetFacet(DatasetFacet):
    """Which model a dataset of the namespace ``mlmodel`` is: hashes of its parts, features, origin."""

    model: str
    artifact: str
    framework: str
    objective: str
    dataset: str
    features: list[str]
    version: int | None = None
    featureCode: dict[str, str] | None = None  # noqa: N815

    @staticmethod
    def _get_schema() -> str:
        return schema_url("MlopsModelDatasetFacet")


@attr.define(kw_only=True)
class MlopsTrainingRunFacet(RunFacet):
    """How a model was fitted; ``environment`` is the hash of the locked environment."""

    framework: str
    objective: str
    seed: int
    rounds: int
    rows: int
    seconds: float
    environment: str
    hyperparameters: dict[str, Any] | None = None

    @staticmethod
    def _get_schema() -> str:
        return schema_url("MlopsTrainingRunFacet")


@attr.define(kw_only=True)
class MlopsEvaluationRunFacet(RunFacet):
    """Metrics on held-out rows, beside the champion's on the same rows, and what the gates said."""

    passed: bool
    rows: int
    metrics: dict[str, float]
    gates: list[dict[str, Any]]
    championVersion: int | None = None  # noqa: N815
    championMetrics: dict[str, float] | None = None  # noqa: N815
    slices: list[dict[str, Any]] | None = None

    @staticmethod
    def _get_schema() -> str:
        return schema_url("MlopsEvaluationRunFacet")


@attr.define(kw_only=True)
class MlopsDeploymentDatasetFacet(DatasetFacet):
    """What an endpoint serves: versions, the challenger's share, and the log entry that says so."""

    mode: str
    entry: int
    weight: float
    champion: int | None = None
    challenger: int | None = None

    @staticmethod
    def _get_schema() -> str:
        return schema_url("MlopsDeploymentDatasetFacet")


@attr.define(kw_only=True)
class MlopsVerdictRunFacet(RunFacet):
    """The judge's word on a stage of a rollout."""

    stage: str
    decision: str
    reason: str
    alpha: float
    gates: list[dict[str, Any]]
    counts: dict[str, int]

    @staticmethod
    def _get_schema() -> str:
        return schema_url("MlopsVerdictRunFacet")


@attr.define(kw_only=True)
class MlopsDriftRunFacet(RunFacet):
    """What monitoring found in a window of live traffic; ``columns`` holds what drifted and what could not be
    told.
    """

    outcome: str
    reason: str
    since: str
    until: str
    rows: int
    referenceRows: int  # noqa: N815
    share: float
    shareLimit: float  # noqa: N815
    columns: list[dict[str, Any]]
    multivariate: dict[str, Any] | None = None
    champion: int | None = None
    report: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return schema_url("MlopsDriftRunFacet")


@attr.define(kw_only=True)
class MlopsPerformanceRunFacet(RunFacet):
    """How well the champion did in the newest period: measured where labels had come, estimated before."""

    since: str
    until: str
    rows: int
    labelled: int
    measured: dict[str, dict[str, float]]
    estimated: dict[str, dict[str, float]]
    failedGates: list[str]  # noqa: N815
    judgedOn: str | None = None  # noqa: N815
    champion: int | None = None
    report: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return schema_url("MlopsPerformanceRunFacet")


@attr.define(kw_only=True)
class MlopsApprovalRunFacet(RunFacet):
    """What people said of a version; ``evidence`` is the hash of the text that they saw."""

    version: int
    outcome: str
    reason: str
    askedBecause: list[str]  # noqa: N815
    answers: list[dict[str, Any]]
    at: str
    evidence: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return schema_url("MlopsApprovalRunFacet")


@attr.define(kw_only=True)
class MlopsReproductionRunFacet(RunFacet):
    """What came of building a version again; ``metrics`` and ``predictions`` are largest differences."""

    version: int
    outcome: str
    reason: str
    artifact: str
    place: str
    environment: list[dict[str, str]]
    metrics: dict[str, float]
    tolerance: float
    seconds: float
    by: str
    at: str
    rebuilt: str | None = None
    predictions: float | None = None

    @staticmethod
    def _get_schema() -> str:
        return schema_url("MlopsReproductionRunFacet")


@attr.define(kw_only=True)
class MlopsErasureRunFacet(RunFacet):
    """What was taken out of a model's data; ``subject`` is a keyed hash, the person's id stands nowhere."""

    subject: str
    state: str
    datasets: list[dict[str, Any]]
    elsewhere: dict[str, int]
    retrain: list[int]
    who: str
    at: str

    @staticmethod
    def _get_schema() -> str:
        return schema_url("MlopsErasureRunFacet")


@attr.define(kw_only=True)
class MlopsRetrainingRunFacet(RunFacet):
    """Whether a look at a model asks for retraining, why, and what holds the request back."""

    retrain: bool
    reasons: list[dict[str, Any]]
    said: str
    since: str
    until: str
    restraint: str | None = None
    shaped: float | None = None
    champion: int | None = None

    @staticmethod
    def _get_schema() -> str:
        return schema_url("MlopsRetrainingRunFacet")


@attr.define(kw_only=True)
class MlopsOwnerJobFacet(JobFacet):
    """Who answers for the model that a job is about."""

    model: str
    owner: str
    team: str | None = None
    contact: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return schema_url("MlopsOwnerJobFacet")
