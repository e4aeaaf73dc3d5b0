"""The model card of a version, in the form of SageMaker's model-card JSON schema.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-cards.html#model-cards-json-schema: unknown fields are refused,
texts have a longest length. The same record gives the same card.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from airflow_mlops.core.evaluation.report import Evaluation, SliceMetrics
from airflow_mlops.core.registry.version import ModelVersion

_SHORT = 1024
_LONG = 2048
_NAME = 255
_GROUP_NAME = 63
_OBJECTIVE = {"binary": "log loss", "regression": "squared error"}
_PROBLEM = {"binary": "Binary classification", "regression": "Regression"}
#: Fields of the schema's intended uses, and what of the spec's card they say.
_USES = {"factors_affecting_model_efficiency": "limits", "explanations_for_risk_rating": "risks"}
#: Most hyperparameters that a card takes.
_PARAMETERS = 100


def card_content(number: int, record: ModelVersion, *, image: str, artifact_url: str) -> str:
    """The card of version ``number`` as JSON text.

    :param image: the container image that serves it.
    :param artifact_url: where its ``model.tar.gz`` lies.
    """
    card = {
        "model_overview": _overview(number, record, image, artifact_url),
        "intended_uses": _uses(record),
        "training_details": _training(record),
        "evaluation_details": [_evaluation(record)],
        "additional_information": {**_caveats(record), "custom_details": _details(record)},
    }
    return json.dumps(card, sort_keys=True, separators=(",", ":"))


def _overview(number: int, record: ModelVersion, image: str, artifact_url: str) -> dict[str, Any]:
    trained = record.trained
    return {
        "model_name": record.model,
        "model_version": number,
        "model_description": _text(record.spec.get("description") or record.model, _SHORT),
        "model_creator": _text(record.created_by, _SHORT),
        "model_owner": _text(_owner(record), _SHORT),
        "model_artifact": [_text(artifact_url, _SHORT)],
        "algorithm_type": _text(trained.framework, _SHORT),
        "problem_type": _PROBLEM.get(trained.objective, trained.objective),
        "inference_environment": {"container_image": [_text(image, _SHORT)]},
    }


def _uses(record: ModelVersion) -> dict[str, Any]:
    label = (record.spec.get("data") or {}).get("label", "the label")
    inputs = ", ".join(column.name for column in record.trained.signature.inputs)
    purpose = _said(record, "purpose") or record.spec.get("description") or f"predicts {label}"
    uses = {
        "purpose_of_model": _text(purpose, _LONG),
        "intended_uses": _text(_said(record, "users") or f"predicts {label} from {inputs}", _LONG),
        "risk_rating": "Unknown",
    }
    for field, name in _USES.items():
        if text := _said(record, name):
            uses[field] = _text(text, _LONG)
    return uses


def _caveats(record: ModelVersion) -> dict[str, Any]:
    out_of_scope = _said(record, "out_of_scope")
    found = {"caveats_and_recommendations": f"Out of scope: {out_of_scope}"} if out_of_scope else {}
    return {name: _text(text, _LONG) for name, text in found.items()}


def _said(record: ModelVersion, name: str) -> str:
    """What people wrote for the model's card in the spec; empty for a version from before there was one."""
    return str((record.spec.get("card") or {}).get(name) or "")


def _owner(record: ModelVersion) -> str:
    told = (record.spec.get(name) for name in ("owner", "team", "contact"))
    return ", ".join(str(one) for one in told if one) or "airflow"


def _training(record: ModelVersion) -> dict[str, Any]:
    trained = record.trained
    section = record.spec.get("training") or {}
    parameters = {
        **(section.get("params") or {}),
        "rounds": trained.rounds,
        "seed": trained.seed,
    }
    return {
        "objective_function": {
            "function": {"function": "Minimize", "facet": _OBJECTIVE.get(trained.objective, "loss")}
        },
        "training_observations": f"{trained.train_rows} labelled rows; environment {trained.environment}",
        "training_job_details": {
            "training_datasets": [_dataset(record)],
            "user_provided_hyper_parameters": [
                {"name": _text(name, _NAME), "value": _text(value, _NAME)}
                for name, value in sorted(parameters.items())[:_PARAMETERS]
            ],
        },
    }


def _evaluation(record: ModelVersion) -> dict[str, Any]:
    found = record.evaluation
    return {
        "name": "held-out rows",
        "evaluation_observation": _text(_gates(found), _LONG),
        "datasets": [_dataset(record)],
        "metadata": {"rows": str(found.rows), "champion": str(found.champion_version or "none")},
        "metric_groups": [
            _group("all rows", found.metrics),
            *([_group("champion on the same rows", found.champion)] if found.champion else []),
            *(_slice_group(one) for one in found.slices),
        ],
    }


def _slice_group(found: SliceMetrics) -> dict[str, Any]:
    return _group(found.slice, found.metrics, f"{found.rows} rows")


def _group(name: str, metrics: Mapping[str, float], notes: str | None = None) -> dict[str, Any]:
    """Metrics that are numbers: JSON knows no infinity, and the schema no null."""
    noted = {"notes": notes} if notes else {}
    return {
        "name": _text(name, _GROUP_NAME),
        "metric_data": [
            {"name": metric, "type": "number", "value": value, **noted}
            for metric, value in sorted(metrics.items())
            if math.isfinite(value)
        ],
    }


def _gates(found: Evaluation) -> str:
    said = (f"{one.gate.name} {one.gate.limit_text}: {one.outcome} ({one.reason})" for one in found.gates)
    return "; ".join(said) or "no gates"


def _details(record: ModelVersion) -> dict[str, str]:
    trained = record.trained
    details = {
        "artifact_sha256": trained.artifact,
        "dataset": _dataset(record),
        "validation": record.validation or "none",
        "label_audit": record.audit or "none",
        "feature_code": trained.code.name if trained.code else "none",
        "run": record.run.key if record.run else "none",
        "created_at": record.created_at.isoformat(),
    }
    if record.shaped is not None:
        details["shaped_by_own_answers"] = f"at most {record.shaped:.1%} of the rows"
    return {name: _text(value, _SHORT) for name, value in details.items()}


def _dataset(record: ModelVersion) -> str:
    return _text(f"{record.dataset.name}@{record.dataset.id}", _SHORT)


def _text(value: object, longest: int) -> str:
    """One line of at most so many characters; the schema wants one at least."""
    line = " ".join(str(value).split()) or "-"
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
