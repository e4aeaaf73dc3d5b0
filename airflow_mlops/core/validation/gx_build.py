"""Expectations as objects of Great Expectations, and what is wrong with them in one line."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from airflow_mlops.core.errors import PlatformError, SpecError

#: Fields that GX gives every expectation and that are ours to set, or that say nothing about the data.
NOT_ARGUMENTS = frozenset(
    {
        "batch_id",
        "catch_exceptions",
        "description",
        "id",
        "meta",
        "notes",
        "rendered_content",
        "result_format",
        "severity",
        "windows",
    }
)


def build(place: str, kind: str, arguments: Mapping[str, Any], fields: Mapping[str, Any]) -> Any:
    """The object of an expectation.

    :param place: where it was written, for messages.
    :param fields: what GX stores beside the arguments: severity, notes, description.
    :raises SpecError: for an unknown expectation or a wrong argument, naming it and close matches.
    :raises PlatformError: if Great Expectations is not installed.
    """
    cls = class_of(kind, place)
    allowed = sorted(set(cls.__fields__) - NOT_ARGUMENTS)
    for name in arguments:
        if name not in allowed:
            near = get_close_matches(name, allowed, n=2)
            raise SpecError(
                f"{place}: {kind} has no argument {name}",
                expected=f"close: {', '.join(near)}" if near else ", ".join(allowed),
            )
    from great_expectations.compatibility.pydantic import ValidationError

    try:
        return cls(**arguments, **fields)
    except (ValidationError, TypeError, ValueError) as error:
        raise SpecError(f"{place}: {kind} is wrong: {_one_line(error)}", given=_shown(arguments)) from None


def class_of(kind: str, place: str) -> Any:
    """The class of an expectation type. :raises SpecError, PlatformError: as :func:`build` does."""
    try:
        import great_expectations  # noqa: F401 - fills the registry
        from great_expectations.expectations.registry import (
            get_expectation_impl,
            list_registered_expectation_implementations,
        )
    except ImportError:
        raise PlatformError(
            "expectations need Great Expectations 1.x", remedy="pip install 'airflow-mlops[gx]'"
        ) from None
    known = list_registered_expectation_implementations()
    if kind not in known:
        near = get_close_matches(kind, known, n=3)
        raise SpecError(
            f"{place}: expectation {kind} is unknown",
            expected=f"close: {', '.join(near)}"
            if near
            else "the name of an expectation of Great Expectations 1.x",
        )
    return get_expectation_impl(kind)


def _one_line(error: Exception) -> str:
    """GX's own report without its repetitions: a field of several types says why it fits none of them."""
    messages: dict[str, list[str]] = {}
    for one in error.errors() if hasattr(error, "errors") else ():
        place = ".".join(str(part) for part in one["loc"] if part != "__root__")
        messages.setdefault(place, []).append(one["msg"])
    if not messages:
        return " ".join(str(error).split())
    parts = [f"{place}: {' or '.join(told[:2])}" if place else told[0] for place, told in messages.items()]
    return " | ".join(" ".join(part.split()) for part in parts)


def _shown(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())[:200]
