"""A version whose card would lack a required section is not registered."""

from __future__ import annotations

import pytest

from airflow_mlops.core.card.gate import require_card
from airflow_mlops.core.errors import RegistryError, SpecError
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.spec import ModelSpec
from tests.core.card.world import SAID, told, validation
from tests.core.evaluation import whole

ALL = (
    "purpose", "owner", "users", "out_of_scope", "data", "data_tests", "training", "performance", "slices", "fairness",
    "limits", "risks", "oversight", "ageing", "approvals", "monitoring",
)  # fmt: skip
MEASURED = {
    "gates": [{"metric": "auc", "min": 0.6}],
    "slices": ["amount"],
    "groups": ["amount"],
    "ageing": {},
}


def spec(*required: str) -> ModelSpec:
    return told(card={**SAID, "required": required}, evaluation=MEASURED, validation={"unique": ["order_id"]})


def test_a_whole_card_passes() -> None:
    require_card(spec(*ALL), whole.evaluation(), validation())


def test_what_is_planned_for_later_counts() -> None:
    require_card(spec("approvals", "monitoring"), whole.evaluation(), None)


def test_every_empty_section_is_named_with_what_to_do() -> None:
    bare = Evaluation(rows=100, metrics={"auc": 0.7}, gates=whole.gates())
    with pytest.raises(RegistryError) as caught:
        require_card(spec(*ALL), bare, None)
    said = str(caught.value)
    assert said.startswith(
        "the model card of orders lacks 4 required sections; given data_tests (not tested:"
    )
    for words in (
        "for data_tests say validation.expectations in the spec",
        "for slices say evaluation.slices",
        "fairness (not measured: no two groups are large enough)",
        "for ageing say evaluation.ageing",
    ):
        assert words in said, words
    assert "performance" not in said


@pytest.mark.parametrize("section", ["data_tests", "slices", "fairness", "ageing"])
def test_only_what_is_required_is_asked_for(section: str) -> None:
    bare = Evaluation(rows=100, metrics={"auc": 0.7}, gates=whole.gates())
    require_card(
        spec(*(one for one in ALL if one not in ("data_tests", "slices", "fairness", "ageing"))), bare, None
    )
    with pytest.raises(RegistryError, match=rf"lacks a required section; given {section} "):
        require_card(spec(section), bare, None)


@pytest.mark.parametrize(
    "section,sections,says",
    [
        ("owner", {"contact": ""}, r"owner \(say owner or team, and contact\)"),
        ("slices", {}, r"slices \(say evaluation.slices or evaluation.search\)"),
        ("fairness", {}, r"fairness \(say evaluation.groups\)"),
        ("ageing", {}, r"ageing \(say evaluation.ageing\)"),
        ("data_tests", {}, r"data_tests \(say validation\)"),
        ("approvals", {"approval": None}, r"approvals \(say approval\)"),
        ("monitoring", {"monitoring": {}}, r"monitoring \(say monitoring.schedule\)"),
        ("risks", {}, "required sections that nobody wrote: risks"),
    ],
)
def test_a_card_that_nothing_could_fill_is_refused_with_the_spec(
    section: str, sections: dict[str, object], says: str
) -> None:
    text = {**SAID, "risks": ""} if section == "risks" else SAID
    with pytest.raises(SpecError, match=says):
        told(card={**text, "required": [section]}, **sections)
