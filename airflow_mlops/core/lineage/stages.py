"""What each stage of the lifecycle read and wrote: pure functions of records, without store or network.

In an operator, after the core has answered (and before an exception that refuses)::

    self.declare(lambda: train_lineage(version, trained, work.store.uri))

The function runs only when an event is made, and only then is ``openlineage-python`` imported: a task without
OpenLineage pays nothing. :class:`~airflow_mlops.operators.openlineage.LineageMixin` sees to it that a mistake
in it never fails a task.

``store_uri`` says where records and blobs lie; a version is never part of a name, see
:mod:`airflow_mlops.core.lineage.naming`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_mlops.core.data.pin import Pin
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.lineage.naming import ModelPart, Name, dataset_name, location_name, model_name
from airflow_mlops.core.registry.deployments import Desired
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.validation.result import ValidationResult

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset
    from openlineage.client.facet_v2 import DatasetFacet, InputDatasetFacet, RunFacet

    from airflow_mlops.core.lineage.datasets import Lineage

#: More source files than this are one dataset, the folder that holds them: an event has to stay small.
MOST_FILES = 100


def snapshot_lineage(data_uri: str, version: DatasetVersion | Pin, store_uri: str | None = None) -> Lineage:
    """Source files below ``data_uri`` -> a dataset version; ``store_uri`` says where its manifest lies."""
    from airflow_mlops.core.lineage import datasets as ol

    name = dataset_name(version.name)
    if isinstance(version, DatasetVersion):
        size, files = sum(one.size for one in version.files), len(version.files)
        facets, statistics = ol.version_facets(version, store_uri), ol.rows_written(version.rows, size, files)
        root = version.root or data_uri
        inputs = _source_files(root, version)
        facets |= _source_columns(root, version, inputs)
    else:
        facets, inputs = ol.pin_facets(version, store_uri), _pinned_objects(version)
        statistics = ol.rows_written(None, sum(version.sizes), len(version.sources))
    return ol.Lineage(inputs=inputs, outputs=[ol.written(name, facets, outputStatistics=statistics)])


def read_lineage(version: DatasetVersion, store_uri: str) -> Lineage:
    """A dataset version that was read, of a stage that has made nothing of it yet."""
    from airflow_mlops.core.lineage import datasets as ol

    return ol.Lineage(inputs=[ol.version_read(version, store_uri)])


def derive_lineage(
    parent: DatasetVersion,
    version: DatasetVersion,
    store_uri: str,
    joins: Mapping[str, Sequence[str]] | None = None,
) -> Lineage:
    """A dataset version, and those joined to it -> the one that was made; nothing is written where they are the same.

    :param joins: for a join, the columns that were added, by name of the joined data set.
    """
    from airflow_mlops.core.lineage import columns
    from airflow_mlops.core.lineage import datasets as ol

    read = ol.Lineage(inputs=[ol.version_read(parent, store_uri)])
    if version.id == parent.id:
        return read
    others = version.derivation.parents[1:] if version.derivation else ()
    size, files = sum(one.size for one in version.files), len(version.files)
    facets = ol.version_facets(version, store_uri)
    if joins:
        facets |= columns.joined_lineage(version.name, [one.name for one in version.columns], joins)
    made = ol.written(
        dataset_name(version.name), facets, outputStatistics=ol.rows_written(version.rows, size, files)
    )
    inputs = [*read.inputs, *(ol.ref_read(one, store_uri) for one in others)]
    return ol.Lineage(inputs=inputs, outputs=[made])


def validate_lineage(
    version: DatasetVersion, result: ValidationResult, store_uri: str, goes_on: DatasetVersion | None = None
) -> Lineage:
    """A dataset version -> what the expectations said of it, the rows in quarantine, and the version without them.

    :param goes_on: the version that goes on, where rows were dropped.
    """
    from airflow_mlops.core.lineage import assertions
    from airflow_mlops.core.lineage import datasets as ol

    facet = assertions.assertions_of(version, result)
    outputs = []
    if result.quarantine:
        outputs.append(
            ol.written(
                dataset_name(version.name, "quarantine"),
                ol.pinned(result.quarantine, ol.blob_place(store_uri, result.quarantine), "FILE"),
                outputStatistics=ol.rows_written(result.quarantined_rows, files=1),
            )
        )
    if goes_on is not None and goes_on.ref != version.ref:
        outputs += derive_lineage(version, goes_on, store_uri).outputs
    quality = ol.quality_of(version)
    tested = ol.version_read(version, store_uri, dataQualityAssertions=facet, dataQualityMetrics=quality)
    return ol.Lineage(inputs=[tested], outputs=outputs)


def train_lineage(
    version: DatasetVersion, trained: TrainedModel, store_uri: str, joins: Sequence[Mapping[str, Any]] = ()
) -> Lineage:
    """A dataset version -> a candidate.

    :param joins: ``data.joins`` of the spec as plain values, for the origin of joined columns.
    """
    from airflow_mlops.core.lineage import columns, jobs
    from airflow_mlops.core.lineage import datasets as ol

    return ol.Lineage(
        inputs=[ol.version_read(version, store_uri)],
        outputs=[
            ol.written(
                model_name(trained.model, "candidate"),
                {
                    **ol.pinned(trained.artifact, ol.blob_place(store_uri, trained.artifact), "MODEL"),
                    **ol.model_facet(trained, version.id),
                    **columns.feature_lineage(trained, version.name, joins),
                },
                outputStatistics=ol.rows_written(trained.train_rows, trained.size, 1),
            )
        ],
        run_facets={"mlops_training": _training(trained)},
        job_facets=jobs.feature_code(trained, store_uri),
    )


def evaluate_lineage(
    version: DatasetVersion, trained: TrainedModel, result: Evaluation, store_uri: str
) -> Lineage:
    """A dataset version, a candidate and the champion -> metrics, and what the gates said of them."""
    from airflow_mlops.core.lineage import datasets as ol

    champion = result.champion_version
    rival = [] if champion is None else [registered(trained.model, champion, store_uri)]
    return ol.Lineage(
        inputs=[ol.version_read(version, store_uri), _candidate(trained, version.id, store_uri), *rival],
        run_facets=_evaluation(result),
    )


def register_lineage(version: DatasetVersion, number: int, record: ModelVersion, store_uri: str) -> Lineage:
    """A candidate and the dataset version it learned from -> a registered version."""
    from airflow_mlops.core.lineage import columns, jobs
    from airflow_mlops.core.lineage import datasets as ol

    trained = record.trained
    parameters = record.spec.get("training", {}).get("params") or None
    joins = record.spec.get("data", {}).get("joins") or ()
    return ol.Lineage(
        inputs=[ol.version_read(version, store_uri), _candidate(trained, version.id, store_uri)],
        outputs=[
            ol.written(
                model_name(record.model, "versions"),
                {
                    **ol.pinned(str(number), _version_place(record.model, number, store_uri), "MODEL"),
                    **ol.model_facet(trained, version.id, number),
                    **columns.feature_lineage(trained, version.name, joins),
                    **ol.owned(record.spec),
                },
            )
        ],
        run_facets={"mlops_training": _training(trained, parameters), **_evaluation(record.evaluation)},
        job_facets=jobs.feature_code(trained, store_uri),
    )


def deploy_lineage(model: str, served: Desired, address: str, store_uri: str) -> Lineage:
    """Registered versions -> the model as it serves now, after whatever changed its traffic.

    :param address: of the endpoint.
    """
    from airflow_mlops.core.lineage import datasets as ol
    from airflow_mlops.core.lineage import facets

    versions = dict.fromkeys(one for one in (served.champion, served.challenger) if one is not None)
    parts = urlsplit(address)
    place = Name(f"{parts.scheme}://{parts.netloc}", parts.path)
    now = facets.MlopsDeploymentDatasetFacet(
        mode=served.mode,
        entry=served.number,
        weight=served.weight,
        champion=served.champion,
        challenger=served.challenger,
        producer=facets.PRODUCER,
    )
    answers = "fallback" if served.champion is None else str(served.champion)
    return ol.Lineage(
        inputs=[registered(model, number, store_uri) for number in versions],
        outputs=[
            ol.written(model_name(model), {**ol.pinned(answers, place, "MODEL"), "mlops_deployment": now})
        ],
    )


def judge_lineage(model: str, verdict: Verdict, store_uri: str) -> Lineage:
    """Captured traffic, and the version that is judged -> the judge's word on a stage of a rollout."""
    from airflow_mlops.core.lineage import datasets as ol
    from airflow_mlops.core.lineage import facets, gates

    facet = facets.MlopsVerdictRunFacet(
        stage=verdict.stage,
        decision=verdict.decision,
        reason=verdict.reason,
        alpha=verdict.alpha,
        gates=gates.gate_words(verdict.gates),
        counts=verdict.counts,
        producer=facets.PRODUCER,
    )
    judged = [] if verdict.version is None else [registered(model, verdict.version, store_uri)]
    return ol.Lineage(
        inputs=[captured(model, store_uri), *judged],
        run_facets={"mlops_verdict": facet, "test": gates.gate_tests(verdict.gates)},
    )


def _source_files(data_uri: str, version: DatasetVersion) -> list[InputDataset]:
    from airflow_mlops.core.lineage import datasets as ol

    if version.query:
        # a connection's name says nothing of the database to anybody outside of this Airflow
        return []
    size = sum(one.size for one in version.files)
    statistics = ol.rows_read(version.rows, size, len(version.files))
    if version.table:
        place = location_name(data_uri, version.table.folder)
        return [
            ol.read(place, ol.pinned(str(version.table.version), kind="TABLE"), inputStatistics=statistics)
        ]
    if len(version.files) <= MOST_FILES:
        return [
            ol.read(
                location_name(data_uri, one.source),
                ol.pinned(one.version_id or one.sha256, kind="FILE"),
                inputStatistics=ol.rows_read(one.rows, one.size, 1),
            )
            for one in version.files
        ]
    return [_folder(data_uri, [one.source for one in version.files], version.id, statistics)]


def _source_columns(
    root: str, version: DatasetVersion, sources: Sequence[InputDataset]
) -> dict[str, DatasetFacet]:
    """Each column is one of the source; rows of a query come from no dataset that has a name."""
    from airflow_mlops.core.lineage import columns

    if not sources:
        return {}
    folder = posixpath.commonpath([posixpath.dirname(one.source) for one in version.files])
    return columns.source_lineage(
        [one.name for one in version.columns],
        [Name(one.namespace, one.name) for one in sources],
        location_name(root, folder),
    )


def _pinned_objects(pin: Pin) -> list[InputDataset]:
    from airflow_mlops.core.lineage import datasets as ol

    if len(pin.sources) <= MOST_FILES:
        return [
            ol.read(
                location_name(pin.root, one.source),
                ol.pinned(one.version_id or one.sha256, kind="FILE"),
                inputStatistics=ol.rows_read(None, one.size, 1),
            )
            for one in pin.objects()
        ]
    statistics = ol.rows_read(None, sum(pin.sizes), len(pin.sources))
    return [_folder(pin.root, pin.sources, pin.id, statistics)]


def _folder(
    root: str, sources: Sequence[str], version_id: str, statistics: InputDatasetFacet
) -> InputDataset:
    """Many files as one dataset, the folder that holds them."""
    from airflow_mlops.core.lineage import datasets as ol

    folder = posixpath.commonpath([posixpath.dirname(source) for source in sources])
    return ol.read(
        location_name(root, folder), ol.pinned(version_id, kind="FILE"), inputStatistics=statistics
    )


def _candidate(trained: TrainedModel, dataset: str, store_uri: str) -> InputDataset:
    from airflow_mlops.core.lineage import datasets as ol

    named = ol.pinned(trained.artifact, ol.blob_place(store_uri, trained.artifact), "MODEL")
    return ol.read(model_name(trained.model, "candidate"), {**named, **ol.model_facet(trained, dataset)})


def registered(model: str, number: int, store_uri: str) -> InputDataset:
    """A registered version, as an input."""
    from airflow_mlops.core.lineage import datasets as ol

    named = ol.pinned(str(number), _version_place(model, number, store_uri), "MODEL")
    return ol.read(model_name(model, "versions"), named)


def _version_place(model: str, number: int, store_uri: str) -> Name:
    return location_name(store_uri, f"models/{model}/versions/{number:010d}.json")


def captured(model: str, store_uri: str, rows: int | None = None) -> InputDataset:
    """The captured traffic of a model, as an input. :param rows: that were read of it, if that is known."""
    from airflow_mlops.core.lineage import datasets as ol

    place = location_name(store_uri, f"captures/{model}")
    statistics = {} if rows is None else {"inputStatistics": ol.rows_read(rows)}
    return ol.read(model_name(model, "captures"), ol.pinned(None, place), **statistics)


def placed(model: str, part: ModelPart, store_uri: str, version: str) -> OutputDataset:
    """The log of a part of a model's life, to which a stage has added an entry. :param version: of the entry."""
    from airflow_mlops.core.lineage import datasets as ol

    place = location_name(store_uri, f"models/{model}/{part}")
    return ol.written(model_name(model, part), ol.pinned(version, place))


def _training(trained: TrainedModel, parameters: dict[str, Any] | None = None) -> RunFacet:
    from airflow_mlops.core.lineage import facets

    return facets.MlopsTrainingRunFacet(
        framework=trained.framework,
        objective=trained.objective,
        seed=trained.seed,
        rounds=trained.rounds,
        rows=trained.train_rows,
        seconds=trained.seconds,
        environment=trained.environment,
        hyperparameters=parameters,
        producer=facets.PRODUCER,
    )


def _evaluation(result: Evaluation) -> dict[str, RunFacet]:
    from airflow_mlops.core.lineage import datasets as ol
    from airflow_mlops.core.lineage import facets, gates

    slices = [
        {"slice": one.slice, "rows": one.rows, "metrics": ol.finite(one.metrics) or {}}
        for one in result.slices
    ]
    facet = facets.MlopsEvaluationRunFacet(
        passed=result.passed,
        rows=result.rows,
        metrics=ol.finite(result.metrics) or {},
        gates=gates.gate_words(result.gates),
        championVersion=result.champion_version,
        championMetrics=ol.finite(result.champion),
        slices=slices or None,
        producer=facets.PRODUCER,
    )
    return {"mlops_evaluation": facet, "test": gates.gate_tests(result.gates)}
