"""The base of everything that a user writes: a frozen pydantic model whose errors are one readable line."""

from __future__ import annotations

import difflib
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

# Pydantic gives its metaclass no public name; a class that wraps the errors of construction has to derive from it.
from pydantic._internal._model_construction import ModelMetaclass

from airflow_mlops.core.errors import SpecError


class _Readable(ModelMetaclass):
    """Turns pydantic's report into a SpecError when a person calls the class; nested parsing is untouched."""

    def __call__(cls, /, *args: Any, **fields: Any) -> Any:  # noqa: N805 - of a metaclass
        try:
            return super().__call__(*args, **fields)
        except ValidationError as error:
            raise SpecError(explain(error, cast("type[BaseModel]", cls))) from None


class Section(BaseModel, metaclass=_Readable):
    """Base of the sections of a spec: frozen, and an unknown field is an error.

    :raises SpecError: on construction, naming every wrong field, what was given and what is allowed.
    """

    # NaN in a limit would make every comparison false, and JSON can't carry it to the next task.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """All errors of a validation in one line."""
    schema = model.model_json_schema()
    return f"{model.__name__}: " + " | ".join(
        _explain_one(dict(one), schema) for one in error.errors(include_url=False)
    )


def _explain_one(one: dict[str, Any], schema: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in one["loc"])
    if one["type"] == "missing":
        return f"{place}: missing"
    if one["type"] == "extra_forbidden":
        allowed = _fields_at(one["loc"][:-1], schema)
        near = difflib.get_close_matches(str(one["loc"][-1]), allowed, n=1)
        hint = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(allowed)}"
        return f"{place}: unknown field; {hint}"
    given = one.get("input")
    shown = f"given {given!r}"[:120] if not isinstance(given, (BaseModel, dict)) else ""
    message = str(one["msg"]).removeprefix("Value error, ")
    text = "; ".join(part for part in (shown, message) if part)
    return f"{place}: {text}" if place else text


def _fields_at(loc: tuple[Any, ...], schema: dict[str, Any]) -> list[str]:
    """Names of the fields allowed at a place in the model."""
    node = schema
    for part in loc:
        node = _resolve(node, schema)
        node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
    return sorted(_resolve(node, schema).get("properties", {}))


def _resolve(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    for choice in [node, *node.get("anyOf", []), *node.get("allOf", [])]:
        if "$ref" in choice:
            target: dict[str, Any] = schema["$defs"][choice["$ref"].rsplit("/", 1)[1]]
            return target
    return node
