"""Stored HTML and pictures that a record of a model names: nothing else of a store is ever served.

A hash alone opens nothing: it may be that of another model's report, of data or of a model file. So a record of the
model is asked first, and only the fields that hold a page count.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, get_args

from airflow_mlops.core.errors import IntegrityError, KeyMissing, StoreError
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.monitoring.look import Look, monitoring_log
from airflow_mlops.core.monitoring.performance.report import PerformanceReport
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.releases import release_log
from airflow_mlops.core.registry.version import ModelVersion, version_log
from airflow_mlops.core.rollout.stage_verdicts import StageVerdict
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.base import is_key
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.store.results import parse, recall
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.validation.result import ValidationResult

R = TypeVar("R", bound=Record)

#: What is served: the page of an evaluation, of a validation, of a look at drift or performance; a verdict's picture.
Kind = Literal["evaluation", "data-docs", "drift", "performance", "picture"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
#: Evidently's report runs scripts, which no page here may: it is handed out as a file.
TO_KEEP: Final = frozenset({"drift"})
_DIGITS: Final = 64
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: One reference, or two of them.
_REFS = re.compile(r"[0-9a-f]{64}([0-9a-f]{64})?")
#: A picture is named by the first digits of its hash.
_PICTURE = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Stored:
    """A page or a picture.

    :param name: of the file that it becomes when somebody keeps it.
    """

    data: bytes
    media_type: str
    name: str


def is_name(kind: str, digest: str) -> bool:
    """Whether something of this kind can be named so."""
    return bool((_PICTURE if kind == "picture" else _SHA256).fullmatch(digest))


def named_by_model(store: Store, model: str, kind: str, digest: str, of: str | None = None) -> bool:
    """Whether a record of the model names this page.

    :param digest: SHA-256 of a page.
    :param of: the record to ask, so that no other is read: the number of a version or a look. Or the reference of a
        record that no log names, which itself says what model it is about: a validation, a report of drift or
        performance; for an evaluation the references of the trained model and of the evaluation, one after the other.
    """
    if not is_key(model):
        return False
    if of is not None and _REFS.fullmatch(of):
        return _NAMED_BY_REF[kind](store, model, of) == digest
    number = int(of) if of is not None and re.fullmatch(r"[0-9]{1,9}", of) else None
    if of is not None and number is None:
        return False
    return any(one == digest for one in _NAMED[kind](store, model, number))


def read_stored(store: Store, model: str, kind: str, digest: str, of: str | None = None) -> Stored | None:
    """The page, or the picture; None where no record of the model names it.

    :raises KeyMissing: if it is named and is not in the store any more.
    :raises IntegrityError: if it was changed.
    """
    if not is_name(kind, digest):
        return None
    if kind == "picture":
        return _picture(store, model, digest)
    if not named_by_model(store, model, kind, digest, of):
        return None
    return Stored(get_bytes(store, digest), "text/html; charset=utf-8", f"{model}-{kind}-{digest[:12]}.html")


def picture_digest(key: str) -> str | None:
    """The name of a verdict's picture by which it is asked for; None if the key is not that of a picture."""
    found = re.fullmatch(r"models/[^/]+/pictures/v[0-9]+-[a-z]+-([0-9a-f]{12})\.svg", key)
    return found[1] if found else None


def _picture(store: Store, model: str, digest: str) -> Stored | None:
    if not is_key(model):
        return None
    keys = (
        verdict.verdict.picture
        for item in store.list(f"models/{model}/verdicts/")
        if (verdict := _kept(store, item.key, StageVerdict)) is not None
    )
    own = f"models/{model}/pictures/"
    key = next((one for one in keys if one and one.startswith(own) and picture_digest(one) == digest), None)
    if key is None:
        return None
    data = store.read(key)
    if hashlib.sha256(data).hexdigest()[: len(digest)] != digest:
        raise IntegrityError(f"picture {key} in {store.uri} was changed", expected=digest)
    return Stored(data, "image/svg+xml", key.rpartition("/")[2])


def _evaluations(store: Store, model: str, number: int | None) -> Iterator[str | None]:
    for record in _versions(store, model, number):
        yield record.evaluation.page
    if number is None:
        # A model that a gate refused is no version; the end of its release names the page.
        for event in _entries(release_log(store, model), None):
            yield event.report


def _data_docs(store: Store, model: str, number: int | None) -> Iterator[str | None]:
    for record in _versions(store, model, number):
        result = recalled(store, record.validation, ValidationResult)
        yield result.docs if result else None


def _drifts(store: Store, model: str, number: int | None) -> Iterator[str | None]:
    for look in _looks(store, model, number):
        report = recalled(store, look.drift, DriftReport)
        yield report.report_html if report else None


def _performances(store: Store, model: str, number: int | None) -> Iterator[str | None]:
    for look in _looks(store, model, number):
        report = recalled(store, look.performance, PerformanceReport)
        yield report.page if report else None


_NAMED: Final[dict[str, Callable[[Store, str, int | None], Iterator[str | None]]]] = {
    "evaluation": _evaluations,
    "data-docs": _data_docs,
    "drift": _drifts,
    "performance": _performances,
}


def _evaluation_of(store: Store, model: str, refs: str) -> str | None:
    """An evaluation does not say of what model it is; the trained model that it is about does."""
    trained = recalled(store, refs[:_DIGITS], TrainedModel)
    found = recalled(store, refs[_DIGITS:] or None, Evaluation)
    if trained is None or found is None or trained.model != model or trained.artifact != found.artifact:
        return None
    return found.page


def _data_docs_of(store: Store, model: str, ref: str) -> str | None:
    """Of the model's own data, or of those of one of its joins."""
    result = recalled(store, ref, ValidationResult)
    return result.docs if result and result.tested.name.partition("__")[0] == model else None


def _drift_of(store: Store, model: str, ref: str) -> str | None:
    report = recalled(store, ref, DriftReport)
    return report.report_html if report and report.model == model else None


def _performance_of(store: Store, model: str, ref: str) -> str | None:
    report = recalled(store, ref, PerformanceReport)
    return report.page if report and report.model == model else None


_NAMED_BY_REF: Final[dict[str, Callable[[Store, str, str], str | None]]] = {
    "evaluation": _evaluation_of,
    "data-docs": _data_docs_of,
    "drift": _drift_of,
    "performance": _performance_of,
}


def _versions(store: Store, model: str, number: int | None) -> Iterator[ModelVersion]:
    return _entries(version_log(store, model), number)


def _looks(store: Store, model: str, number: int | None) -> Iterator[Look]:
    return _entries(monitoring_log(store, model), number)


def _entries(log: Log[R], number: int | None) -> Iterator[R]:
    """One entry, or all of them, the newest first; what can't be read names nothing."""
    numbers = range(log.last_number(), 0, -1) if number is None else (number,)
    for one in numbers:
        try:
            yield log.read(one)
        except StoreError:
            continue


def recalled(store: Store, ref: str | None, cls: type[R]) -> R | None:
    """The record that a reference names; None without one, and where it can't be read."""
    if ref is None:
        return None
    try:
        return recall(store, ref, cls)
    except StoreError:
        return None


def _kept(store: Store, key: str, cls: type[R]) -> R | None:
    try:
        return parse(store.read(key), cls, key)
    except (KeyMissing, StoreError):
        return None
