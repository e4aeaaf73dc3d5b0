"""Read a YAML file that a person wrote: safe values only, and every mistake is one line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import SpecError

if TYPE_CHECKING:
    from yaml import Node


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping that the file holds.

    :raises SpecError: if the file is missing or can't be read, is not YAML, gives a field twice, or holds
        something else than a mapping.
    """
    text = _text(path)
    try:
        fields = _load(text)
    except _Twice as error:
        raise SpecError(f"{path}: {error}") from None
    except Exception as error:
        # Besides YAMLError: a timestamp that is none (ValueError), nesting beyond all bounds (RecursionError).
        raise SpecError(f"{path} is not YAML{_line(error)}: {_reason(error)}") from None
    if not isinstance(fields, dict):
        raise SpecError(
            f"{path} holds no spec",
            given="an empty file" if fields is None else type(fields).__name__,
            expected="a mapping of sections",
        )
    return fields


class _Twice(Exception):
    """A mapping that gives a field twice, of which YAML would silently take the last."""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError("spec file is missing", given=str(path), expected="a YAML file") from None
    except OSError as error:
        raise SpecError(
            f"spec file can't be read: {error.strerror}", given=str(path), expected="a YAML file"
        ) from None
    except UnicodeDecodeError:
        raise SpecError(f"{path} is not YAML: it is not UTF-8 text") from None


def _load(text: str) -> Any:
    import yaml

    # The C form of the safe loader is eight times as fast, which a DAG file of many models feels.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_doubles(node, set())
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _refuse_doubles(node: Node, seen: set[int]) -> None:
    from yaml import MappingNode, ScalarNode, SequenceNode

    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, SequenceNode):
        for item in node.value:
            _refuse_doubles(item, seen)
    elif isinstance(node, MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                if key.value in names:
                    raise _Twice(
                        f"{key.value} is given twice; the second time in line {key.start_mark.line + 1}"
                    )
                names.add(key.value)
            _refuse_doubles(value, seen)


def _line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" in line {mark.line + 1}" if mark else ""


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "problem", None) or error).split()) or type(error).__name__
