"""The list of models: how each one stands, the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from airflow_mlops.core.overview import ModelOverview, Mood, model_names, overviews
from airflow_mlops.core.record import utc_now
from airflow_mlops.ui.access import User, may_run, visible
from airflow_mlops.ui.links import Links
from airflow_mlops.ui.rendering import page as rendered
from airflow_mlops.ui.source import ReadStore

router = APIRouter()

PER_PAGE: Final = 100
_MOODS: Final[tuple[Mood, ...]] = get_args(Mood)
Text = Annotated[str, Query(max_length=200)]


@router.get("/")
def models(
    request: Request,
    user: User,
    store: ReadStore,
    q: Text = "",
    owner: Text = "",
    mood: Literal["", "bad", "warning", "unknown", "good"] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """All models that the user may see.

    :param q: words that stand in a model's name, description, owner, team or contact.
    :param owner: an owner or a team.
    :param page: of a hundred models each.
    """
    seen = visible(user, model_names(store))
    known = overviews(store, seen, now=utc_now())
    chosen = Chosen(q.strip(), owner, mood)
    found = ranked([one for one in known if chosen.takes(one)])
    pages = max(1, -(-len(found) // PER_PAGE))
    here = min(page, pages)
    shown = found[(here - 1) * PER_PAGE : here * PER_PAGE]
    home = Links.of(request).models()
    return rendered(
        request,
        "models.html",
        shown=shown,
        resumable={one.model for one in shown if _is_held(one) and may_run(user, one.model, "rollout")},
        found=len(found),
        known=len(known),
        counts=_counts(known),
        waiting=sum(bool(one.waits_for) for one in known),
        owners=owners(known),
        moods=_MOODS,
        chosen=chosen,
        page=here,
        pages=pages,
        address=lambda number: chosen.address(home, number),
    )


@dataclass(frozen=True)
class Chosen:
    """What the list is narrowed to; empty is all."""

    q: str = ""
    owner: str = ""
    mood: str = ""

    def takes(self, one: ModelOverview) -> bool:
        """Whether a model is shown: every word of ``q`` stands somewhere in what it says of itself."""
        said = f"{one.model} {one.description} {one.owner} {one.team} {one.contact}".casefold()
        return (
            all(word in said for word in self.q.casefold().split())
            and (not self.owner or self.owner in (one.owner, one.team))
            and (not self.mood or self.mood == one.mood)
        )

    def address(self, home: str, page: int) -> str:
        """The address of this list. :param home: that of the whole list."""
        asked = {"q": self.q, "owner": self.owner, "mood": self.mood, "page": page if page > 1 else ""}
        given = urlencode({name: value for name, value in asked.items() if value})
        return f"{home}?{given}" if given else home


def ranked(found: Sequence[ModelOverview]) -> list[ModelOverview]:
    """The worst first; among equals those that wait for somebody, then those whose rollout goes on, then by name."""
    return sorted(
        found,
        key=lambda one: (_MOODS.index(one.mood), not one.waits_for, one.rollout is None, one.model),
    )


def owners(known: Sequence[ModelOverview]) -> list[str]:
    """Owners and teams to choose from."""
    return sorted({name for one in known for name in (one.owner, one.team) if name}, key=str.casefold)


def _is_held(one: ModelOverview) -> bool:
    return one.rollout is not None and one.rollout.held


def _counts(known: Sequence[ModelOverview]) -> list[tuple[Mood, int]]:
    """How many models are in each mood that any of them is in, the worst first."""
    found = Counter(one.mood for one in known)
    return [(mood, found[mood]) for mood in _MOODS if found[mood]]
