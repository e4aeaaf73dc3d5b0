"""What is found in columns that hold sensitive values, and in columns that only look so."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.errors import PlatformError, SpecError
from airflow_mlops.core.store import Store
from airflow_mlops.core.validation.privacy_detectors import forms_for
from airflow_mlops.core.validation.privacy_finding import Finding
from airflow_mlops.core.validation.privacy_form import look
from airflow_mlops.core.validation.privacy_names import hints
from airflow_mlops.core.validation.privacy_scan import scan
from airflow_mlops.core.validation.privacy_values import candidates, leaves
from airflow_mlops.demo.flights import month_of
from tests.core.validation import sensitive
from tests.core.validation.versions import people, version_of

REGIONS = ("US", "GB", "DE")


def find(store: Store, data: Path, share: float = 0.01, **columns: Any) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for one in scan(store, version_of(store, data, **columns), forms_for(REGIONS), share):
        found.setdefault(one.column, []).append(one)
    return found


def kinds(store: Store, data: Path, share: float = 0.01, **columns: Any) -> dict[str, list[str]]:
    found = find(store, data, share, **columns)
    return {name: [one.kind for one in findings] for name, findings in found.items()}


def test_each_kind_is_found_and_no_other(store: Store, data: Path) -> None:
    """Recall: 28 columns; one in ten values of the comments holds something."""
    columns = {name: sensitive.column(make, name) for name, (_, make) in sensitive.SENSITIVE.items()}
    expected = {name: [kind] for name, (kind, _) in sensitive.SENSITIVE.items()}
    found = find(store, data, **columns)
    assert {name: [one.kind for one in findings] for name, findings in found.items()} == expected
    for name, (one,) in found.items():
        share = 0.1 if name.startswith("comment") else 0.3 if name == "pay_mixed" else 1.0
        assert one.share == pytest.approx(share, abs=0.12), name
        for example in one.examples:
            assert re.fullmatch(r"[x9.]\*\*\*[x9.]", example)


def test_what_only_looks_sensitive_is_left_alone(store: Store, data: Path) -> None:
    """Precision: 43 columns of order numbers, times, versions, part numbers and towns."""
    columns = {name: sensitive.column(make, name) for name, make in sensitive.HARMLESS.items()}
    assert kinds(store, data, **columns) == {}


def test_nothing_is_found_in_the_flights(store: Store, data: Path) -> None:
    (data / "flights").mkdir()
    month_of(1).to_parquet(data / "flights" / "1.parquet", index=False)
    source = {"source": "flights/*.parquet", "event_time": "departure", "label": "late"}
    spec = people(data=source, features={"columns": ["carrier"]})
    version = snapshot(store, FolderRoot(data), spec)
    assert scan(store, version, forms_for(REGIONS), 0.0) == ()


def wide(text: str) -> str:
    """The full-width signs of East Asian text."""
    return "".join(chr(ord(sign) + 0xFEE0) for sign in text)


@pytest.mark.parametrize(
    "text, kind",
    [
        (wide("jane@example.org"), "email"),
        ("jane\u200b@example.org", "email"),
        ("жанна@пример.рф", "email"),
        ("Müller <jane.o'doe+tag@mail.example.co.uk>, thanks", "email"),
        ("card 4111 1111 1111 1111.", "payment_card"),
        (wide("4111-1111-1111-1111"), "payment_card"),
        ("4111\u20131111\u20131111\u20131111", "payment_card"),
        ("3782 822463 10005", "payment_card"),
        ("DE89 3704 0044 0532 0130 00", "iban"),
        ("pay to de89370400440532013000 PLEASE", "iban"),
        ("GB29 NWBK 6016 1331 9268 19", "iban"),
        ("536-90-4399", "national_id"),
        ("call +49 30 901820 now", "phone"),
        ("http://203.0.113.9:8080/x", "ip"),
        ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", "ip"),
        ("Dear Mr. O'Brien,", "name"),
        ("SMITH, JOHN", "name"),
    ],
)
def test_a_single_value_in_any_dress(store: Store, data: Path, text: str, kind: str) -> None:
    assert kinds(store, data, note=[text, "nothing", "", None]) == {"note": [kind]}


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",
        "4444444444444444",
        "1.2.3.4",
        "0.0.0.0",
        "999.999.999.999",
        "std::vector<int>",
        "a::b",
        "12:34:56",
        "00:1a:2b:3c:4d:5e",
        "user@localhost",
        "@",
        "a@b",
        "git@github.com:acme/repo.git",
        "x" * 300 + "@" + "y" * 300,
        "666-12-3456",
        "XX12 3456 7890 1234",
        "Mr. and so on",
        "Charlotte Airport",
        "550e8400-e29b-41d4-a716-446655440000",
        "\ud7ff\U0001f600 \x00 \x1b[0m",
    ],
)
def test_a_single_value_that_is_nothing(store: Store, data: Path, text: str) -> None:
    assert kinds(store, data, share=0, note=[text] * 4) == {}


def test_numbers_as_floats_and_missing_values(store: Store, data: Path) -> None:
    made = sensitive.column(lambda r: float(sensitive.card(r)), "floats", 40)
    found = find(store, data, paid=[*made, *[np.nan] * 60], odd=[np.inf, -np.inf, 1e300, np.nan] * 25)
    (one,) = found.pop("paid")
    assert (one.kind, one.count, one.share) == ("payment_card", 40, 1.0)
    assert found == {}


def test_a_column_of_nothing_holds_nothing(store: Store, data: Path) -> None:
    assert kinds(store, data, share=0, none=[None] * 4, empty=[""] * 4, zero=[0] * 4) == {}


def test_values_within_lists_and_structures(store: Store, data: Path) -> None:
    mails = sensitive.column(sensitive.mail, "nested", 20)
    inside = [{"who": {"mail": one}, "tags": ["a", "b"]} for one in mails]
    assert kinds(store, data, deep=inside, listed=[["x", one] for one in mails]) == {
        "deep": ["email"],
        "listed": ["email"],
    }


def test_bytes_are_read_as_text(store: Store, data: Path) -> None:
    assert kinds(store, data, raw=[b"jane@example.org", b"\xff\xfe", b"", None]) == {"raw": ["email"]}


def test_mixed_columns_name_each_kind(store: Store, data: Path) -> None:
    notes = ["jane@example.org", "536-90-4399", "203.0.113.9", "nothing"] * 10
    assert sorted(kinds(store, data, note=notes)["note"]) == ["email", "ip", "national_id"]


def test_the_share_decides(store: Store, data: Path) -> None:
    notes = ["jane@example.org"] * 2 + ["nothing"] * 198
    assert kinds(store, data, share=0.01, note=notes) == {}
    assert kinds(store, data, share=0.009, note=notes) == {"note": ["email"]}
    (one,) = find(store, data, share=0, note=notes)["note"]
    assert (one.share, one.count) == (0.01, 2)


def test_one_number_in_many_rows_proves_nothing(store: Store, data: Path) -> None:
    """It passes as a card number a thousand times, or never: different numbers count."""
    assert kinds(store, data, order=["4111111111111111", "4111111111111112"] * 500) == {}


def test_shares_are_estimated_where_there_is_too_much_to_look_at_everything(
    store: Store, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_mlops.core.validation.privacy_scan.MOST_VALUES", 300)
    mails = [f"jane{number}@example.org" if number % 4 == 0 else f"{number}@@@" for number in range(4000)]
    (first,) = find(store, data, note=mails)["note"]
    (second,) = find(store, data, note=mails)["note"]
    assert first == second, "the seed is fixed"
    assert first.share == pytest.approx(0.25, abs=0.08)


def test_huge_texts_end_soon(store: Store, data: Path) -> None:
    huge = ["a" * 3_000_000 + "@", "1-" * 1_500_000, "jane@example.org " * 100_000, "Mr. " * 500_000]
    start = time.process_time()
    assert kinds(store, data, note=huge) == {"note": ["email"]}
    assert time.process_time() - start < 60, "linear in the length; seconds on any machine"


def test_thousands_of_columns(store: Store, data: Path) -> None:
    columns = {f"c{number}": [number, number + 1] for number in range(1500)}
    mails = {"mail": ["jane@example.org", "joe@example.org"]}
    assert kinds(store, data, **columns, **mails) == {"mail": ["email"]}


def test_a_name_of_a_column_says_what_bare_digits_are(store: Store, data: Path) -> None:
    phones = sensitive.column(sensitive.SENSITIVE["phone"][1], "phone", 20)
    assert kinds(store, data, value=phones, customerPhone=phones) == {"customerPhone": ["phone"]}
    assert hints("customerPhone") == {"phone"}
    assert hints("LAST_NAME") == hints("lastName") == hints("nachname") == {"name"}
    assert hints("client_ip") == {"ip"}
    assert hints("US-SSN") == {"national_id"}
    for harmless in ("name", "carrier_name", "file_name", "description", "ship_date", "tip", "nickel", ""):
        assert hints(harmless) == frozenset(), harmless


def test_regions_decide_which_ids_are_looked_for() -> None:
    spanish = "12345678Z"
    forms = {region: list(enumerate(forms_for((region,)))) for region in ("US", "ES")}
    named = {region: {forms[region][n][1].label for n in look(spanish, forms[region])} for region in forms}
    assert "ES DNI" in named["ES"]
    assert "ES DNI" not in named["US"]


@pytest.mark.parametrize("region, says", [("UK", "close: GB"), ("de", "close: DE"), ("XX", "ISO 3166")])
def test_a_region_that_is_none_is_told(region: str, says: str) -> None:
    with pytest.raises(
        SpecError, match=f"privacy.regions names no country; given {region}; expected .*{says}"
    ):
        forms_for(("US", region))


@pytest.mark.parametrize("missing", ["phonenumbers", "stdnum", "faker"])
def test_without_the_libraries_the_remedy_is_told(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(PlatformError, match=r"pip install 'airflow-mlops\[audit\]'"):
        forms_for(REGIONS)


def test_what_is_no_text_and_no_number_is_not_looked_at() -> None:
    times = pa.array(pd.date_range("2024-01-01", periods=3))
    for values in (times, pa.array([True, None]), pa.nulls(3), pa.array([1, 2], pa.int8())):
        assert candidates(values, everything=False) is None
    assert [len(one) for one in leaves(pa.array([{"a": 1, "b": ["x", "y"]}]))] == [1, 2]
    coded = pa.array(["jane@example.org"] * 3).dictionary_encode()
    (plain,) = leaves(coded)
    found = candidates(plain, everything=False)
    assert found is not None
    assert (found.texts.to_pylist(), found.counts.to_pylist(), found.rows) == (["jane@example.org"], [3], 3)
