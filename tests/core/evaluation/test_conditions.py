from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.evaluation.conditions import Between, Is, parse_slice, single_value, slice_text


@pytest.mark.parametrize(
    "text,conditions",
    [
        ("carrier=UA", (Is("carrier", "UA"),)),
        ("kind=a=b", (Is("kind", "a=b"),)),
        ("team=R&D", (Is("team", "R&D"),)),
        ("carrier=(missing)", (Is("carrier", "(missing)"),)),
        (
            "carrier=UA & distance=[500,1000)",
            (Is("carrier", "UA"), Between("distance", 500, 1000)),
        ),
        ("distance=[1000,)", (Between("distance", 1000, None),)),
        ("distance=[,-1.5e3)", (Between("distance", None, -1500),)),
        ("departure.hour=17 & carrier=UA", (Is("departure.hour", "17"), Is("carrier", "UA"))),
        ('company="Smith & Sons" & size=[1,2)', (Is("company", "Smith & Sons"), Between("size", 1, 2))),
        ('tags="[1,2)"', (Is("tags", "[1,2)"),)),
        ('"a=b"=c', (Is("a=b", "c"),)),
    ],
)
def test_slices_that_people_write(text: str, conditions: tuple[Is | Between, ...]) -> None:
    assert parse_slice(text) == conditions
    assert parse_slice(slice_text(conditions)) == conditions


@pytest.mark.parametrize(
    "text,says",
    [
        ("carrier", "slice is malformed; given 'carrier'; expected column=value"),
        ("=UA", "slice is malformed"),
        ("", "slice is malformed"),
        (
            "company=Smith & Sons",
            "malformed at 'Sons'; .* a value that holds \" & \" stands in double quotes",
        ),
        ("distance=[500,1000]", r"range of a slice is malformed; .* expected \[low,high\)"),
        ("distance=[1000,500)", "numbers with low < high"),
        ("distance=[5,5)", "numbers with low < high"),
        ("distance=[,)", "numbers with low < high"),
        ("distance=[a,b)", "range of a slice is malformed"),
        ("distance=[nan,1)", "range of a slice is malformed"),
        ('a="b\\x"', "only the escapes of JSON"),
    ],
)
def test_slices_that_make_no_sense_are_one_clear_line(text: str, says: str) -> None:
    with pytest.raises(SpecError, match=says) as caught:
        parse_slice(text)
    assert "\n" not in str(caught.value)


ODD = st.text(alphabet=st.sampled_from('ab=&" [],)\\1\n\u2028'), max_size=8)
ENDS = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=300, deadline=None)
@given(ODD.filter(bool), ODD, ODD.filter(bool), ENDS, ENDS)
def test_every_condition_is_read_back(column: str, value: str, other: str, one: float, two: float) -> None:
    low, high = sorted((one, two))
    ranges = [Between(other, low, None), Between(other, None, high)]
    ranges += [Between(other, low, high)] if low < high else []
    for found in ranges:
        for conditions in [
            (Is(column, value),),
            (found,),
            (Is(column, value), found),
            (found, Is(column, value)),
        ]:
            assert parse_slice(slice_text(conditions)) == conditions


def test_a_single_value_is_told_from_other_slices() -> None:
    assert single_value("carrier=UA") == ("carrier", "UA")
    assert single_value("carrier=UA & origin=EWR") is None
    assert single_value("distance=[1,2)") is None
