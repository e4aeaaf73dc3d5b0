"""Models in a store: versions that nobody trained, with whatever text; a rollout in progress, looks, an audit."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_mlops.core.labels.record import Duplicates, LabelAudit
from airflow_mlops.core.monitoring.look import Look, RetrainDecision, monitoring_log
from airflow_mlops.core.monitoring.performance.report import PerformanceReport, PeriodPerformance, Value
from airflow_mlops.core.monitoring.report import ColumnDrift, DriftReport, Movement
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.rollout.progress import GateNow, StageNow, progress_log
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import keep
from tests.core.card import world as lives
from tests.core.card.world import after, append, told
from tests.core.evaluation import whole
from tests.core.registry.world import DATASET, MODEL, evaluation, trained
from tests.ui.conftest import HERE

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
PAGE = f"{HERE}/models/{MODEL}"


def register(store: Store, model: str, **spec: object) -> None:
    """A version of a model whose spec says this."""
    made = ModelVersion(
        model=model,
        dataset=DATASET,
        spec=spec,
        trained=trained(store),
        evaluation=evaluation(),
        validation=None,
        run=None,
        created_at=START,
        created_by="ann",
    )
    store.create(f"models/{model}/versions/{1:010d}.json", made.to_bytes())


def roll_out(store: Store, *, looks: int = 12, needed: int | None = 300, held: bool = False) -> int:
    """Version 2 in a canary beside version 1, judged every ten seconds; the number of its entry."""
    now = utc_now()
    log = DeploymentLog(store, MODEL).log
    place: dict[str, Any] = {
        "action": "canary", "champion": 1, "challenger": 2, "weight": 0.2, "who": "ann", "run": "orders.release/r9",
    }  # fmt: skip
    lease = {"lease_until": now + timedelta(hours=2)}
    entry = log.append(
        Deployment(**place, **lease, why="v2 gets 20 %", at=now - timedelta(minutes=10)),
        after=log.last_number(),
    )
    if held:
        append(log, Deployment(**place, **lease, why="a sale", held=True, control="c1", at=now))
    began = now - timedelta(seconds=10 * looks)
    for number in range(1, looks + 1):
        width = 0.1 / number
        gate = GateNow(
            name="error_rate", outcome="inconclusive", value=0.001, low=-width, high=width, limit=0.01,
            said="<i>between</i>",
        )  # fmt: skip
        append(
            progress_log(store, MODEL, entry),
            StageNow(
                at=began + timedelta(seconds=10 * number), stage="canary", version=2, decision="CONTINUE",
                reason="error_rate is undecided", samples=50 * number, needed=needed, gates=(gate,),
            ),
        )  # fmt: skip
    return entry


def look(store: Store, at: float, *, effect: float, column: str = "amount") -> str:
    """A look that found a column moved by so much; the hash of its drift report."""
    since, until = after(at - 1), after(at)
    moved = Movement(aspect="values", p_value=0.001, effect=effect, said="above 5 10 % -> 60 %")
    drifted = effect >= 0.1
    report = DriftReport(
        model=MODEL, champion=2, dataset=None, since=since, until=until, rows=900, alpha=0.05,
        outcome="drift" if drifted else "stable",
        reason=f"{int(drifted)} of 1 columns drifted", report_html="7" * 64 if drifted else None,
        columns=(ColumnDrift(column=column, kind="number", effect=effect, drifted=drifted, movements=(moved,)),),
    )  # fmt: skip
    value = Value(value=0.5 + effect, low=0.4, high=0.9)
    performance = PerformanceReport(
        model=MODEL, champion=2, since=since, until=until, as_of=until, objective="binary", baseline={"log_loss": 0.46},
        reason="1 of 1 periods measured", page="8" * 64,
        periods=(
            PeriodPerformance(
                since=since, until=until, champion=2, rows=900, labelled=900, measured={"log_loss": value}
            ),
        ),
    )  # fmt: skip
    kept = keep(store, report)
    entry = Look(
        run=f"m/{at}", since=since, until=until, champion=2, drift=kept, performance=keep(store, performance),
        outcome=report.outcome, share=0.0, columns=(), metrics={}, judged_on="measured", failed_gates=(),
        decision=RetrainDecision(retrain=False, said="no cause"), at=until,
    )  # fmt: skip
    append(monitoring_log(store, MODEL), entry)
    return kept


def audited(store: Store, number: int) -> None:
    """One more version, with an audit of its labels; it becomes the champion."""
    audit = LabelAudit(
        model=MODEL, dataset=DATASET, rows=1000, suspects=17, confident_learning=20, expected_precision=0.8,
        precision_low=0.7, precision_high=0.9, error_rate=0.021, error_rate_low=0.01, error_rate_high=0.03,
        certain=True, kept=2, evidence=(), duplicates=Duplicates(groups=3, rows=9, largest=()), shifts=(), file_rows=50,
        file_precision=0.6, parquet="1" * 64, csv="2" * 64,
    )  # fmt: skip
    run = lives.register(
        store, number, after(80), told().to_dict(), whole.evaluation(), audit=keep(store, audit)
    )
    promoted = Deployment(action="promote", champion=number, who="ann", why="audited", run=run, at=after(81))
    append(DeploymentLog(store, MODEL).log, promoted)
