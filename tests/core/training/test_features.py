from __future__ import annotations

import sys
import traceback
from pathlib import Path

import pandas as pd
import pytest

from airflow_mlops.core.errors import FeatureError, IntegrityError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key
from airflow_mlops.core.training.artifact import InputColumn
from airflow_mlops.core.training.features import (
    compile_function,
    compute,
    read_source,
    rebuild,
    require_row_independence,
    store_source,
)
from airflow_mlops.core.training.inputs import raw_frame
from tests.core.training.world import World

MODULE = "tests.core.training.order_features"
INPUTS = (
    InputColumn(name="amount", type="number"),
    InputColumn(name="country", type="string"),
    InputColumn(name="express", type="boolean"),
    InputColumn(name="ordered", type="time"),
)


@pytest.fixture
def raw() -> pd.DataFrame:
    return raw_frame(World(rows=200).frame(), INPUTS)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a module of a fresh name and puts it on the path."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text: str, name: str = "written_features") -> str:
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


def test_stored_source_gives_the_same_features_without_the_module(
    store: Store, raw: pd.DataFrame, module
) -> None:
    name = module("import pandas\ndef f(x):\n    return x[['amount']] + OFFSET\nOFFSET = 1.5\n")
    code = store_source(store, read_source(f"{name}:f"))
    (Path(sys.path[0]) / f"{name}.py").unlink()
    assert code.module == name
    pd.testing.assert_frame_equal(rebuild(store, code)(raw), raw[["amount"]] + 1.5)
    assert name not in sys.modules


def test_the_file_counts_not_what_was_imported_before(module, raw: pd.DataFrame) -> None:
    name = module("def f(x):\n    return x[['amount']]\n", "edited_features")
    __import__(name)
    module("def f(x):\n    return x[['amount']] * 3\n", "edited_features")
    found = compile_function(read_source(f"{name}:f"))(raw)
    pd.testing.assert_frame_equal(found, raw[["amount"]] * 3)
    del sys.modules[name]


def test_changed_source_is_refused(store: Store) -> None:
    code = store_source(store, read_source(f"{MODULE}:good"))
    path = Path(store.uri.removeprefix("file://")) / blob_key(code.sha256)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(IntegrityError, match=code.sha256[:12]):
        rebuild(store, code)


def test_traceback_shows_the_stored_line(store: Store, raw: pd.DataFrame) -> None:
    function = rebuild(store, store_source(store, read_source(f"{MODULE}:fails")))
    with pytest.raises(FeatureError, match=r"fails fails; given KeyError.*ammount") as caught:
        compute(function, f"{MODULE}:fails", raw)
    cause = caught.value.__cause__
    assert cause is not None
    shown = "".join(traceback.format_exception(cause))
    assert f"<features {MODULE} " in shown
    assert 'return orders[["ammount"]]' in shown


@pytest.mark.parametrize(
    "text,function,message",
    [
        ("def f(x): return x\n", "g", r"has no function g; given .*:g; expected one of f"),
        ("f = 3\n", "f", "has no function f"),
        ("def f(x) return x\n", "f", "is not Python"),
        ("import no_such_package_at_all\ndef f(x): return x\n", "f", "imports no_such_package_at_all"),
        ("from . import helper\ndef f(x): return x\n", "f", r"does not stand alone; given imports \."),
        ("1 / 0\ndef f(x): return x\n", "f", "fails; given ZeroDivisionError"),
        ("import tests\ndef f(x): return x\n", "f", "imports tests"),
    ],
)
def test_a_module_that_can_not_be_stored(module, text: str, function: str, message: str) -> None:
    with pytest.raises(FeatureError, match=message) as caught:
        read_source(f"{module(text)}:{function}")
    assert "\n" not in str(caught.value)


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(FeatureError, match="no_such_module is not found"):
        read_source("no_such_module:f")
    with pytest.raises(FeatureError, match=r"no_such\.module is not found"):
        read_source("no_such.module:f")


def test_a_module_without_source() -> None:
    with pytest.raises(FeatureError, match="itertools has no source"):
        read_source("itertools:chain")


@pytest.mark.parametrize(
    "name,message",
    [
        (
            "drops",
            r"breaks its contract; given \d+ rows for 200; expected one row for each, with the same index",
        ),
        ("reindexes", "given 200 rows for 200; expected one row for each, with the same index"),
        ("no_frame", "given a Series; expected a pandas DataFrame"),
        ("twice", r"given columns \['amount', 'amount'\]; expected columns with distinct strings"),
    ],
)
def test_contract_is_held(raw: pd.DataFrame, name: str, message: str) -> None:
    function = compile_function(read_source(f"{MODULE}:{name}"))
    with pytest.raises(FeatureError, match=message):
        compute(function, f"{MODULE}:{name}", raw)


@pytest.mark.parametrize(
    "name,message",
    [
        ("batch_mean", "relative of one row"),
        ("dummies", "country_"),
        ("chance", "noise of one row"),
        ("by_index", "place of one row"),
    ],
)
def test_features_that_depend_on_other_rows_are_named(raw: pd.DataFrame, name: str, message: str) -> None:
    function = compile_function(read_source(f"{MODULE}:{name}"))
    features = compute(function, name, raw.copy())
    with pytest.raises(FeatureError, match=f"not row by row; given .*{message}"):
        require_row_independence(function, name, raw, features)


@pytest.mark.parametrize("name", ["good", "in_place", "times"])
def test_row_by_row_functions_pass(raw: pd.DataFrame, name: str) -> None:
    function = compile_function(read_source(f"{MODULE}:{name}"))
    require_row_independence(function, name, raw, compute(function, name, raw.copy()))
