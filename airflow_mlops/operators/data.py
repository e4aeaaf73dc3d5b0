"""Snapshot and validation of the data."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import SpecError, ValidationFailed
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.wording import counted, days, size
from airflow_mlops.links.addresses import stored_page
from airflow_mlops.links.pages import DataDocsLink, ModelLink
from airflow_mlops.operators.base import MlopsOperator, Work

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.core.data.pin import Pin
    from airflow_mlops.core.lineage.datasets import Lineage
    from airflow_mlops.core.validation.result import ValidationResult


class SnapshotOperator(MlopsOperator):
    """Pin the source data as a dataset version: exact bytes, by content hash or by S3's versions of the objects.

    Returns ``{"dataset", "id", "rows", "files", "first_event", "last_event"}``. The same bytes give the same id. On a
    versioned bucket objects are only listed: ``rows``, ``first_event`` and ``last_event`` are None until a task
    reads the version.

    :param since: first event time that belongs to the version, ISO 8601; None is open. (templated)
    :param until: event time before which rows belong to the version, ISO 8601; None is open. (templated)
    :param dataset: id of a version that is there: it is taken, and nothing is pinned anew. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "since", "until", "dataset")

    def __init__(self, *, since: Any = None, until: Any = None, dataset: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.since = since
        self.until = until
        self.dataset = dataset

    def given(self) -> Lineage:
        """The named version, or the source that is to be pinned."""
        from airflow_mlops.core.lineage.given import given_lineage, source_given

        if self.dataset:
            named = {"dataset": self._field("name"), "id": self.dataset}
            return given_lineage(None, {"dataset": named}, store_uri=self._store_uri)
        data = self._field("data") or {}
        return source_given(self._data_uri, data.get("source") or data.get("delta"))

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Take the snapshot."""
        from airflow_mlops.core.data.snapshot import pin
        from airflow_mlops.core.lineage.stages import snapshot_lineage

        if self.dataset:
            return self._named(work)
        taken = pin(
            work.store,
            work.platform.data(),
            work.spec,
            since=point_in_time("since", self.since),
            until=point_in_time("until", self.until),
            query=work.platform.query,
            progress=self.progress,
        )
        self.declare(lambda: snapshot_lineage(work.platform.data_uri, taken, work.store.uri))
        self.progress(_told(taken))
        return dataset_result(taken)

    def _named(self, work: Work) -> dict[str, Any]:
        """The version that was asked for. :raises SpecError: if a window was asked for, too."""
        if self.since or self.until:
            raise SpecError(
                "a dataset version has its own window",
                given=f"dataset {self.dataset}, since {self.since}, until {self.until}",
                expected="dataset, or since and until",
            )
        from airflow_mlops.core.lineage.stages import read_lineage

        named = load_dataset(work, {"dataset": work.spec.name, "id": self.dataset}, self.progress)
        self.declare(lambda: read_lineage(named, work.store.uri))
        self.progress(f"taken as asked: {_told(named)}")
        return dataset_result(named)


class DatasetOperator(MlopsOperator):
    """Base of the operators that work on a dataset version.

    :param dataset: what the task returned that made it, e.g. :class:`SnapshotOperator`. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "dataset")

    def __init__(self, *, dataset: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset


class ValidateOperator(DatasetOperator):
    """Test a dataset version by the spec's expectations and checks; bad rows go to quarantine.

    A failure of severity ``fail`` stops the run, ``warn`` is recorded, ``drop`` goes on without the bad rows.

    Returns ``{"ref", "success", "failed", "warnings", "dropped", "dropped_rows", "quarantine", "quarantined_rows",
    "docs"}``; the full result lies in the store, and so do the bad rows and the data docs (``quarantine`` is the hash
    of a Parquet blob, ``docs`` of an HTML blob). It is also pushed as XCom ``validation``, so that it is there when
    the task fails. XCom ``dataset`` is the version that goes on, as :class:`SnapshotOperator` returns one: what was
    tested, or that without the dropped rows.

    :param dataset: what :class:`SnapshotOperator` returned. (templated)
    """

    operator_extra_links = (ModelLink(), DataDocsLink())

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Validate, keep the result, and stop on a failure of severity ``fail``."""
        from airflow_mlops.core.lineage.stages import read_lineage, validate_lineage
        from airflow_mlops.core.store.results import keep
        from airflow_mlops.core.validation.run import explain, validate

        version = load_dataset(work, self.dataset, self.progress)
        self.declare(lambda: read_lineage(version, work.store.uri))
        result = validate(
            work.store,
            work.platform.data(),
            work.spec,
            version,
            previous=self._previous(work, version),
            by=work.who,
            progress=self.progress,
        )
        small = _validation_result(keep(work.store, result), result)
        context["ti"].xcom_push(key="validation", value=small)
        if result.docs:
            address = stored_page(work.spec.name, "data-docs", result.docs, of=small["ref"])
            context["ti"].xcom_push(key=DataDocsLink.key, value=address)
        goes_on = version
        if result.dataset != version.ref:
            goes_on = load_dataset(work, {"dataset": result.dataset.name, "id": result.dataset.id})
        self.declare(lambda: validate_lineage(version, result, work.store.uri, goes_on))
        where = f"docs: airflow-mlops validation docs {small['ref']} --store {work.store.uri} --out docs.html"
        if not result.success:
            raise ValidationFailed(f"{explain(result)} | {where}")
        context["ti"].xcom_push(key="dataset", value=dataset_result(goes_on))
        self.progress(explain(result))
        if result.docs:
            self.progress(where)
        return small

    def _previous(self, work: Work, version: DatasetVersion) -> DatasetVersion | None:
        """The dataset version of the newest model of another run, which checks compare with; None for the first."""
        from airflow_mlops.core.data.reading import load_version
        from airflow_mlops.core.registry.versions import Registry

        asked = work.spec.validation
        if not (asked.volume or asked.contract or asked.drift):
            return None
        registry = Registry(work.store, work.spec.name)
        for number in reversed(registry.numbers()):
            model = registry.get(number)
            if model.run is None or model.run.key != work.run:
                ref = model.dataset
                # not load_dataset: what the spec names now may be new since then
                return load_version(
                    work.store, ref.name, ref.id, root=work.platform.data(), progress=self.progress
                )
        return None


def _validation_result(ref: str, result: ValidationResult) -> dict[str, Any]:
    """What a validation returns: the names of what failed, and where to look."""
    failed = [one for one in result.expectations if not one.success]
    return {
        "ref": ref,
        "success": result.success,
        "failed": [one.name for one in failed if one.stops],
        "warnings": [one.name for one in failed if one.severity == "warn"],
        "dropped": [one.name for one in failed if one.severity == "drop" and not one.stops],
        "dropped_rows": result.dropped_rows,
        "quarantine": result.quarantine,
        "quarantined_rows": result.quarantined_rows,
        "docs": result.docs,
    }


def dataset_result(version: DatasetVersion | Pin) -> dict[str, Any]:
    """What a task that makes a dataset version returns; None is what a pin does not say yet."""
    pinned = {"dataset": version.name, "id": version.id}
    if isinstance(version, DatasetVersion):
        return {
            **pinned,
            "rows": version.rows,
            "files": len(version.files),
            "first_event": version.first_event.isoformat(),
            "last_event": version.last_event.isoformat(),
        }
    return {**pinned, "rows": None, "files": len(version.sources), "first_event": None, "last_event": None}


def _told(version: DatasetVersion | Pin) -> str:
    """One line that says what was pinned."""
    what = f"dataset {version.name}@{version.id}"
    if isinstance(version, DatasetVersion):
        return (
            f"{what}: {counted(version.rows, 'row')} of {counted(len(version.files), 'file')}, "
            f"{days(version.first_event, version.last_event)}"
        )
    copied = (
        f"copied {len(version.hashes):,} without a version of their own"
        if version.hashes
        else "nothing copied"
    )
    return (
        f"{what}: pinned {counted(len(version.sources), 'object')} ({size(sum(version.sizes))}) of {version.root}, "
        f"{copied}; its rows are counted when it is first read"
    )


def load_dataset(work: Work, dataset: Any, progress: Progress = ignore) -> DatasetVersion:
    """The dataset version that an upstream task named, with the data root that its pinned objects are read from.

    :raises SpecError: if it is not a mapping with ``dataset`` and ``id``.
    :raises DataError: if there is no such version, or it lacks what the spec names.
    """
    from airflow_mlops.core.data.named import check_named
    from airflow_mlops.core.data.reading import load_version

    try:
        name, version_id = dataset["dataset"], dataset["id"]
    except (TypeError, KeyError):
        raise SpecError(
            "dataset is not a dataset version",
            given=repr(dataset)[:80],
            expected="the output of SnapshotOperator",
        ) from None
    version = load_version(work.store, name, version_id, root=work.platform.data(), progress=progress)
    if version.root and not version.derivation:
        check_named(work.spec, version)  # what was pinned by a listing was not read before
    return version


def point_in_time(name: str, value: Any) -> datetime | None:
    """A time that a person gave, UTC without a zone; None for none. :raises SpecError: if it is no time."""
    if not value:
        return None
    try:
        time = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        raise SpecError(
            f"{name} is not a time", given=repr(value), expected="ISO 8601, e.g. 2013-07-01"
        ) from None
    return in_utc(time)
