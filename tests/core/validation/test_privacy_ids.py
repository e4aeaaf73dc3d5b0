"""National ids: real ones pass, and what is none passes as seldom as the table says."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import pytest

from airflow_mlops.core.validation import privacy_ids
from airflow_mlops.core.validation.privacy_form import Form, Verdict
from airflow_mlops.core.validation.privacy_ids import id_forms

parser = import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
SIGNS = [chr(code) for code in range(32, 127)]
#: Published examples: python-stdnum's own documentation, or made by the rule of the country.
EXAMPLES = {
    "AT social insurance number": "1237 010180",
    "AU tax file number": "123 456 782",
    "BE national number": "85.07.30-033 28",
    "BR CPF": "390.533.447-05",
    "CA SIN": "123 456 782",
    "CH AHV number": "756.9217.0769.85",
    "DE tax id (IdNr)": "36 574 261 809",
    "ES DNI": "54362315K",
    "ES NIE": "X-2482300W",
    "FI HETU": "131052-308T",
    "FR NIR": "2 95 10 99 126 111 93",
    "GB NHS number": "943 476 5870",
    "IE PPS number": "6433435F",
    "IN Aadhaar": "2341 2341 2346",
    "IT codice fiscale": "RCCMNL83S18D969H",
    "NL BSN": "111222333",
    "PL PESEL": "44051401359",
    "SE personal number": "880320-0016",
    "TR TCKN": "17291716060",
    "US SSN": "536-90-4399",
    "GB NINO": "AB 12 34 56 C",
}


def every_form() -> list[Form]:
    return [one for one in id_forms(tuple(privacy_ids.id_regions())) if not one.hinted]


def drawn(tokens: Iterable[Any], draw: random.Random) -> str:
    """Any text of a pattern, each sign and each way as likely as the others."""
    text = ""
    for op, value in tokens:
        name = str(op)
        if name == "LITERAL":
            text += chr(value)
        elif name == "IN":
            text += draw.choice([sign for sign in SIGNS if within(sign, value)])
        elif name == "MAX_REPEAT":
            least, most, inner = value
            text += "".join(drawn(inner, draw) for _ in range(draw.randint(least, most)))
        elif name == "SUBPATTERN":
            text += drawn(value[-1], draw)
        elif name == "BRANCH":
            text += drawn(draw.choice(value[1]), draw)
        else:
            raise AssertionError(name)
    return text


def within(sign: str, items: Iterable[Any]) -> bool:
    for op, value in items:
        name = str(op)
        if name == "CATEGORY" and sign.isdigit():
            return True
        if name == "LITERAL" and sign == chr(value):
            return True
        if name == "RANGE" and value[0] <= ord(sign) <= value[1]:
            return True
    return False


@pytest.mark.parametrize("one", privacy_ids._IDS, ids=lambda one: one.module)
def test_what_is_none_passes_as_seldom_as_said(one: privacy_ids.NationalId) -> None:
    form = privacy_ids._form(one)
    draw = random.Random(one.module)
    shape = parser.parse(one.shape)
    passed = tried = 0
    for _ in range(600):
        for _, _, verdict in form.find(drawn(shape, draw)):
            tried += 1
            passed += verdict is Verdict.MAYBE
    assert tried > 400, "the shape finds its own texts"
    assert passed / tried <= form.chance + 0.03


@pytest.mark.parametrize("label, number", EXAMPLES.items())
def test_a_real_one_is_found_within_a_text(label: str, number: str) -> None:
    form = next(one for one in every_form() if one.label == label)
    ((start, end, verdict),) = form.find(f"id: {number}, thanks")
    assert verdict is not Verdict.NO
    assert (start, end) == (4, 4 + len(number))


@pytest.mark.parametrize("around", ["9{}", "{}9", "a{}", "{}-1", "1.{}", "/{}", "{}/x", "{}_2"])
def test_a_part_of_something_longer_is_none(around: str) -> None:
    for form in every_form():
        number = EXAMPLES.get(form.label)
        if number is not None:
            text = around.format(number)
            found = {text[start:end] for start, end, verdict in form.find(text) if verdict is not Verdict.NO}
            assert number not in found, form.label
