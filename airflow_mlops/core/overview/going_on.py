"""The rollout of a model that goes on, with every look of the judge at its present stage."""

from __future__ import annotations

from datetime import datetime

from airflow_mlops.core.card.reading import Reader
from airflow_mlops.core.overview.board import overview_of
from airflow_mlops.core.overview.records import LastRelease, RolloutNow
from airflow_mlops.core.record import Record
from airflow_mlops.core.rollout.progress import StageNow, expected, progress_log
from airflow_mlops.core.store import Store


class RolloutGoingOn(Record):
    """How a rollout goes on.

    :param rollout: None where none is in progress; then ``last_release`` says how the newest one ended.
    :param looks: of the judge at the present stage, oldest first.
    :param expected: when the stage will probably be decided; None where nobody can tell, and while it is held.
    :param broken: what can't be read, in a line each.
    """

    model: str
    rollout: RolloutNow | None
    last_release: LastRelease | None
    looks: tuple[StageNow, ...] = ()
    expected: datetime | None = None
    broken: tuple[str, ...] = ()


def rollout_of(store: Store, model: str, *, now: datetime) -> RolloutGoingOn:
    """How the rollout of ``model`` goes on.

    :raises StoreError: if the store can't be reached.
    """
    found = overview_of(store, model, now=now)
    if found.rollout is None:
        return RolloutGoingOn(model=model, rollout=None, last_release=found.last_release, broken=found.broken)
    reader = Reader(store, None)
    log = progress_log(store, model, found.rollout.entry)
    looks = tuple(look for _, look in reader.log(log, "looks at the stage", lambda look: look.at))
    return RolloutGoingOn(
        model=model,
        rollout=found.rollout,
        last_release=found.last_release,
        looks=looks,
        expected=None if found.rollout.held else expected(looks, now),
        broken=(*found.broken, *(f"{gap.what}: {gap.why}" for gap in reader.gaps)),
    )
