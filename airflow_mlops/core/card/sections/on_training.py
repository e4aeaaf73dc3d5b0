"""How the model was made: framework, parameters, seed, code and environment."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_mlops.core.card.blocks import Block, Cell, Code, Facts, Missing, Part, Pre, Table, capped
from airflow_mlops.core.card.dossier import Dossier
from airflow_mlops.core.card.fields import field
from airflow_mlops.core.wording import count, line, size

#: Of the locked environment, what training itself imports; the whole lock is in the store.
_SHOWN = (
    "airflow-mlops",
    "xgboost",
    "numpy",
    "pandas",
    "scipy",
    "pyarrow",
    "duckdb",
    "scikit-learn",
    "imbalanced-learn",
)


def training(dossier: Dossier) -> Part:
    """What was trained, on what, with which seed and parameters."""
    trained = dossier.record.trained
    pairs: list[tuple[str, Cell]] = [
        ("framework", line(trained.framework, 100)),
        ("objective", line(trained.objective, 100)),
        ("rows learned from", count(trained.train_rows)),
        ("boosting rounds", count(trained.rounds)),
        ("seed", str(trained.seed)),
        ("features", f"{len(trained.signature.features):,}, from {len(trained.signature.inputs):,} columns"),
        ("feature code", Code(line(trained.code.name)) if trained.code else "columns as they are"),
        ("size of the model", size(trained.size)),
        ("took", f"{trained.seconds:,.1f} s"),
        ("run", Code(line(dossier.run)) if dossier.run else "outside of Airflow"),
    ]
    blocks: list[Block] = [Facts(pairs)]
    if trained.augmentation is not None:
        one = trained.augmentation
        rows = f"{one.before[0]:,} + {one.before[1]:,} rows became {one.after[0]:,} + {one.after[1]:,}"
        blocks.append(
            Facts([("resampled", line(f"{one.method}: {rows}, {one.synthetic:,} of them made up"))])
        )
    return Part("training", "Training", [*blocks, *_parameters(dossier), *_environment(dossier)])


def parts_by_hash(dossier: Dossier) -> list[tuple[str, Cell]]:
    """What the version consists of, each by the hash of its bytes."""
    record, trained = dossier.record, dossier.record.trained
    hashes = {
        "record": dossier.record_sha256,
        "model file": trained.artifact,
        "feature code": trained.code.sha256 if trained.code else None,
        "training code": trained.program,
        "environment": trained.environment,
        "data tests": record.validation,
        "label audit": record.audit,
        "evaluation report": record.evaluation.page,
    }
    unknown = {"training code": "not kept: the version is from before that", "feature code": "none"}
    return [(name, Code(line(sha)) if sha else unknown.get(name, "none")) for name, sha in hashes.items()]


def _parameters(dossier: Dossier) -> list[Block]:
    params = field(dossier.record.spec, "training", "params")
    if not isinstance(params, Mapping) or not params:
        return []
    caption, rows = capped(
        "Parameters",
        [(Code(line(str(name), 100)), line(str(params[name]), 200)) for name in sorted(params, key=str)],
    )
    return [Table(caption, ("parameter", "value"), rows)]


def _environment(dossier: Dossier) -> list[Block]:
    lock = dossier.environment
    if lock is None:
        return [Missing("The lock of the environment is gone", "see what could not be read")]
    lines = [line(one, 200) for one in lock.splitlines()[:5000]]
    comments = [one.lstrip("# ") for one in lines if one.startswith("#")]
    packages = [one for one in lines if one and not one.startswith("#")]
    shown = [one for one in packages if one.partition("==")[0].removesuffix("-cpu") in _SHOWN]
    pairs: list[tuple[str, Cell]] = [
        ("environment", f"{'; '.join(comments[:2]) or 'python not said'}; {len(packages):,} locked packages")
    ]
    return [Facts(pairs), *([Pre("\n".join(shown))] if shown else [])]
