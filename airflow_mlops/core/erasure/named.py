"""Records that name a person: nothing is taken out of them, as the audit log has their hashes, so they are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from airflow_mlops.core.erasure.subject import Subject
from airflow_mlops.core.store import Store

#: What is looked through in another way, or holds no values of the data.
_OTHERS = ("answers", "erasures", "predictions")


def named_records(store: Store, model: str, column: str, subject: Subject) -> Iterator[str]:
    """Places, in words: manifests whose statistics show the id, and entries of the model's logs with it in a text."""
    for item in store.list("datasets/"):
        if item.key.split("/")[1].partition("__")[0] == model:
            yield from _of_manifest(item.key, json.loads(store.read(item.key)), column, subject)
    for item in store.list(f"models/{model}/"):
        if item.key.split("/")[2] in _OTHERS or not item.key.endswith(".json"):
            continue
        data = store.read(item.key)
        if subject.may_be_in(data) and subject.stands_in(data.decode("utf-8", "replace")):
            yield f"{item.key}: the record names the person"


def _of_manifest(key: str, manifest: dict[str, Any], column: str, subject: Subject) -> Iterator[str]:
    for one in manifest.get("columns", ()):
        if one.get("name") == column and any(subject.names(one.get(end)) for end in ("min", "max")):
            yield f"{key}: the id is the smallest or largest value of {column} in the statistics"
