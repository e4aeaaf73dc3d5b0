"""Label audit: planted errors, what the report expects of its suspects, and models of flawed and repaired labels.

Small sets: 5 % of scikit-learn's labels are flipped to another class. Flights: 1, 2, 5 and 10 % of the labels from
January to June are flipped in both directions, and the stage itself audits them, once with what is known after the
departure as evidence and once with the model's own features only, where it is to say that it can't know. Which labels
were flipped is used for the score alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from cleanlab.filter import find_label_issues
from reporting import Measure, report
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.labels.audit import audit
from airflow_mlops.core.labels.learners import families, out_of_fold
from airflow_mlops.core.labels.noise import Suspects, find_suspects
from airflow_mlops.core.store import open_store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.demo.flights import flights, write_batch
from airflow_mlops.spec import ModelSpec

DAGS = Path(__file__).resolve().parent.parent / "dags"
SHARE = 0.05
Data = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Planted:
    """Labels of which some were flipped, the probabilities, and what was found."""

    values: np.ndarray
    true: np.ndarray
    given: np.ndarray
    probabilities: np.ndarray
    suspects: Suspects

    @property
    def wrong(self) -> np.ndarray:
        """Rows with a flipped label."""
        return self.true != self.given

    def precision(self, mask: np.ndarray) -> float:
        """Share of flipped labels among some rows."""
        return float(self.wrong[mask].mean()) if mask.any() else float("nan")

    @property
    def auc(self) -> float:
        """Whether flipped labels come before the others."""
        place = np.empty(len(self.true))
        place[self.suspects.order] = -np.arange(len(self.true))
        return float(roc_auc_score(self.wrong, place))


def sets() -> dict[str, Data]:
    """Small data sets: digits, on which the limits stand, and others that nothing was chosen on."""
    noisy = make_classification(
        3000, 20, n_informative=10, n_classes=3, class_sep=1.5, flip_y=0, random_state=0
    )
    return {
        "digits": load_digits(return_X_y=True),
        "wine": load_wine(return_X_y=True),
        "breast_cancer": load_breast_cancer(return_X_y=True),
        "synthetic": noisy,
    }


def plant(data: Data, share: float, seed: int) -> Planted:
    """Flip ``share`` of the labels to any other class, and look for them."""
    values, true = data
    random = np.random.default_rng(seed)
    rows = random.choice(len(true), round(share * len(true)), replace=False)
    given = true.astype(np.int64).copy()
    classes = int(true.max()) + 1
    given[rows] = (given[rows] + random.integers(1, classes, len(rows))) % classes
    probabilities = out_of_fold(values, given, families(seed=seed), folds=5, seed=seed)
    return Planted(values, true, given, probabilities, find_suspects(given, probabilities))


def repaired(data: Data, seed: int) -> dict[str, tuple[float, float]]:
    """Held-out accuracy of models of the flawed labels and of those with the suggested ones, by family."""
    values, held, true, truth = train_test_split(*data, test_size=0.3, random_state=seed, stratify=data[1])
    found = plant((values, true), SHARE, seed)
    mended = np.where(found.suspects.mask, found.suspects.suggested, found.given)
    models: dict[str, Any] = {
        "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300)),
        "trees": lambda: ExtraTreesClassifier(100, random_state=seed),
    }
    return {
        name: tuple(
            float((make().fit(values, y).predict(held) == truth).mean()) for y in (found.given, mended)
        )
        for name, make in models.items()
    }


def of_small_sets(quick: bool) -> Iterator[Measure]:
    for name, data in sets().items():
        found = [plant(data, SHARE, seed) for seed in range(2 if quick else 5)]
        strict = name == "digits"

        def limit(value: float, strict: bool = strict) -> float | None:
            return value if strict else None

        recall = [one.suspects.mask[one.wrong].mean() for one in found]
        precision = [one.precision(one.suspects.mask) for one in found]
        plain = [one.precision(find_label_issues(one.given, one.probabilities, n_jobs=1)) for one in found]
        told = [one.suspects.precision[0] if one.suspects.precision else float("nan") for one in found]
        gap = np.abs(np.subtract(told, precision)).max()
        note = f"worst of {len(found)} seeds; mean {{:.3f}}"
        yield Measure(f"{name}: recall", min(recall), limit(0.9), "higher", note=note.format(np.mean(recall)))
        worst = min(one.auc for one in found)
        yield Measure(f"{name}: ranking AUC", worst, limit(0.99), "higher", note=note.format(worst))
        yield Measure(
            f"{name}: precision", min(precision), limit(0.8), "higher",
            note=note.format(np.mean(precision)) + f"; plain confident learning {np.mean(plain):.3f}",
        )  # fmt: skip
        yield Measure(
            f"{name}: expected less real precision", gap, limit(0.05), note=f"expected {np.mean(told):.3f}"
        )


def of_repair(quick: bool) -> Iterator[Measure]:
    runs = [repaired(load_digits(return_X_y=True), seed) for seed in range(3 if quick else 10)]
    for family in runs[0]:
        pairs = np.array([run[family] for run in runs])
        gain = pairs[:, 1] - pairs[:, 0]
        yield Measure(
            f"digits: accuracy gained by the repair, {family}", float(gain.mean()), 1e-9, "higher",
            note=f"{pairs[:, 0].mean():.4f} -> {pairs[:, 1].mean():.4f}; better in {(gain > 0).sum()} of {len(gain)}",
        )  # fmt: skip


@cache
def _flights() -> Any:
    table = flights()
    return table[table["month"] <= 6].drop(columns="month").reset_index(drop=True)


def audit_flights(share: float, seed: int, *, evidence: bool) -> tuple[Any, float, float]:
    """The audit of flights with ``share`` flipped labels; its record, and the real share among suspects and rows of the
    review file.
    """
    import io

    import pandas as pd

    sys.path.insert(0, str(DAGS))
    table = _flights().copy()
    random = np.random.default_rng(seed)
    wrong = random.random(len(table)) < share
    table["late"] = np.where(wrong, 1 - table["late"], table["late"]).astype("int8")
    flipped = set(table["flight_id"][wrong])
    labels: dict[str, Any] = {"max_suspects": 200_000}
    if not evidence:
        labels["evidence"] = []
    spec = ModelSpec.from_yaml(DAGS / "flight_delay.yaml").with_overrides({"labels": labels})
    with TemporaryDirectory() as folder:
        write_batch(table, 1, Path(folder))
        store = open_store(f"{folder}/store")
        result = audit(store, spec, snapshot(store, open_data_root(folder), spec))
        listed = pd.read_parquet(io.BytesIO(get_bytes(store, result.parquet)))
    hit = listed["id"].isin(flipped)
    return result, float(hit[: result.suspects].mean()), float(hit[:1000].mean())


def of_flights(quick: bool) -> Iterator[Measure]:
    for share in (0.05,) if quick else (0.01, 0.02, 0.05, 0.1):
        result, real, top = audit_flights(share, 7, evidence=True)
        told = result.expected_precision
        yield Measure(
            f"flights, {share:.0%} flipped: expected less real precision",
            abs(told - real) if told is not None else float("nan"),
            # with fewer errors than that, chance alone moves the real share by as much
            0.05 if share >= 0.05 else None,
            note=f"{result.suspects} suspects, real {real:.3f}, expected {told:.3f} ({result.precision_low:.3f} to "
            f"{result.precision_high:.3f}), error rate {result.error_rate:.4f}, first 1000 {top:.3f}",
        )
    for share in (0.05,) if quick else (0.0, 0.05):
        result, real, top = audit_flights(share, 7, evidence=False)
        yield Measure(
            f"flights, {share:.0%} flipped, features only: claims to know", float(result.certain), 0,
            note=f"{result.suspects} suspects, real {real:.3f}, told at most {result.precision_high:.3f}",
        )  # fmt: skip


def measure(quick: bool) -> Iterator[Measure]:
    yield from of_small_sets(quick)
    yield from of_repair(quick)
    yield from of_flights(quick)


if __name__ == "__main__":
    raise SystemExit(
        report("label audit: planted errors and what is expected of the suspects", measure, sys.argv[1:])
    )
