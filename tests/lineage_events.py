"""Every lineage event obeys the JSON schemas that it names: OpenLineage's, Airflow's and ours. No network.

The schemas of OpenLineage are a copy of ``spec/`` of https://github.com/OpenLineage/OpenLineage (Apache-2.0).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

SPEC = Path(__file__).parent / "core" / "lineage" / "openlineage_schemas"
CORE = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
OURS = "https://airflow-mlops.readthedocs.io/schemas/"
#: Facets of Airflow's provider name the schema of their base class. The JSON files that it ships for them are not
#: published under any URL, and its own events do not obey them (2.20: ``dag.start_date`` is required and left out).
_BASES = {f"{CORE}#/$defs/{kind}Facet" for kind in ("Run", "Job", "Dataset")}
_AIRFLOWS = {
    "airflow",
    "airflowDagRun",
    "airflowState",
    "airflow_mappedTask",
    "debug",
    "unknownSourceAttribute",
}

FORMATS = FormatChecker(formats=("uuid",))


@FORMATS.checks("uri")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme)


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return (
        not isinstance(value, str) or datetime.fromisoformat(value.replace("Z", "+00:00")).tzinfo is not None
    )


def check_events(events: Path | Iterable[dict[str, Any]]) -> int:
    """Check every event and every facet in it.

    :param events: or a file with one in each line, as OpenLineage's file transport writes it.
    :return: how many they are.
    :raises AssertionError: naming what is wrong in which event.
    """
    found = read_events(events) if isinstance(events, Path) else list(events)
    wrong = [f"{_called(event)}: {problem}" for event in found for problem in problems(event)]
    assert not wrong, f"{len(wrong)} problems:\n" + "\n".join(dict.fromkeys(wrong))
    return len(found)


def read_events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def problems(event: dict[str, Any]) -> Iterator[str]:
    """What is wrong with an event, one line each."""
    kind = event.get("schemaURL", "")
    if not kind.startswith(f"{CORE}#/$defs/"):
        yield f"unknown kind of event {kind!r}"
    else:
        yield from _errors(kind, event)
    for place, key, facet in facets_of(event):
        yield from (f"{place} {key}: {one}" for one in _facet_problems(key, facet))


def facets_of(event: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where it stands, its key, and the facet itself."""
    for part in ("run", "job"):
        yield from ((part, key, facet) for key, facet in event.get(part, {}).get("facets", {}).items())
    for part in ("inputs", "outputs"):
        for dataset in event.get(part) or []:
            for kind in ("facets", "inputFacets", "outputFacets"):
                for key, facet in (dataset.get(kind) or {}).items():
                    yield f"{part} {dataset.get('name')} {kind}", key, facet


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Every schema that is known, by its id."""
    ours = files("airflow_mlops.core.lineage") / "schemas"
    published = [one for folder in ours.iterdir() if folder.is_dir() for one in folder.iterdir()]
    texts = [*SPEC.glob("*.json"), *(one for one in published if one.name.endswith(".json"))]
    return {one["$id"]: one for one in (json.loads(text.read_text()) for text in texts)}


@cache
def _registry() -> Registry[Any]:
    return Registry().with_resources(
        (name, Resource.from_contents(one, default_specification=DRAFT202012))
        for name, one in schemas().items()
    )


@cache
def _validator(url: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": url}, registry=_registry(), format_checker=FORMATS)


def _errors(url: str, value: Any) -> Iterator[str]:
    for error in _validator(url).iter_errors(value):
        yield f"{'/'.join(map(str, error.path))} {error.message}"[:400]


def _facet_problems(key: str, facet: dict[str, Any]) -> Iterator[str]:
    url = facet.get("_schemaURL", "")
    if url in _BASES and key in _AIRFLOWS:
        yield from _errors(url, facet)
        return
    name, _, pointer = url.partition("#")
    schema = schemas().get(name)
    if url in _BASES or schema is None or pointer.rpartition("/")[2] not in schema["$defs"]:
        yield f"unknown schema {url!r}"
        return
    if key not in schema.get("properties", {}):
        yield f"is not the key that {name} is published for"
    yield from _errors(url, facet)
    if name.startswith(OURS):
        declared = schema["$defs"][pointer.rpartition("/")[2]]["allOf"][1]["properties"]
        yield from (
            f"undeclared field {one}" for one in set(facet) - set(declared) if not one.startswith("_")
        )


def _called(event: dict[str, Any]) -> str:
    return f"{event.get('eventType')} of {event.get('job', {}).get('name')}"
