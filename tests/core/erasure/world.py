"""A small store that lived: two snapshots, a join, bad rows, a model, traffic, labels, predictions, a review."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from airflow_mlops.core.data.join import join
from airflow_mlops.core.data.reading import load_version
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import DataRoot, open_data_root
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.erasure.finding import Columns
from airflow_mlops.core.erasure.run import Request
from airflow_mlops.core.erasure.subject import Subject
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.labels.record import Duplicates, LabelAudit
from airflow_mlops.core.labels.review_file import store_review
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.version import RunRef
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.scoring.plan import plan_scoring
from airflow_mlops.core.scoring.run import score
from airflow_mlops.core.scoring.source import pin_source
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.results import keep
from airflow_mlops.core.training.run import train
from airflow_mlops.core.validation.run import validate
from airflow_mlops.spec import ModelSpec
from tests.core.monitoring.answers import world as traffic

SECRET = "a key for tests, long enough"
PERSON, OTHER = "cust-QX-0042", "cust-QX-0043"
MODEL = "orders"
AT = datetime(2026, 4, 1, tzinfo=timezone.utc)
COLUMNS = Columns("customer", "customer")
START = pd.Timestamp("2024-01-01", tz="UTC")
_LIVED: list[Path] = []


def person(plain: str = PERSON) -> Subject:
    return Subject.of(plain, SECRET)


def request(**fields: Any) -> Request:
    return Request(**{"who": "ann", "why": "asked to", "at": AT, **fields})


def orders(days: range, customers: int = 40) -> pd.DataFrame:
    """Ten orders a day, of the customers in turn; number 42 is the person."""
    count = 10 * len(days)
    random = np.random.default_rng(days.start)
    numbers = (np.arange(count) + 7 * days.start) % customers + 20
    amount = random.normal(50, 20, count).round(2)
    return pd.DataFrame(
        {
            "ordered": START + pd.to_timedelta(np.repeat(list(days), 10), unit="D"),
            "customer": [f"cust-QX-{number:04d}" for number in numbers],
            "amount": amount,
            "country": random.choice(["AT", "DE"], count),
            "late": (amount + random.normal(0, 10, count) > 50).astype("int64"),
        }
    )


def spec(**sections: Any) -> ModelSpec:
    base: dict[str, Any] = {
        "name": MODEL,
        "data": {
            "source": "orders/*.parquet",
            "event_time": "ordered",
            "label": "late",
            "id": "customer",
            "subject": "customer",
            "joins": [
                {
                    "name": "prices",
                    "source": "prices/*.parquet",
                    "event_time": "since",
                    "by": ["country"],
                    "columns": ["price"],
                }
            ],
        },
        "features": {"columns": ["amount", "country", "price"]},
        "validation": {
            "expectations": [
                {
                    "type": "expect_column_values_to_not_be_in_set",
                    "column": "customer",
                    "value_set": ["cust-QX-9999"],
                    "severity": "warn",
                },
                {
                    "type": "expect_column_values_to_be_between",
                    "column": "amount",
                    "min_value": 0,
                    "severity": "drop",
                },
            ]
        },
        "split": {"test": "10d"},
        "training": {"rounds": 4, "params": {"max_depth": 2}},
        "evaluation": {"gates": [{"metric": "auc", "min": 0.5}]},
        "rollout": {"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
        "scoring": {"source": "new/*.parquet"},
    }
    return ModelSpec(**{**base, **sections})


class World:
    """The store in a folder, and the data beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: Store = open_store(str(folder / "store"))
        self.root: DataRoot = open_data_root(str(folder / "data"))

    def write(self, name: str, frame: pd.DataFrame) -> None:
        path = self.folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(path, index=False)

    def versions(self, name: str = MODEL) -> dict[str, DatasetVersion]:
        ids = [
            item.key.rpartition("/")[2].removesuffix(".json") for item in self.store.list(f"datasets/{name}/")
        ]
        return {one: load_version(self.store, name, one) for one in ids}

    def holders(self, text: str) -> list[str]:
        """Every file below the store that holds a text, in its bytes or in a column."""
        folder = self.folder / "store"
        return [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if _holds(path, text)]


def _holds(path: Path, text: str) -> bool:
    if not path.is_file():
        return False
    data = path.read_bytes()
    if text.encode() in data:
        return True
    if data[:4] != b"PAR1":
        return False
    table = pq.ParquetFile(path).read()
    return any(text in str(value) for name in table.column_names for value in table.column(name).to_pylist())


def live(world: World) -> None:
    """Let the store live."""
    store, model_spec = world.store, spec()
    for name, days in (("a", range(30)), ("b", range(30, 50))):
        frame = orders(days)
        frame.loc[
            (frame["customer"] == PERSON).cumsum().eq(1) & (frame["customer"] == PERSON), "amount"
        ] = -5.0
        frame.loc[(frame["customer"] == OTHER).cumsum().eq(1) & (frame["customer"] == OTHER), "amount"] = -6.0
        world.write(f"orders/{name}.parquet", frame)
    world.write(
        "prices/all.parquet",
        pd.DataFrame({"since": [START] * 2, "country": ["AT", "DE"], "price": [1.0, 2.0]}),
    )
    world.write("new/days.parquet", orders(range(51, 54)).drop(columns="late").assign(price=1.0))
    until = (START + timedelta(days=30)).to_pydatetime()
    snapshot(store, world.root, model_spec, until=until)
    taken = snapshot(store, world.root, model_spec)
    result = validate(store, world.root, model_spec, taken, now=AT)
    ref = keep(store, result)
    tested = load_version(store, MODEL, result.dataset.id)
    joined = join(store, world.root, model_spec, tested, by="ann")
    register(world, joined, ref)
    DeploymentLog(store, MODEL).promote(1, who="ann", why="", run="r1")
    rows = [{"customer": PERSON, "amount": 1.0}, {"customer": OTHER, "amount": 2.0}]
    traffic.capture(store, *(traffic.answer(number, rows=(rows[number % 2],)) for number in range(8)))
    traffic.tell(store, *(traffic.label(number) for number in range(8)))
    traffic.take_in(store)
    traffic.tell(store, traffic.label(0, 0.0, after=timedelta(hours=3)))
    plan = plan_scoring(store, model_spec, pin_source(store, world.root, model_spec), at=AT, version=1)
    score(store, plan, by="ann")
    review(world, joined)


def lived_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder with a store that lived, made once for all tests of a run; they work on copies."""
    if not _LIVED:
        folder = factory.mktemp("lived")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AIRFLOW_MLOPS_CACHE", str(folder / "cache"))
            live(World(folder))
        _LIVED.append(folder)
    return _LIVED[0]


def copied(lived: Path, folder: Path, patch: pytest.MonkeyPatch) -> World:
    """A copy of it in a new folder, with a cache of its own."""
    shutil.copytree(lived, folder)
    patch.setenv("AIRFLOW_MLOPS_CACHE", str(folder / "cache"))
    return World(folder)


def register(world: World, version: DatasetVersion, validation: str | None = None, run: str = "r1") -> int:
    """Train on a version and register the model."""
    passed = GateResult(gate=Gate(metric="auc", min=0.5), outcome="pass", value=0.7, limit=0.5, reason="")
    trained = train(world.store, spec(), version)
    return Registry(world.store, MODEL).register(
        trained=trained,
        evaluation=Evaluation(artifact=trained.artifact, rows=9, metrics={"auc": 0.7}, gates=(passed,)),
        dataset=version.ref,
        spec=spec(),
        validation=validation,
        run=RunRef(dag_id="orders.release", run_id=run),
        by="ann",
    )[0]


def review(world: World, version: DatasetVersion) -> None:
    """A review file with a row of the person, and one of another."""
    frame = pd.DataFrame(
        {"id": [PERSON, OTHER], "row_key": [PERSON, OTHER], "amount": [1.0, 2.0], "comment": ["", ""]}
    )
    parquet, csv = store_review(world.store, frame)
    fields: dict[str, Any] = dict.fromkeys(LabelAudit.model_fields, 0)
    fields.update(
        model=MODEL,
        dataset=version.ref,
        certain=True,
        evidence=(),
        duplicates=Duplicates(groups=0, rows=0, largest=()),
        shifts=(),
        parquet=parquet,
        csv=csv,
    )
    keep(world.store, LabelAudit(**fields))


def rows_of(world: World, name: str = MODEL) -> Iterator[pd.DataFrame]:
    """The rows of each version that can be read."""
    from airflow_mlops.core.data.reading import read_frame
    from airflow_mlops.core.errors import DataErased

    for version in world.versions(name).values():
        try:
            yield read_frame(world.store, version)
        except DataErased:
            continue
