"""Masked values give nothing away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_mlops.core.validation.mask import Masking, mask, mask_all


def test_the_class_of_the_first_and_the_last_sign_is_all_that_is_shown() -> None:
    assert mask("jane.doe42") == "x***9"
    assert mask(4111111111111111) == "9***9"
    assert mask("(212) 555-0123") == ".***9"
    assert mask(" Ünal ") == "x***x"
    assert mask("٣٤٥") == "9***9"
    assert mask("a") == "x***x"
    assert {mask(None), mask(float("nan")), mask(""), mask("  ")} == {"null"}


@given(st.text() | st.integers() | st.floats() | st.none())
def test_a_masked_value_is_one_of_a_few(value: object) -> None:
    shown = mask(value)
    assert shown == "null" or (
        len(shown) == 5 and shown[1:4] == "***" and {shown[0], shown[-1]} <= set("x9.")
    )


def test_examples_that_look_alike_stand_once() -> None:
    assert mask_all(["a1", "b2", "c", None, "1", "-", "z9"]) == ("x***9", "x***x", "null", "9***9", ".***.")
    assert mask_all(["a1", "b"], most=1) == ("x***9",)


def test_only_sensitive_columns_are_hidden() -> None:
    masking = Masking(frozenset({"mail"}))
    assert masking.shown(["carrier"], "UA") == "UA"
    assert masking.shown(["carrier", "mail"], "jane@x.org") == "x***x"
    assert masking.hides(["mail"])
    assert not Masking().hides(["mail"])
