"""Notifiers as plain values and back: what runs outside a task can't be given objects.

Airflow keeps the callback of a deadline in its database, as the import path of a function and JSON. So a notifier is
written as the path of its class and the arguments that make it again. They are read from the attributes of the same
names, which is how the providers' notifiers keep them, and it is proved that they make the same notifier.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from airflow.sdk import BaseNotifier

from airflow_mlops.core.errors import SpecError

#: Airflow imports a DAG file under such a name, in the DAG processor and in a worker, but not in the triggerer.
_DAG_FILE = "unusual_prefix_"
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def to_recipe(notifier: BaseNotifier) -> dict[str, Any]:
    """``{"path", "arguments"}`` of a notifier.

    :raises SpecError: if its class can't be imported by its name, or plain arguments don't make it again.
    """
    kind = type(notifier)
    path = f"{kind.__module__}.{kind.__qualname__}"
    if not _importable(kind):
        raise _refused(path, "its class can't be imported by that name: put it into a module of its own")
    arguments = {
        name: value
        for name, value in _arguments(notifier).items()
        if not (isinstance(value, tuple) and not value)
    }
    try:
        plain: dict[str, Any] = json.loads(json.dumps(arguments, allow_nan=False))
        same = _state(kind(**plain)) == _state(notifier)
    except Exception as error:  # a constructor may raise anything
        raise _refused(path, f"its arguments are no plain values ({type(error).__name__})") from None
    if not same:
        raise _refused(path, "it does not keep its arguments under their names")
    return {"path": path, "arguments": plain}


def from_recipe(recipe: Mapping[str, Any]) -> BaseNotifier:
    """The notifier again.

    :raises SpecError: if the recipe's class is no notifier here.
    """
    module, _, name = str(recipe["path"]).rpartition(".")
    kind = getattr(import_module(module), name, None)
    if not (isinstance(kind, type) and issubclass(kind, BaseNotifier)):
        raise SpecError("notifier", given=recipe["path"], expected="the import path of a notifier's class")
    return kind(**recipe["arguments"])


class OnlyInTasks(BaseNotifier):
    """Stands for a notifier that can't be made again outside a task: it fails, so that a task sends the alert later.

    :param reason: why it can't.
    """

    def __init__(self, *, reason: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reason = reason

    def notify(self, context: Any) -> None:
        """Say so. :raises SpecError: always."""
        raise SpecError(self.reason)


def to_recipes(notifiers: Sequence[BaseNotifier]) -> list[dict[str, Any]]:
    """All of them; :class:`OnlyInTasks` for one that can't be written so."""
    return [_recipe_or_reason(one) for one in notifiers]


def _recipe_or_reason(notifier: BaseNotifier) -> dict[str, Any]:
    try:
        return to_recipe(notifier)
    except SpecError as error:
        return to_recipe(OnlyInTasks(reason=str(error)))


def _arguments(notifier: BaseNotifier) -> dict[str, Any]:
    """The arguments of its constructor that it has kept; the rest have their defaults."""
    parameters = inspect.signature(type(notifier)).parameters.values()
    names = [one.name for one in parameters if one.kind in _NAMED and one.name != "context"]
    return {name: getattr(notifier, name) for name in names if hasattr(notifier, name)}


def _state(notifier: BaseNotifier) -> str:
    """All that a notifier holds, lists and tuples alike, as JSON made them."""
    held = {name: value for name, value in vars(notifier).items() if not name.startswith("_")}
    return json.dumps(held, sort_keys=True, default=repr)


def _importable(kind: type) -> bool:
    if kind.__module__.startswith(_DAG_FILE):
        return False
    try:
        return getattr(import_module(kind.__module__), kind.__qualname__, None) is kind
    except ImportError:
        return False


def _refused(path: str, why: str) -> SpecError:
    return SpecError(
        "a notifier of a deadline has to be made again outside a task",
        given=path,
        expected="a notifier of a provider, made with text, numbers, lists and mappings",
        remedy=why,
    )
