"""Annex IV of the EU AI Act as a checklist: which of its points a card answers, and what is left to do.

Regulation (EU) 2024/1689, Annex IV, "Technical documentation referred to in Article 11(1)", points 1 to 9; the headings
are paraphrased. It applies to high-risk systems only, and whether a system is one is not decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from airflow_mlops.core.card.blocks import Cell, Look, Missing, Part, Table, Toned, Words

State = Literal["covered", "partly", "not covered"]
_LOOKS: dict[State, Look] = {"covered": "pass", "partly": "inconclusive", "not covered": "fail"}
NOTE = (
    "Paraphrased headings of Annex IV of Regulation (EU) 2024/1689, which applies to high-risk AI systems. A checklist "
    "for the people who write the technical documentation; it is no legal advice, and a covered point is one that this "
    "card has something to say about, not one that a lawyer has read."
)


@dataclass(frozen=True)
class Point:
    """One point of the annex.

    :param sections: of the card that answer it.
    :param beside: what it also asks for and no card can know; empty where the sections can be enough.
    """

    number: str
    heading: str
    sections: tuple[str, ...] = ()
    beside: str = ""


@dataclass(frozen=True)
class Answer:
    """How far a card answers a point.

    :param by: headings of the sections that answer it.
    :param left: what is left to do; empty where nothing is.
    """

    point: Point
    state: State
    by: tuple[str, ...]
    left: str


POINTS = (
    Point("1a", "intended purpose, provider, version and its relation to earlier ones",
          ("purpose", "owner", "lineage")),
    Point("1b", "how it works together with other systems", ("users",), "name the systems that call it"),
    Point("1c", "versions of software it needs", ("training", "lineage")),
    Point("1d", "forms in which it is put into service",
          ("deployments",), "say where its endpoint is offered to others"),
    Point("1e", "hardware it is meant to run on", (), "describe the machines of the platform"),
    Point("1f", "pictures of the product that it is a part of", (), "if it is a part of a product: add them"),
    Point("1g-h", "user interface and instructions for use",
          ("users", "out_of_scope"), "add the interface and the instructions"),
    Point("2a", "how it was developed, and with which tools of others", ("training", "data")),
    Point("2b", "general logic, design choices, what it optimises",
          ("training", "performance"), "say why it was designed so"),
    Point("2c", "architecture and computing resources",
          ("training",), "describe the machines it was trained on"),
    Point("2d", "training data: origin, scope, selection, labels, cleaning",
          ("data", "data_tests"), "say how labels came about"),
    Point("2e", "human oversight that is needed", ("oversight", "approvals")),
    Point("2f", "changes that are planned in advance", ("monitoring", "approvals")),
    Point("2g", "validation and testing: data, metrics, bias, signed reports",
          ("performance", "slices", "fairness", "approvals")),
    Point("2h", "cybersecurity", ("lineage",), "describe who may reach store, training and endpoint"),
    Point("3", "monitoring and control: accuracy for groups, unintended outcomes, oversight, inputs",
          ("performance", "slices", "fairness", "limits", "risks", "oversight")),
    Point("4", "why the performance metrics are the right ones",
          ("performance",), "say in words why these gates fit the purpose"),
    Point("5", "risk management system (Article 9)",
          ("risks", "limits"), "describe the system beside this text"),
    Point("6", "changes through its lifecycle", ("deployments", "lineage")),
    Point("7", "harmonised standards that are applied", (), "list them, or the solutions in their place"),
    Point("8", "EU declaration of conformity (Article 47)", (), "attach it"),
    Point("9", "monitoring after it is on the market (Article 72)", ("monitoring", "incidents", "ageing")),
)  # fmt: skip


def checklist(parts: Collection[Part]) -> tuple[Answer, ...]:
    """Hold the points of the annex against the sections of a card."""
    known = {part.key: part for part in parts}
    return tuple(_answer(point, known) for point in POINTS)


def annex(parts: Collection[Part]) -> Part:
    """The checklist as the last section of the card."""
    answers = checklist(parts)
    rows: list[tuple[Cell, ...]] = [
        (
            f"{one.point.number}. {one.point.heading}",
            Toned(one.state, _LOOKS[one.state]),
            ", ".join(one.by) or "nothing here",
            one.left or "nothing",
        )
        for one in answers
    ]
    told = ", ".join(f"{sum(one.state == state for one in answers)} {state}" for state in _LOOKS)
    table = Table(f"Points of the annex: {told}", ("point", "state", "answered by", "left to do"), rows)
    return Part("annex", "EU AI Act, Annex IV", [Words(NOTE, note=True), table])


def _answer(point: Point, known: Mapping[str, Part]) -> Answer:
    parts = [known[name] for name in point.sections if name in known]
    full = [part for part in parts if not part.missing]
    left = [_left(one) for part in parts for one in part.missing]
    if point.beside:
        left.append(point.beside)
    state: State = "covered" if full and not left else "partly" if full else "not covered"
    return Answer(point, state, tuple(part.heading for part in full), "; ".join(dict.fromkeys(left)))


def _left(missing: Missing) -> str:
    return missing.remedy.removesuffix(" in the spec")
