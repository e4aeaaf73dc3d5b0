"""What the lineage of each operator must name: one line for each class, so that a new one without lineage is found.

Names are ``namespace:name``, with ``@version`` where the version is known. ``{m}`` is the model's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow.providers.openlineage.extractors.manager import ExtractorManager
from airflow.utils.state import TaskInstanceState
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.serde import Serde

from airflow_mlops.operators.base import MlopsOperator
from airflow_mlops.spec.given import fields_given

DATASET = {"dataset": "orders", "id": "d1"}
PERIOD = {
    "since": "2024-05-01T00:00:00Z",
    "until": "2024-05-02T00:00:00Z",
    "champion": 3,
    "as_of": "",
    "taken": "",
}


@dataclass(frozen=True)
class Expected:
    """Of one operator class.

    :ivar arguments: to make one with.
    :ivar fails: inputs of one that failed before it could read a thing, complete.
    :ivar reads, writes: patterns of names, of which a success has at least these; ``names``: on either side.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    fails: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


_ROWS = {"dataset": DATASET}
_READ = "mldataset:orders@d1"
_SERVES = "mlmodel:orders"
_VERSION = "mlmodel:orders/versions@3"
_CAPTURES = "mlmodel:orders/captures"
_ANSWERS = "mlmodel:orders/answers"
_LOOKS = "mlmodel:orders/monitoring"
_ANY_ROWS = "mldataset:{m}(__[a-z]+)?"
_CHANGES = {"writes": ("mlmodel:{m}",)}

EXPECTED: dict[str, Expected] = {
    # data
    "SnapshotOperator": Expected(fails=("file:/data/orders",), names=("mldataset:{m}",)),
    "JoinOperator": Expected(_ROWS, (_READ,), (_ANY_ROWS,)),
    "ApplyReviewOperator": Expected(_ROWS, (_READ,), (_ANY_ROWS,)),
    "ProtectOperator": Expected(_ROWS, (_READ,), (_ANY_ROWS,)),
    "ValidateOperator": Expected(_ROWS, (_READ,), (_ANY_ROWS,)),
    "AuditLabelsOperator": Expected(_ROWS, (_READ,), (_ANY_ROWS,), ("mldataset:{m}/review",)),
    "LeakageOperator": Expected(_ROWS, (_READ,), (_ANY_ROWS,)),
    "PruneOperator": Expected(fails=(_SERVES,)),
    "EraseOperator": Expected({"subject": "5" * 64}, ("mlmodel:orders/erasures",)),
    # models
    "TrainOperator": Expected(_ROWS, (_READ,), (_ANY_ROWS,), ("mlmodel:{m}/candidate",)),
    "EvaluateOperator": Expected(
        {**_ROWS, "trained": {"ref": "r", "artifact": "a1"}},
        (_READ, "mlmodel:orders/candidate@a1"),
        (_ANY_ROWS, "mlmodel:{m}/candidate"),
    ),
    "RegisterOperator": Expected(
        {**_ROWS, "trained": {"ref": "r", "artifact": "a1"}, "evaluation": {"ref": "e"}},
        (_READ, "mlmodel:orders/candidate@a1"),
        (_ANY_ROWS, "mlmodel:{m}/candidate"),
        ("mlmodel:{m}/versions",),
    ),
    "ApproveOperator": Expected(
        {"version": {"model": "orders", "version": 3}}, (_VERSION,), ("mlmodel:{m}/versions",)
    ),
    "ReproduceOperator": Expected({"version": "3"}, (_VERSION,), ("mlmodel:{m}/versions",)),
    # traffic
    "BeginReleaseOperator": Expected(fails=(_SERVES,), **_CHANGES),
    "ReplayOperator": Expected({"version": 3}, (_VERSION, _CAPTURES), ("mlmodel:{m}/captures",)),
    "ChallengeOperator": Expected({"version": 3}, (_VERSION, _CAPTURES), ("mlmodel:{m}/versions",)),
    "RolloutSensor": Expected(
        {"version": 3, "stage": "shadow"},
        (_VERSION, _CAPTURES),
        ("mlmodel:{m}/captures",),
    ),
    "PromoteOperator": Expected(
        {"version": 3}, (_VERSION, _CAPTURES), ("mlmodel:{m}/versions",), ("mlmodel:{m}",)
    ),
    "ConcludeReleaseOperator": Expected(fails=(_SERVES,), **_CHANGES),
    "RollbackOperator": Expected({"to": "3"}, (_VERSION, _SERVES), **_CHANGES),
    "ReconcileOperator": Expected(fails=(_SERVES,), **_CHANGES),
    "HealOperator": Expected(fails=(_SERVES,)),
    "RolloutControlOperator": Expected({"action": "hold"}, (_SERVES,), **_CHANGES),
    # watching
    "TakeInOperator": Expected(
        {},
        (_CAPTURES, "mlmodel:orders/ground_truth"),
        ("mlmodel:{m}/captures", "mlmodel:{m}/ground_truth"),
        ("mlmodel:{m}/answers",),
    ),
    "DriftOperator": Expected(
        {"period": PERIOD}, (_VERSION, _ANSWERS), ("mlmodel:{m}/answers",), ("mlmodel:{m}/monitoring",)
    ),
    "PerformanceOperator": Expected(
        {"period": PERIOD}, (_VERSION, _ANSWERS), ("mlmodel:{m}/answers",), ("mlmodel:{m}/monitoring",)
    ),
    "SkewOperator": Expected({}, (_CAPTURES,), ("mlmodel:{m}/captures",)),
    "DecideOperator": Expected(
        {"drift": {"ref": "d"}, "performance": {"ref": "p"}}, (_LOOKS,), ("mlmodel:{m}/monitoring",)
    ),
    "RequestRetrainingOperator": Expected(
        {}, (_LOOKS,), ("mlmodel:{m}/monitoring",), ("mlmodel:{m}/retrain",)
    ),
    # predictions
    "SnapshotScoringOperator": Expected({}, ("file:/data/new",), writes=("mldataset:{m}__scoring",)),
    "ScoreOperator": Expected(
        {**_ROWS, "version": "3"}, (_READ, _VERSION), (_ANY_ROWS,), ("mlmodel:{m}/predictions",)
    ),
    "BatchTransformOperator": Expected(
        {**_ROWS, "version": "3"},
        (_READ, _VERSION),
        (_ANY_ROWS, "mlmodel:{m}/versions"),
        ("mlmodel:{m}/predictions",),
    ),
    # alerts: they write no data set
    "LookAlertOperator": Expected(fails=(_SERVES, _LOOKS)),
    "ReleaseAlertOperator": Expected(fails=(_SERVES,)),
    "RollbackAlertOperator": Expected(fails=(_SERVES,)),
}


def event_of(operator: MlopsOperator, state: TaskInstanceState) -> dict[str, Any]:
    """The event that Airflow's listener would send of a task that has run, by the way it takes."""
    from types import SimpleNamespace

    found = ExtractorManager().extract_metadata(
        dagrun=SimpleNamespace(run_id="r"), task=operator, task_instance_state=state, task_instance=None
    )
    event = RunEvent(
        eventType=RunState.FAIL if state == TaskInstanceState.FAILED else RunState.COMPLETE,
        eventTime="2024-05-01T12:00:00Z",
        run=Run("01941e2a-3b4c-7d5e-8f60-718293a4b5c6", facets=found.run_facets),
        job=Job("airflow", f"dag.{operator.task_id}", facets=found.job_facets),
        inputs=found.inputs,
        outputs=found.outputs,
    )
    plain: dict[str, Any] = Serde.to_dict(event)
    return plain


def names(datasets: Iterable[dict[str, Any]], versions: bool = True) -> list[str]:
    """``namespace:name@version`` of each."""
    found = []
    for one in datasets:
        version = one["facets"].get("version", {}).get("datasetVersion") if versions else None
        found.append(f"{one['namespace']}:{one['name']}" + (f"@{version}" if version else ""))
    return found


def missing(operator: MlopsOperator, event: dict[str, Any]) -> list[str]:
    """What the event of a task that has succeeded should name and does not."""
    expected, model = EXPECTED[type(operator).__name__], fields_given(operator)["name"]
    read, written = names(event["inputs"], False), names(event["outputs"], False)
    there = {"reads": read, "writes": written, "names": read + written}
    return [
        f"{part} no {pattern.format(m=model)}"
        for part, patterns in (
            ("reads", expected.reads),
            ("writes", expected.writes),
            ("names", expected.names),
        )
        for pattern in patterns
        if not any(re.fullmatch(pattern.format(m=model), name) for name in there[part])
    ]
