"""DAG files: what importing the worked example costs beyond ``airflow.sdk``, and what a hundred models cost.

Each repetition is a fresh process. Times are CPU milliseconds, medians: importing runs on one thread, and other work on
the machine does not count. All modules have their bytecode, as in an installed package: the first process, which writes
it, is not counted. The DAG processor serializes what it has imported; that is shown beside, and is in no limit.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from reporting import Measure, report

DAGS = Path(__file__).resolve().parent.parent / "dags"
MODELS = 100

# What every DAG file needs; Airflow loads its timetables with the first DAG that has a cron schedule.
SDK = """
from airflow.sdk import DAG, Asset, BaseHook, BaseOperator, Param, TaskGroup, TriggerRule, chain, task
from airflow.sdk.definitions._internal.contextmanager import DagContext
DagContext.current_autoregister_module_name = "__main__"
with DAG("bench", schedule="@daily"):
    BaseOperator(task_id="nothing")
"""
# The first asset with a URI makes Airflow import the asset modules of all installed providers (amazon's brings boto3).
ASSET = 'Asset(name="bench", uri="bench://bench")'
FILE = f"runpy.run_path({str(DAGS / 'flight_delay.py')!r})"
# Airflow's DAG processor freezes what it has imported before it forks for a file: the collector passes over that.
FREEZE = "import gc; gc.freeze()"
SERIALIZER = "from airflow.serialization.serialized_objects import DagSerialization"
SERIALIZE = """
for dag, _ in DagContext.autoregistered_dags:
    DagSerialization.to_dict(dag)
"""
MANY = """
from pathlib import Path
from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates import lifecycle
for path in sorted(Path(os.environ["BENCH_MODELS"]).glob("*.yaml")):
    lifecycle(ModelSpec.from_yaml(path))
"""


def milliseconds(bytecode: Path, *steps: str) -> list[float]:
    """CPU time of each step, one after the other in one fresh process.

    :param bytecode: where that of all modules lies, whatever the environment says of writing it.
    """
    code = "import json, os, runpy, sys, time\nspent = []\n"
    for step in steps:
        code += f"before = time.process_time()\n{step}\nspent.append((time.process_time() - before) * 1000)\n"
    code += "print(json.dumps(spent))"
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONWARNINGS": "ignore",
            "PYTHONPYCACHEPREFIX": str(bytecode),
            "PYTHONDONTWRITEBYTECODE": "",
        }
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
        )
    spent: list[float] = json.loads(done.stdout.splitlines()[-1])
    return spent


def measures(quick: bool) -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as folder:
        bytecode, models = Path(folder, "bytecode"), Path(folder, "models")
        models.mkdir()
        _write_models(models)
        os.environ["BENCH_MODELS"] = str(models)
        milliseconds(bytecode, SDK, ASSET, FILE, SERIALIZER, SERIALIZE, MANY)
        yield from _one(bytecode, 3 if quick else 11)
        yield from _many(bytecode, 3 if quick else 5)


def _one(bytecode: Path, repeats: int) -> Iterator[Measure]:
    """The file of one model."""
    runs = [milliseconds(bytecode, SDK, ASSET, FILE, SERIALIZER, SERIALIZE) for _ in range(repeats)]
    sdk, asset, own, _, serializing = (statistics.median(column) for column in zip(*runs, strict=True))
    both = [first + rest for _, first, rest, *_ in runs]
    yield Measure(
        "dags/flight_delay.py beyond airflow.sdk",
        statistics.median(both),
        limit=100,
        unit="ms",
        note=f"{repeats} runs, {min(both):.0f} to {max(both):.0f}; airflow.sdk itself {sdk:.0f} ms",
    )
    yield Measure("  of it Airflow's, for the first asset of any DAG file", asset, unit="ms")
    yield Measure("  of it ours", own, unit="ms")
    frozen = [milliseconds(bytecode, SDK, FREEZE, ASSET, FILE)[-1] for _ in range(repeats)]
    yield Measure(
        "  ours where airflow.sdk is frozen, as by the DAG processor",
        statistics.median(frozen),
        unit="ms",
        note=f"{repeats} runs, {min(frozen):.0f} to {max(frozen):.0f}; else a pass of the collector is in it",
    )
    yield Measure("  serializing its DAGs, after that", serializing, unit="ms")


def _many(bytecode: Path, repeats: int) -> Iterator[Measure]:
    """The file of a hundred models, after that of one."""
    runs = [milliseconds(bytecode, SDK, ASSET, FILE, MANY, SERIALIZER, SERIALIZE) for _ in range(repeats)]
    *_, many, _, serializing = zip(*runs, strict=True)
    yield Measure(
        f"{MODELS} models from YAML in one file, more than one",
        statistics.median(many),
        limit=1000,
        unit="ms",
        note=f"{len(many)} runs, {min(many):.0f} to {max(many):.0f}",
    )
    yield Measure(
        "  serializing the DAGs of all, after that",
        statistics.median(serializing),
        unit="ms",
        note=f"{len(many)} runs, {min(serializing):.0f} to {max(serializing):.0f}",
    )


def _write_models(folder: Path) -> None:
    """The worked example's spec under a hundred names."""
    spec = (DAGS / "flight_delay.yaml").read_text(encoding="utf-8")
    for number in range(MODELS):
        named = spec.replace("name: flight_delay\n", f"name: model_{number:03d}\n", 1)
        (folder / f"{number:03d}.yaml").write_text(named, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(report("Importing DAG files: the templates beyond airflow.sdk", measures, sys.argv[1:]))
