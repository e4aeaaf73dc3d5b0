"""The base of everything a user writes: what its errors say, wherever in the model the mistake is."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.section import Section


class Leaf(Section):
    """Innermost."""

    size: int = 1
    colour: str = "green"


class Twig(Section):
    """With one leaf, some leaves, and perhaps another."""

    leaf: Leaf = Leaf()
    leaves: tuple[Leaf, ...] = ()
    maybe: Leaf | None = None


@pytest.mark.parametrize(
    "fields, says",
    [
        ({"leave": ()}, "Twig: leave: unknown field; did you mean leaves?"),
        ({"zzz": 1}, "Twig: zzz: unknown field; allowed: leaf, leaves, maybe"),
        ({"leaf": {"sise": 1}}, "Twig: leaf.sise: unknown field; did you mean size?"),
        ({"leaves": [{}, {"color": "red"}]}, "Twig: leaves.1.color: unknown field; did you mean colour?"),
        ({"maybe": {"sizes": 2}}, "Twig: maybe.sizes: unknown field; did you mean size?"),
        ({"leaf": {"size": "big"}}, "Twig: leaf.size: given 'big'; Input should be a valid integer"),
        ({"cls": 1, "self": 2}, "Twig: cls: unknown field"),
    ],
)
def test_the_place_of_a_mistake_and_the_nearest_name(fields: dict[str, object], says: str) -> None:
    with pytest.raises(SpecError) as caught:
        Twig(**fields)
    assert str(caught.value).startswith(says)


def test_inside_another_model_pydantic_reports_as_ever() -> None:
    class Record(BaseModel):
        leaf: Leaf

    with pytest.raises(ValueError, match=r"leaf\.size"):
        Record.model_validate({"leaf": {"size": "big"}})


def test_line_breaks_in_names_stay_within_the_line() -> None:
    with pytest.raises(SpecError) as caught:
        Twig(**{"a\nb": 1})
    assert str(caught.value).splitlines() == [str(caught.value)]
