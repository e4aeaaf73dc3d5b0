"""What it takes to promote: one passed verdict for each stage, about this version, run and share of traffic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import GateFailed
from airflow_mlops.core.registry.deployments import Deployment
from airflow_mlops.core.rollout.verdict import Stage, Verdict

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec


def require_proof(
    spec: ModelSpec,
    entries: Iterable[tuple[int, Deployment]],
    version: int,
    run: str,
    verdicts: Sequence[Verdict],
) -> None:
    """Check that the verdicts prove every stage of the spec, in order, and nothing else.

    A verdict names the entry of the deployment log that gave the challenger its place; that entry says which
    version, run and share of the traffic were judged. So no verdict counts twice, or for something else. A replay
    gives no place and has no entry: version and run are what it is about.

    :param entries: of the deployment log, with their numbers.
    :raises GateFailed: naming what was shown and what is wanted.
    """
    places = dict(entries)
    wanted = [_in_words(stage, weight) for stage, weight in spec.rollout.stages]
    given = [_shown(verdict, places, version, run) for verdict in verdicts]
    if given != wanted:
        raise GateFailed(
            f"version {version} of {spec.name} lacks evidence",
            given=", ".join(given) or "no verdict",
            expected=", ".join(wanted),
            remedy="run the rollout; a stage marked by hand does not count",
        )


def _shown(verdict: Verdict, places: Mapping[int, Deployment], version: int, run: str) -> str:
    """Which stage the verdict proves, in words; where it proves none, what it shows instead."""
    if verdict.decision != "PROMOTE":
        return f"{verdict.decision} in {verdict.stage}"
    if verdict.version != version:
        return f"{verdict.stage} of version {verdict.version}"
    if verdict.run != run:
        return f"{verdict.stage} of run {verdict.run}"
    if verdict.stage == "replay":
        return "replay" if verdict.deployment is None else "replay with a place in the traffic"
    entry = places.get(verdict.deployment or 0)
    if entry is None or (entry.action, entry.challenger, entry.run) != (verdict.stage, version, run):
        return f"{verdict.stage} without its entry in the deployment log"
    return _in_words(verdict.stage, entry.weight)


def _in_words(stage: Stage, weight: float) -> str:
    return f"{stage} at {weight:g}" if stage == "canary" else stage
