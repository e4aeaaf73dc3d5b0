"""Everything that the page of a model shows, gathered for one request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from airflow_mlops.core.card.reading import Gap
from airflow_mlops.core.labels.record import LabelAudit
from airflow_mlops.core.overview import ModelOverview, overview_of
from airflow_mlops.core.overview.model_records import ModelRecords
from airflow_mlops.core.store import Store
from airflow_mlops.core.wording import line
from airflow_mlops.spec.contact import contact_link
from airflow_mlops.ui.actions import Wanted
from airflow_mlops.ui.model_parts import findings
from airflow_mlops.ui.model_parts.findings import AlertRow, ChampionDigest, Request
from airflow_mlops.ui.model_parts.heat import HeatMap, heat_map
from airflow_mlops.ui.model_parts.live import Live, last_challenger, live_rollout
from airflow_mlops.ui.model_parts.performance import Performance, performance
from airflow_mlops.ui.model_parts.timeline import Timeline, timeline
from airflow_mlops.ui.model_parts.versions import VersionPage, version_page


@dataclass(frozen=True)
class ModelView:
    """The page.

    :param last: the challenger of the last rollout, None before the first one.
    :param contact: what a click on the contact opens, None where that is nothing safe.
    :param lasting: alerts that last; ``told``: the newest messages.
    :param gaps: what could not be read, in lines.
    """

    overview: ModelOverview
    contact: str | None
    live: Live | None
    last: int | None
    versions: VersionPage
    timeline: Timeline
    performance: Performance | None
    heat: HeatMap | None
    champion: ChampionDigest | None
    audit: LabelAudit | None
    lasting: tuple[AlertRow, ...]
    told: tuple[AlertRow, ...]
    requests: tuple[Request, ...]
    gaps: tuple[str, ...]


def model_view(store: Store, model: str, now: datetime, below: int | None = None) -> ModelView:
    """Gather the page of a model. :param below: versions with a smaller number are listed; None for the newest."""
    records = ModelRecords(store, model)
    records.prepare("numbered_deployments", "releases", "looks", "alerts", "requests")
    overview = overview_of(store, model, now=now)
    rollout = overview.rollout
    looks = records.looks
    champion = findings.champion_digest(records, overview.champion)
    lasting, told = findings.alerts(records.alerts)
    series = performance(records, looks)
    return ModelView(
        overview=overview,
        contact=contact_of(overview),
        live=live_rollout(records, now),
        last=last_challenger(records),
        versions=version_page(records, overview.champion, rollout.challenger if rollout else None, below),
        timeline=timeline(records.numbered_deployments, now),
        performance=series,
        heat=heat_map(records, looks, series.pages if series else {}),
        champion=champion,
        audit=findings.label_audit(records, champion),
        lasting=lasting,
        told=told,
        requests=findings.retraining_requests(records),
        gaps=gaps_of(overview, records.gaps),
    )


def gaps_of(overview: ModelOverview, gaps: tuple[Gap, ...]) -> tuple[str, ...]:
    """What could not be read, each said once."""
    said = [*(f"{one.what}: {one.why}" for one in gaps), *overview.broken]
    return tuple(dict.fromkeys(line(one, 400) for one in said))


def wanted_actions(overview: ModelOverview) -> tuple[Wanted, ...]:
    """What is of use now, in the order of a page."""
    rollout = overview.rollout
    found: list[Wanted] = []
    if rollout is not None:
        hand = ("resume", "Resume the rollout") if rollout.held else ("hold", "Hold the rollout")
        found.append(Wanted("rollout", hand[1], (("Action", hand[0]),)))
        found.append(Wanted("rollout", "Abort the rollout", (("Action", "abort"),)))
    else:
        found.append(Wanted("release", "Retrain and release"))
    if overview.champion is not None or overview.mode == "fallback":
        found.append(Wanted("rollback", "Roll back"))
    if overview.champion is not None:
        found.append(Wanted("reproduce", "Reproduce", (("Version", str(overview.champion)),)))
    return tuple(found)


def contact_of(overview: ModelOverview) -> str | None:
    """What a click on the contact opens, None where that is nothing safe."""
    try:
        return contact_link(overview.contact)
    except ValueError:
        return None
