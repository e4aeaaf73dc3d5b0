from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.errors import DataError, SpecError
from airflow_mlops.core.validation.suite import plan
from airflow_mlops.spec import Validation

BETWEEN = "expect_column_values_to_be_between"


def _plan(data: Path, *expectations: dict[str, Any], suite: str | None = None) -> Any:
    return plan(FolderRoot(data), Validation(expectations=expectations, suite=suite))


@pytest.mark.parametrize(
    "fields,words",
    [
        (
            {"type": "expect_column_values_to_not_be_nul", "column": "a"},
            ["unknown", "expect_column_values_to_not_be_null"],
        ),
        ({"type": "expect_nothing_at_all_from_life"}, ["expect_nothing_at_all_from_life", "unknown"]),
        ({"type": BETWEEN, "column": "a", "min_valu": 1}, ["no argument min_valu", "close: min_value"]),
        ({"type": BETWEEN, "column": "a", "zzz": 1}, ["no argument zzz", "max_value", "mostly"]),
        ({"type": BETWEEN, "min_value": 1}, ["column: field required"]),
        ({"type": BETWEEN, "column": "a"}, ["cannot both be None"]),
        ({"type": BETWEEN, "column": "a", "min_value": "often"}, ["min_value", "'often'"]),
        (
            {"type": BETWEEN, "column": "a", "min_value": 1, "mostly": 2},
            ["mostly", "less than or equal to 1"],
        ),
        (
            {"type": BETWEEN, "column": "a", "min_value": 1, "result_format": "BASIC"},
            ["no argument result_format"],
        ),
    ],
)
def test_what_is_wrong_with_an_expectation_is_one_line(
    data: Path, fields: dict[str, Any], words: list[str]
) -> None:
    good = {"type": BETWEEN, "column": "a", "min_value": 1}
    with pytest.raises(SpecError) as caught:
        _plan(data, good, fields)
    text = str(caught.value)
    assert text.startswith("validation.expectations.1: ")
    for word in words:
        assert word in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "content,words",
    [
        ("{", "not JSON"),
        ("[]", "no suite"),
        ('{"name": "x"}', "no suite"),
        (
            '{"expectations": [{"expectation_type": "expect_column_to_exist", "kwargs": {}}]}',
            "saved again by GX 1.x",
        ),
        ('{"expectations": ["expect_column_to_exist"]}', "expectations.0"),
        (
            '{"expectations": [{"type": "expect_column_to_exists", "kwargs": {}}]}',
            "close: expect_column_to_exist",
        ),
        (
            '{"expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "a"}, "severity": "bad"}]}',
            "severity",
        ),
    ],
)
def test_a_wrong_suite_file_is_named(data: Path, content: str, words: str) -> None:
    (data / "suites").mkdir()
    (data / "suites" / "flights.json").write_text(content)
    with pytest.raises(SpecError) as caught:
        _plan(data, suite="suites/flights.json")
    assert "suites/flights.json" in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_suite_file_or_one_outside_of_the_root(data: Path) -> None:
    with pytest.raises(DataError, match=r"suite\.json is missing"):
        _plan(data, suite="suite.json")
    with pytest.raises(DataError, match="could leave"):
        _plan(data, suite="../suite.json")


def test_what_gx_writes_beside_the_arguments_is_no_argument(data: Path) -> None:
    kwargs = {"column": "a", "min_value": 1, "batch_id": "x", "result_format": "BASIC"}
    entry = {"id": "7", "type": BETWEEN, "kwargs": kwargs, "meta": {"a": 1}, "rendered_content": []}
    (data / "suite.json").write_text(json.dumps({"name": "s", "expectations": [entry]}))
    (planned,) = _plan(data, suite="suite.json")
    assert (planned.type, planned.columns, planned.severity) == (BETWEEN, ("a",), "fail")
    assert planned.arguments == {"min_value": 1}
