"""The whole path of a model version: from source bytes over training and approval to where it serves."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from airflow_mlops.core.errors import MlopsError, RegistryError
from airflow_mlops.core.labels.record import LabelAudit
from airflow_mlops.core.lineage.graph.ancestry import Ancestry, dataset_id
from airflow_mlops.core.lineage.graph.growing import Growing
from airflow_mlops.core.lineage.graph.index import Index
from airflow_mlops.core.lineage.graph.life import Life
from airflow_mlops.core.lineage.graph.records import Graph
from airflow_mlops.core.record import R
from airflow_mlops.core.registry.standing import refusal_of
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store.blobs import blob_key
from airflow_mlops.core.store.results import recall
from airflow_mlops.core.validation.result import ValidationResult
from airflow_mlops.core.wording import counted, minute, short, size

_SHOWN = 8


def path_of(index: Index, model: str, version: int, now: datetime, files: int = 5) -> Graph:
    """The graph around a version.

    What is not in the store any more is there as a node that says so.

    :param now: what still serves is judged at this time.
    :param files: of each dataset version that get a node of their own; the others are summed up.
    :raises RegistryError: if there is no such version; names what exists.
    """
    if model not in index.models:
        known = ", ".join(index.models[:_SHOWN]) or "a store with models: release one first"
        raise RegistryError(f"there is no model {model} in {index.store.uri}", expected=known)
    record = Registry(index.store, model).get(version)
    growing = Growing()
    node = _Making(growing, index, version, record, files).add()
    Life(growing, index, model, version, now).add(node)
    return growing.graph(node, index.unread)


class _Making:
    """How a version was made."""

    def __init__(
        self, growing: Growing, index: Index, version: int, record: ModelVersion, files: int
    ) -> None:
        self._growing = growing
        self._store = index.store
        self._version = version
        self._record = record
        self._ancestry = Ancestry(growing, index, record.model, files)

    def add(self) -> str:
        """Add all of it; return the node of the version."""
        dataset = self._ancestry.add(self._record.dataset)
        training = self._training()
        self._growing.link(dataset, training, "trained on")
        self._validation(training)
        self._audit(training)
        candidate = self._candidate()
        self._growing.link(training, candidate, "wrote")
        evaluation = self._evaluation()
        self._growing.link(candidate, evaluation, "evaluated")
        version = self._registered()
        self._growing.link(evaluation, version, "registered")
        return version

    def _training(self) -> str:
        trained, section = self._record.trained, self._record.spec.get("training") or {}
        facts: dict[str, Any] = {
            "framework": trained.framework,
            "objective": trained.objective,
            "seed": trained.seed,
            "rounds": trained.rounds,
            "rows": trained.train_rows,
            "seconds": trained.seconds,
            "features": list(trained.signature.features),
            "feature_code": trained.code.name if trained.code else None,
            "feature_code_sha256": trained.code.sha256 if trained.code else None,
            "program_sha256": trained.program,
            "environment_sha256": trained.environment,
            "params": section.get("params") or None,
            "resampled": trained.augmentation.model_dump(mode="json") if trained.augmentation else None,
            "run": self._record.run.key if self._record.run else None,
        }
        code = (
            f"feature code {trained.code.name} ({short(trained.code.sha256)})"
            if trained.code
            else "raw columns"
        )
        program = f"program {short(trained.program)}" if trained.program else "program not kept"
        said = (
            f"{code}, {program}, environment {short(trained.environment)}, seed {trained.seed}, "
            f"{counted(trained.rounds, 'round')} on {counted(trained.train_rows, 'row')}"
        )
        return self._growing.add("training", trained.artifact, trained.framework, said, facts)

    def _candidate(self) -> str:
        trained = self._record.trained
        there = self._store.exists(blob_key(trained.artifact))
        facts = {"sha256": trained.artifact, "bytes": trained.size, "stored": blob_key(trained.artifact)}
        return self._growing.add(
            "candidate",
            trained.artifact,
            f"artifact {short(trained.artifact)}",
            size(trained.size),
            facts,
            gone=None if there else "its bytes are not in the store",
        )

    def _evaluation(self) -> str:
        found = self._record.evaluation
        passed = sum(one.passed for one in found.gates)
        beside = f", beside version {found.champion_version}" if found.champion_version else ""
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in sorted(found.metrics.items()))
        gates = [
            {
                "gate": one.gate.name,
                "limit": one.gate.limit_text,
                "outcome": one.outcome,
                "reason": one.reason,
            }
            for one in found.gates
        ]
        facts = {
            "rows": found.rows,
            "metrics": {
                name: value if math.isfinite(value) else str(value) for name, value in found.metrics.items()
            },
            "champion_version": found.champion_version,
            "gates": gates,
            "report": found.page,
        }
        said = f"{metrics}; {passed} of {counted(len(gates), 'gate')} passed{beside}"
        return self._growing.add(
            "evaluation",
            self._record.trained.artifact,
            f"on {counted(found.rows, 'held-out row')}",
            said,
            facts,
        )

    def _registered(self) -> str:
        record = self._record
        refused = refusal_of(self._store, record.model, self._version)
        facts = {
            "model": record.model,
            "version": self._version,
            "by": record.created_by,
            "run": record.run.key if record.run else None,
            "shaped": record.shaped,
            "refused": refused,
        }
        run = f" in run {record.run.key}" if record.run else ""
        said = f"registered {minute(record.created_at)} by {record.created_by}{run}"
        said += f"; refused: {refused}" if refused else ""
        name = f"{record.model}:{self._version}"
        return self._growing.add("version", name, name, said, facts, at=record.created_at)

    def _validation(self, training: str) -> None:
        ref = self._record.validation
        if ref is None:
            return
        result, why = _recalled(lambda: recall(self._store, ref, ValidationResult))
        if result is None:
            node = self._growing.add("validation", ref, f"validation {short(ref)}", why, gone=why)
            self._growing.link(node, training, "let through")
            return
        failed = [f"{one.name} ({one.severity}): {one.reason}" for one in result.failures]
        facts = {
            "result": ref,
            "rows": result.rows,
            "expectations": len(result.expectations),
            "failed": failed,
            "dropped_rows": result.dropped_rows,
            "quarantine": result.quarantine,
        }
        label = f"{len(result.expectations) - len(failed)} of {counted(len(result.expectations), 'expectation')} held"
        node = self._growing.add("validation", ref, label, result.reason, facts)
        self._growing.link(self._ancestry.add(result.tested), node, "tested")
        goes_on = dataset_id(result.dataset)
        if result.dataset != result.tested and goes_on in self._growing:
            self._growing.link(node, goes_on, "rows left out")
        else:
            self._growing.link(node, training, "let through")

    def _audit(self, training: str) -> None:
        ref = self._record.audit
        if ref is None:
            return
        found, why = _recalled(lambda: recall(self._store, ref, LabelAudit))
        if found is None:
            node = self._growing.add("label audit", ref, f"audit {short(ref)}", why, gone=why)
        else:
            said = f"{counted(found.suspects, 'suspect')} in {counted(found.rows, 'row')}"
            facts = {
                "result": ref,
                "rows": found.rows,
                "suspects": found.suspects,
                "error_rate": found.error_rate,
            }
            node = self._growing.add("label audit", ref, "labels audited", said, facts)
            self._growing.link(self._ancestry.add(found.dataset), node, "audited")
        self._growing.link(node, training, "let through")


def _recalled(read: Callable[[], R]) -> tuple[R | None, str]:
    """A stored result; or None, and why there is none."""
    try:
        return read(), ""
    except MlopsError as error:
        return None, str(error)
