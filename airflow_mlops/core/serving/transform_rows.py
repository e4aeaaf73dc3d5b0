"""Rows of a dataset version as request bodies in the store, and the answers to them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.reading import read_batches
from airflow_mlops.core.errors import EndpointError, KeyExists, KeyMissing
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.serving.loading import contract_of
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import keep_first, read_kept

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_mlops.core.data.version import DatasetVersion

#: A body stays below this, as SageMaker's limit for one request is 6 MB.
_BYTES = 5_000_000
#: Lines of progress: one for so many rows.
_SAID = 100_000


class Staged(Record):
    """The requests of one batch, complete: numbered parts that hold the rows in the order of the version's files."""

    model: str
    version: int
    dataset: str
    dataset_id: str
    parts: int
    rows: int


class Predicted(Record):
    """The answers of one batch, all of them there.

    :param fallback_rows: that the spec's fallback rule answered because the model could not.
    """

    model: str
    version: int
    dataset: str
    dataset_id: str
    parts: int
    rows: int
    fallback_rows: int = 0


def input_prefix(prefix: str) -> str:
    """Where the bodies are."""
    return f"{prefix}/input"


def output_prefix(prefix: str) -> str:
    """Where the answers are: SageMaker adds ``.out`` to the name of each body."""
    return f"{prefix}/output"


def staged(store: Store, prefix: str) -> Staged | None:
    """The complete requests of a batch, None while they are not."""
    return read_kept(store, f"{prefix}/staged.json", Staged)


def stage(
    store: Store,
    prefix: str,
    number: int,
    record: ModelVersion,
    dataset: DatasetVersion,
    progress: Progress = ignore,
    *,
    rows: Iterable[pa.RecordBatch] | None = None,
) -> Staged:
    """Write the rows of ``dataset`` as bodies that version ``number`` takes, unless they are there.

    Memory is that of a part. A try that died is gone on with: the same rows make the same parts.

    :param rows: those of the dataset that are sent, with the model's inputs; all without any.
    :raises RequestError: if a row is none that the model can be called with; names it.
    :raises DataError: if the dataset lacks a column that the model needs.
    """
    found = staged(store, prefix)
    if found is not None:
        return found
    parts = ready = said = 0
    for body, count in _bodies(record, rows or _all_rows(store, record, dataset)):
        with suppress(KeyExists):
            store.create(f"{input_prefix(prefix)}/{_part(parts)}", body)
        parts, ready = parts + 1, ready + count
        if ready // _SAID > said:
            said = ready // _SAID
            progress(f"{ready} of {dataset.rows} rows are ready")
    whole = Staged(
        model=record.model,
        version=number,
        dataset=dataset.name,
        dataset_id=dataset.id,
        parts=parts,
        rows=ready,
    )
    return keep_first(store, f"{prefix}/staged.json", whole)


def gather(store: Store, prefix: str, whole: Staged) -> Predicted:
    """See that every row has its answer, and record it.

    :raises EndpointError: if answers are missing, or are not what they should be.
    """
    kept = read_kept(store, f"{prefix}/predicted.json", Predicted)
    if kept is not None:
        return kept
    answered = fallback = 0
    for number in range(whole.parts):
        values, by_rule = _answer(store, prefix, number)
        answered += len(values)
        fallback += len(values) if by_rule else 0
    if answered != whole.rows:
        raise EndpointError(
            f"batch predictions of {whole.model} are not complete",
            given=f"{answered} answers in {store.uri}/{prefix}",
            expected=f"{whole.rows}",
            remedy="clear the task: it predicts anew",
        )
    predicted = Predicted(**whole.model_dump(), fallback_rows=fallback)
    return keep_first(store, f"{prefix}/predicted.json", predicted)


def read_predictions(store: Store, prefix: str) -> Iterator[float]:
    """The predictions of a finished batch, one for each row, in the order in which the dataset version is read.

    That is the order of :func:`airflow_mlops.core.data.reading.read_batches`.

    :param prefix: what the batch returned.
    :raises EndpointError: if there is no finished batch.
    """
    done = read_kept(store, f"{prefix}/predicted.json", Predicted)
    if done is None:
        raise EndpointError(f"no finished batch of predictions in {store.uri}/{prefix}")
    for number in range(done.parts):
        yield from _answer(store, prefix, number)[0]


def _all_rows(store: Store, record: ModelVersion, dataset: DatasetVersion) -> Iterator[pa.RecordBatch]:
    return read_batches(store, dataset, [column.name for column in contract_of(record).inputs])


def _bodies(record: ModelVersion, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[bytes, int]]:
    """Bodies of whole rows, each of as many as a request may have."""
    from airflow_mlops.core.training.inputs import RowChecker

    contract = contract_of(record)
    check = RowChecker(record.trained.signature)
    rows: list[bytes] = []
    size = 0
    for batch in batches:
        given = [{name: _plain(value) for name, value in row.items()} for row in batch.to_pylist()]
        check(given)
        for row in given:
            text = json.dumps(row, separators=(",", ":")).encode()
            if rows and (len(rows) == contract.serving.max_rows or size + len(text) > _BYTES):
                yield _body(rows), len(rows)
                rows, size = [], 0
            rows.append(text)
            size += len(text) + 1
    if rows:
        yield _body(rows), len(rows)


def _body(rows: list[bytes]) -> bytes:
    return b'{"instances":[' + b",".join(rows) + b"]}"


def _plain(value: Any) -> Any:
    """A value as requests hold it: times in ISO 8601, what is not a number is missing."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def _answer(store: Store, prefix: str, number: int) -> tuple[list[float], bool]:
    """The predictions of one part, and whether the fallback rule made them."""
    key = f"{output_prefix(prefix)}/{_part(number)}.out"
    try:
        answer = json.loads(store.read(key))
        values = [float(value) for value in answer["predictions"]]
    except KeyMissing:
        raise EndpointError(
            "an answer of the batch is missing", given=f"no {store.uri}/{key}", remedy="clear the task"
        ) from None
    except (ValueError, TypeError, KeyError):
        raise EndpointError(
            "an answer of the batch is not one", given=f"{store.uri}/{key}", expected='{"predictions": [...]}'
        ) from None
    return values, (answer.get("mlops") or {}).get("variant") == "fallback"


def _part(number: int) -> str:
    return f"part-{number:06d}.json"
