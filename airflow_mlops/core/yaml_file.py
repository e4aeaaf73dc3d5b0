"""Read a YAML file that a person wrote: safe values only, and every mistake is one line."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import SpecError

if TYPE_CHECKING:
    from yaml import MappingNode


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
    loader = _loader_class()(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


@cache
def _loader_class() -> type[Any]:
    """A safe loader that refuses a field given twice; quick, because a DAG file may read a hundred specs."""
    import yaml

    # The C form of the safe loader is eight times as fast.
    base: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
            _refuse_doubles(node)
            made: dict[Any, Any] = super().construct_mapping(node, deep)
            return made

        def resolve(self, kind: type[Any], value: str | None, implicit: tuple[bool, bool]) -> str:
            if kind is yaml.ScalarNode and implicit[0] and value is not None:
                return tag_of(value)
            tag: str = super().resolve(kind, value, implicit)
            return tag

    resolver: Any = yaml.resolver.Resolver()

    @lru_cache(maxsize=4096)
    def tag_of(value: str) -> str:
        # Names of fields come again and again; what a plain word is, is asked of up to five patterns.
        tag: str = resolver.resolve(yaml.ScalarNode, value, (True, False))
        return tag

    return Loader


def _refuse_doubles(node: MappingNode) -> None:
    names: set[str] = set()
    for key, _ in node.value:
        name = getattr(key, "value", None)
        if not isinstance(name, str):
            continue
        if name in names:
            raise _Twice(f"{name} is given twice; the second time in line {key.start_mark.line + 1}")
        names.add(name)


def _line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" in line {mark.line + 1}" if mark else ""


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "problem", None) or error).split()) or type(error).__name__
