"""A whole release of orders with a spec that uses everything, in a folder, on whatever files a test puts there."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airflow_mlops.core.data.reading import load_version, read_frame
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.operators.data import SnapshotOperator, ValidateOperator
from airflow_mlops.operators.features import LeakageOperator
from airflow_mlops.operators.join import JoinOperator
from airflow_mlops.operators.labels import AuditLabelsOperator
from airflow_mlops.operators.model import EvaluateOperator, RegisterOperator, TrainOperator
from airflow_mlops.operators.privacy import ProtectOperator
from airflow_mlops.spec import ModelSpec
from tests.core.training.world import World
from tests.operators.world import Run

SQL = "SELECT amount, country, express, temperature, amount / nullif(temperature, 0) AS per_degree FROM rows"


def orders(rows: int = 400) -> pd.DataFrame:
    """Good orders."""
    frame = World(rows=rows).frame().drop(columns="city")
    return frame.assign(
        order_id=np.arange(rows), mail=[f"c{number}@example.com" for number in range(rows)], note="it's"
    )


def weather() -> pd.DataFrame:
    """What is joined to them."""
    days = pd.date_range("2023-12-31", periods=42, freq="D", tz="UTC")
    parts = [
        pd.DataFrame({"known": days, "country": country, "temperature": np.sin(np.arange(42) + at) * 10})
        for at, country in enumerate(["AT", "DE", "FR", "IT"])
    ]
    return pd.concat(parts, ignore_index=True)


def spec_of(kind: str = "parquet", **sections: Any) -> ModelSpec:
    """A spec that uses everything; a section that is given is merged into it."""
    base: dict[str, Any] = {
        "name": "orders",
        "data": {
            "source": f"orders/*.{kind}",
            "event_time": "ordered",
            "label": "late",
            "id": "order_id",
            "joins": [
                {
                    "name": "weather",
                    "source": f"weather/*.{kind}",
                    "event_time": "known",
                    "by": ["country"],
                    "columns": ["temperature"],
                    "tolerance": "7d",
                }
            ],
        },
        "privacy": {"action": "warn", "columns": {"mail": "drop"}},
        "validation": {
            "unique": ["order_id"],
            "volume": {"min_rows": 50, "max_change": 0.9},
            "contract": {},
            "drift": {},
            "expectations": [
                {
                    "type": "expect_column_values_to_be_between",
                    "column": "amount",
                    "min_value": -100,
                    "max_value": 1000,
                    "severity": "drop",
                },
                {
                    "type": "expect_column_values_to_be_in_set",
                    "column": "country",
                    "value_set": ["AT", "DE", "FR", "IT", "it's", '"; DROP TABLE rows; --'],
                    "severity": "warn",
                },
                {
                    "type": "expect_column_values_to_match_regex",
                    "column": "note",
                    "regex": r"^[\w'\\\"; -]*$",
                    "severity": "warn",
                },
                {"type": "expect_column_values_to_not_be_null", "column": "ordered"},
            ],
        },
        "features": {
            "columns": ["amount", "country", "express", "temperature"],
            "sql": SQL,
            "leakage": {"max_auc": 0.97},
        },
        "split": {"test": "10d"},
        "training": {
            "rounds": 5,
            "params": {"max_depth": 3},
            "augmentation": {"method": "smote", "ratio": 0.9},
        },
        "evaluation": {
            "gates": [{"metric": "auc", "min": 0.4}],
            "slices": ["express"],
            "search": {"min_rows": 20},
            "groups": ["country"],
            "costs": {"false_positive": 1, "false_negative": 3},
            "ageing": {"period": "5d"},
        },
        "labels": {"folds": 2},
        "rollout": {"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
    }
    return ModelSpec(**_merged(base, sections))


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


def write(frame: pd.DataFrame, path: Path) -> None:
    """The frame as a file, in the format that its name ends with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, date_format="iso")
    else:
        frame.to_parquet(path, index=False)


@dataclass
class Outcome:
    """How far a release came.

    :ivar stage: the task that failed, None when all is well.
    :ivar seconds: of the processor, by task.
    """

    stage: str | None
    error: BaseException | None
    results: dict[str, Any]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def said(self) -> str:
        return str(self.error) if self.error else ""


@dataclass
class Ground:
    """A folder of data and a store."""

    home: Path
    kind: str = "parquet"
    runs: int = 0
    xcoms: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def store(self) -> Store:
        return open_store(str(self.home / "store"))

    def fill(self, kind: str = "parquet") -> None:
        """Good data, and nothing else."""
        self.kind = kind
        shutil.rmtree(self.data, ignore_errors=True)
        self.put(orders())
        self.put(weather(), "weather")

    def put(self, frame: pd.DataFrame, folder: str = "orders", name: str = "a") -> Path:
        path = self.data / folder / f"{name}.{self.kind}"
        write(frame, path)
        return path

    def release(self, spec: ModelSpec, only: tuple[str, ...] = ()) -> Outcome:
        """The tasks of a release in their order, until one fails.

        :param only: these tasks; all without any.
        """
        self.runs += 1
        run = Run(f"r{self.runs}")
        done: dict[str, Any] = {}
        seconds: dict[str, float] = {}
        for name, make in _tasks(spec, run, done):
            if only and name not in only:
                continue
            start = time.process_time()
            try:
                done[name] = run.execute(make())
            except Exception as error:
                self.xcoms = run.xcoms
                return Outcome(name, error, done, seconds)
            seconds[name] = time.process_time() - start
        self.xcoms = run.xcoms
        return Outcome(None, None, done, seconds)

    def check_store(self) -> None:
        """Everything that a manifest names is there, and reads back."""
        store = self.store
        root = open_data_root(str(self.data)) if self.data.exists() else None
        for item in list(store.list("")):
            key = item.key
            body = store.read(key)
            if key.startswith("blobs/"):
                assert hashlib.sha256(body).hexdigest() == key.split("/")[-1]
                continue
            json.loads(body)
            parts = key.split("/")
            if parts[0] == "datasets":
                version = load_version(store, parts[1], parts[2].removesuffix(".json"), root=root)
                assert len(read_frame(store, version)) == version.rows


def _tasks(spec: ModelSpec, run: Run, done: dict[str, Any]) -> list[tuple[str, Callable[[], Any]]]:
    common = {"spec": spec}

    def made() -> Any:
        return next(done[name] for name in ("protect", "join", "snapshot") if name in done)

    def tested() -> Any:
        return run.xcoms["validate", "dataset"]

    tasks: list[tuple[str, Callable[[], Any]]] = [
        ("snapshot", lambda: SnapshotOperator(task_id="snapshot", **common))
    ]
    if spec.data.joins:
        tasks.append(("join", lambda: JoinOperator(task_id="join", dataset=made(), **common)))
    if spec.privacy:
        tasks.append(("protect", lambda: ProtectOperator(task_id="protect", dataset=made(), **common)))
    tasks.append(("validate", lambda: ValidateOperator(task_id="validate", dataset=made(), **common)))
    if spec.features.leakage:
        tasks.append(
            ("check_features", lambda: LeakageOperator(task_id="check_features", dataset=tested(), **common))
        )
    if spec.labels:
        tasks.append(
            ("audit_labels", lambda: AuditLabelsOperator(task_id="audit_labels", dataset=tested(), **common))
        )
    tasks.append(("train", lambda: TrainOperator(task_id="train", dataset=tested(), **common)))
    tasks.append(
        (
            "evaluate",
            lambda: EvaluateOperator(task_id="evaluate", dataset=tested(), trained=done["train"], **common),
        )
    )
    tasks.append(
        (
            "register",
            lambda: RegisterOperator(
                task_id="register",
                dataset=tested(),
                trained=done["train"],
                evaluation=done["evaluate"],
                validation=done["validate"],
                **common,
            ),
        )
    )
    return tasks
