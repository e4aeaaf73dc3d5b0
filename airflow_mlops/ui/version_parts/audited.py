"""What the audit log says of the records that a version rests on."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_mlops.core.audit.nearby import Noted, noted
from airflow_mlops.core.card.blocks import Look
from airflow_mlops.core.data.version import DatasetVersion, dataset_key
from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.base import is_key
from airflow_mlops.core.store.results import parse
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.wording import line, moment

_TOLD: dict[str, tuple[str, Look, str]] = {
    "as written": ("As written", "pass", "its bytes are those that were announced"),
    "edited": ("Edited", "fail", "its bytes are not those that were announced"),
    "gone": ("Gone", "fail", "it was written, and is not there"),
    "no entry": ("No entry", "inconclusive", "none stands near the time it was made; the full check looks at all"),
    "unreadable": ("Not readable", "fail", "the audit log can't be read there"),
}  # fmt: skip


@dataclass(frozen=True)
class Checked:
    """One record. :param word: the outcome, in the colour of ``look``."""

    what: str
    word: str
    look: Look
    said: str


def audited(store: Store, model: str, number: int) -> tuple[Checked, ...]:
    """The record of the version, and that of its data; a quick look at their entries, not the whole chain.

    :raises RegistryError: if there is no such version.
    """
    record = Registry(store, model).get(number)
    key = f"models/{model}/versions/{number:010d}.json"
    found = [_checked("record of the version", noted(store, key, in_utc(record.created_at)))]
    data = dataset_key(record.dataset.name, record.dataset.id)
    try:
        version = parse(store.read(data), DatasetVersion, data) if is_key(data) else None
    except MlopsError:
        version = None
    if version is None:
        found.append(
            Checked("record of its data", "Not readable", "fail", "it is gone, or is no such record")
        )
    else:
        found.append(_checked("record of its data", noted(store, data, in_utc(version.created_at))))
    return tuple(found)


def _checked(what: str, one: Noted) -> Checked:
    word, look, said = _TOLD[one.state]
    if one.number is not None:
        said = f"{said}: entry {one.number:,}, {moment(one.at)}, by {line(one.who or '', 100)}"
    return Checked(what, word, look, said)
