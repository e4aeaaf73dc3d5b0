"""Feature code: a function, whose module's source is stored with the model and run from there, or one SQL statement.

The source is compiled, never pickled, and never imported under its own name: what is trained is exactly what
was stored, even in a process that imported an older state of the module.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import linecache
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.core.errors import FeatureError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes, put_bytes
from airflow_mlops.core.training.artifact import FeatureCode, InputColumn

if TYPE_CHECKING:
    import pandas as pd

    from airflow_mlops.spec import Features

FeatureFunction = Callable[["pd.DataFrame"], "pd.DataFrame"]

_SAMPLE = 16
_TOLERANCE = 1e-9
_SITES = {"site-packages", "dist-packages"}


@dataclass(frozen=True)
class FeatureSource:
    """The source of a module with a feature function, or a SQL statement, read but not yet stored."""

    module: str
    function: str
    source: bytes
    language: Literal["python", "sql"] = "python"

    @property
    def name(self) -> str:
        """``module:function``, or ``features.sql``."""
        return f"{self.module}{'.' if self.language == 'sql' else ':'}{self.function}"


def source_of(features: Features) -> FeatureSource | None:
    """The feature code that a spec names, None where the raw columns are the features.

    :raises FeatureError: as :func:`read_source`; a statement is checked when it is compiled.
    """
    if features.sql is not None:
        return FeatureSource("features", "sql", features.sql.encode(), "sql")
    return read_source(features.function) if features.function else None


def read_source(reference: str) -> FeatureSource:
    """Read the source of the module in ``module:function`` and check that it can stand alone.

    :raises FeatureError: if the module or its source can't be found, if it imports something that is not an
        installed package, if it fails, or if the function is missing or not callable.
    """
    module, _, function = reference.partition(":")
    found = FeatureSource(module, function, _module_source(reference, module).encode())
    _require_self_contained(found)
    compile_function(found)
    return found


def store_source(store: Store, source: FeatureSource) -> FeatureCode:
    """Keep the source as a blob; the same source is stored once."""
    return FeatureCode(
        module=source.module,
        function=source.function,
        sha256=put_bytes(store, source.source),
        language=source.language,
    )


def rebuild(store: Store, code: FeatureCode, inputs: Sequence[InputColumn] = ()) -> FeatureFunction:
    """The feature function, compiled from its stored source.

    :param inputs: the raw columns.
    :raises FeatureError: if the source fails in this environment, e.g. for a package that is not installed.
    :raises IntegrityError: if the stored source was changed.
    """
    return compile_function(stored_source(store, code), inputs)


def compile_function(source: FeatureSource, inputs: Sequence[InputColumn] = ()) -> FeatureFunction:
    """Run the source in a module of its own, which is not in ``sys.modules``, and return its function; or prepare the
    statement as one.

    :param inputs: the raw columns, whose types a statement has to know.
    :raises FeatureError: if it fails, or if the function is missing or not callable.
    """
    if source.language == "sql":
        from airflow_mlops.core.training.sql_features import SqlFeatures

        return SqlFeatures(source.source.decode(), inputs)
    filename = f"<features {source.module} {hashlib.sha256(source.source).hexdigest()[:12]}>"
    text = source.source.decode()
    # Without a modification time linecache keeps the lines, so that tracebacks show them.
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    module = types.ModuleType(source.module)
    try:
        exec(compile(text, filename, "exec"), module.__dict__)  # noqa: S102 - the user's own code
    except Exception as error:
        raise FeatureError(
            f"feature module {source.module} fails",
            given=_describe(error),
            remedy="import it once to see why",
        ) from error
    function = getattr(module, source.function, None)
    if not callable(function):
        names = [name for name, value in vars(module).items() if isinstance(value, types.FunctionType)]
        raise FeatureError(
            f"feature module {source.module} has no function {source.function}",
            given=source.name,
            expected=f"one of {', '.join(names)}" if names else "a function",
        )
    return function  # type: ignore[no-any-return]


def compute(function: FeatureFunction, name: str, raw: pd.DataFrame) -> pd.DataFrame:
    """Call the feature function and hold it to its contract.

    :param name: ``module:function``, for errors.
    :param raw: frame of the raw columns, in their dtypes.
    :raises FeatureError: if it fails or returns something else than a frame with the same index and at least
        one column of numbers, booleans, categories or strings.
    """
    import pandas as pd

    index = raw.index
    try:
        features = function(raw)
    except FeatureError:  # a statement says itself what is wrong, and where
        raise
    except Exception as error:
        raise FeatureError(f"feature function {name} fails", given=_describe(error)) from error
    if not isinstance(features, pd.DataFrame):
        raise _broken(name, f"a {type(features).__name__}", "a pandas DataFrame")
    if len(features) != len(index) or not features.index.equals(index):
        raise _broken(name, f"{len(features)} rows for {len(index)}", "one row for each, with the same index")
    names = list(features.columns)
    if not names or len(set(names)) != len(names) or not all(isinstance(n, str) for n in names):
        raise _broken(name, f"columns {names}"[:200], "columns with distinct strings as names")
    return features


def require_row_independence(
    function: FeatureFunction, name: str, raw: pd.DataFrame, features: pd.DataFrame
) -> None:
    """Check on a sample of rows that a row's features are the same when it is alone, as at the endpoint.

    Catches functions that use statistics of the batch (a mean, a rank, codes by appearance) or chance.

    :param features: what ``function`` made of the whole of ``raw``.
    :raises FeatureError: naming the feature that differs.
    """
    step = max(1, len(raw) // _SAMPLE)
    for position in list(range(0, len(raw), step))[:_SAMPLE]:
        alone = compute(function, name, raw.iloc[[position]].reset_index(drop=True))
        whole = features.iloc[[position]]
        if list(alone.columns) != list(whole.columns):
            differ = sorted(set(alone.columns) ^ set(whole.columns)) or list(whole.columns)
            raise _skewed(name, f"{', '.join(differ)[:200]}: present or placed by what else is in the batch")
        for feature in whole.columns:
            a, b = alone[feature].iloc[0], whole[feature].iloc[0]
            if not _same(a, b):
                raise _skewed(name, f"{feature} of one row is {a!r} alone and {b!r} in the whole data")


def _same(a: Any, b: Any) -> bool:
    import pandas as pd

    if pd.isna(a) or pd.isna(b):
        return bool(pd.isna(a) and pd.isna(b))
    if isinstance(a, str) or isinstance(b, str):
        return bool(a == b)
    try:
        return bool(a == b) or abs(float(a) - float(b)) <= _TOLERANCE * max(abs(float(a)), abs(float(b)))
    except (TypeError, ValueError):
        return False


def _skewed(name: str, given: str) -> FeatureError:
    return FeatureError(
        f"feature function {name} is not row by row",
        given=given,
        expected="features of a row that depend on this row alone, as at the endpoint",
        remedy="compute statistics over rows before, as a column of the data",
    )


def _broken(name: str, given: str, expected: str) -> FeatureError:
    return FeatureError(f"feature function {name} breaks its contract", given=given, expected=expected)


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:300]


def _module_source(reference: str, module: str) -> str:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None:
        raise FeatureError(
            f"feature module {module} is not found",
            given=reference,
            expected="a module on the Python path of the workers",
        )
    read = getattr(spec.loader, "get_source", None)
    try:
        source = read(module) if read else None
    except (OSError, ImportError):
        source = None
    if source is None:
        raise FeatureError(
            f"feature module {module} has no source",
            given=str(spec.origin),
            expected="a module in plain Python, whose source can be stored with the model",
        )
    return str(source)


def imports_of(source: FeatureSource) -> set[str]:
    """The modules that feature code imports, by their first names."""
    return _imports(ast.parse(source.source)) if source.language == "python" else set()


def _require_self_contained(source: FeatureSource) -> None:
    try:
        tree = ast.parse(source.source)
    except SyntaxError as error:
        raise FeatureError(f"feature module {source.module} is not Python", given=_describe(error)) from None
    own = sorted(name for name in _imports(tree) if not _is_installed(name))
    if own:
        raise FeatureError(
            f"feature module {source.module} does not stand alone",
            given=f"imports {', '.join(own)}",
            expected="imports of installed packages only: the one module is stored with the model",
            remedy="move what it needs into it",
        )


def stored_source(store: Store, code: FeatureCode) -> FeatureSource:
    """What :func:`store_source` has kept.

    :raises IntegrityError: if it was changed.
    """
    return FeatureSource(code.module, code.function, get_bytes(store, code.sha256), code.language)


def _imports(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            whole = "." * node.level + (node.module or "")
            names.add(whole if node.level else whole.split(".")[0])
    return names


def _is_installed(name: str) -> bool:
    if name in sys.stdlib_module_names:
        return True
    try:
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
    except ValueError:
        spec = None
    places = [spec.origin or "", *(spec.submodule_search_locations or ())] if spec else []
    if any(_SITES & set(Path(place).parts) for place in places):
        return True
    try:  # an editable install lies elsewhere
        return bool(places and metadata.distribution(name.replace("_", "-")))
    except (metadata.PackageNotFoundError, ValueError):
        return False
