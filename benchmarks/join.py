"""Captured answers joined with late ground truth: the table of answers beside one DuckDB query over the same lines.

Thirty days of answers (eight columns a row, one row a request) of two variants. 95 % of them get a label, one to three
days later; 2 % get a second one that corrects it. Each side runs in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
from reporting import Measure, report

from airflow_mlops.core.monitoring.answers import AnswersTable
from airflow_mlops.core.serving.hours import file_name, hour_of
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.store.folder import FolderStore

MODEL, DAYS = "orders", 30
START = datetime(2026, 3, 1, tzinfo=timezone.utc)
END = START + timedelta(days=DAYS + 4)
CARRIERS = ("UA", "AA", "DL", "WN", "B6")
#: Files of captures, and as many of labels: each spans less than half an hour.
FILES = 2500
ONE_DAY = START + timedelta(days=12)


def measure(quick: bool) -> Iterator[Measure]:
    count = 200_000 if quick else 10_000_000
    with tempfile.TemporaryDirectory(prefix="join-") as name:
        folder = Path(name)
        make(folder, count)
        taken = child("ours_take_in", folder)
        again = child("ours_again", folder)
        duck = child("duck_all", folder)
        day, duck_day = child("ours_day", folder), child("duck_day", folder)
        if (taken["rows"], day["rows"], day["labels"]) != (count, duck_day["rows"], duck_day["labels"]):
            raise SystemExit(f"the two sides differ: {taken}, {duck}, {day}, {duck_day}")
        note = f"{count:,} records; {taken['seconds']:.0f} s against {duck['seconds']:.0f} s"
        yield Measure("take-in, records/s", count / taken["seconds"], unit="", better="higher", note=note)
        yield Measure(
            "take-in / DuckDB over the JSON lines", taken["seconds"] / duck["seconds"], note="CPU-bound"
        )
        yield Measure(
            "peak memory of the take-in", taken["gb"], limit=1.0, unit="GB", note=f"DuckDB {duck['gb']:.2f}"
        )
        yield Measure("take-in with nothing new", again["seconds"], unit="s")
        yield Measure(f"read of one day of {DAYS}", day["seconds"], unit="s", note=f"{day['rows']:,.0f} rows")
        yield Measure("read of one day / DuckDB", day["seconds"] / duck_day["seconds"], limit=0.5)
        yield Measure(
            "peak memory of that read", day["gb"], limit=1.0, unit="GB", note=f"DuckDB {duck_day['gb']:.2f}"
        )
        everything = child("ours_batches", folder)
        yield Measure("all days in batches, records/s", count / everything["seconds"], better="higher")
        yield Measure("peak memory of that", everything["gb"], limit=1.0, unit="GB")


def make(folder: Path, count: int) -> None:
    """Write captures and labels as the server and its callers do."""
    draw = np.random.default_rng(0)
    step, lines = timedelta(days=DAYS) / count, count // FILES
    for begin in range(0, count, lines):
        at = START + begin * step
        captures(folder, draw, begin, lines, at, step)
        labels(folder, draw, begin, lines, at + timedelta(days=1 + begin // lines % 3))


def captures(
    folder: Path, draw: np.random.Generator, begin: int, count: int, at: datetime, step: timedelta
) -> None:
    variants: dict[str, list[str]] = {"v1": [], "v2": []}
    numbers = draw.normal(size=(count, 5)).round(4).tolist()
    codes = draw.integers(0, len(CARRIERS), size=(count, 2)).tolist()
    for place, (values, (one, two)) in enumerate(zip(numbers, codes, strict=True)):
        number = begin + place
        variant, role = ("v2", "challenger") if number % 10 == 0 else ("v1", "champion")
        row = (
            f'{{"distance":{values[0]},"delay":{values[1]},"wind":{values[2]},"temp":{values[3]},"load":{values[4]},'
            f'"carrier":"{CARRIERS[one]}","origin":"{CARRIERS[two]}","snow":{"true" if one == two else "false"}}}'
        )
        given = f'{{"instances":[{row}]}}'.replace('"', '\\"')
        when = (at + place * step).isoformat().replace("+00:00", "Z")
        variants[variant].append(
            f'{{"captureData":{{"endpointInput":{{"observedContentType":"application/json","mode":"INPUT","data":'
            f'"{given}","encoding":"JSON"}},"endpointOutput":{{"observedContentType":"application/json",'
            f'"mode":"OUTPUT","data":"{{\\"predictions\\":[{0.5 + values[0] / 20:.6f}]}}","encoding":"JSON"}}}},'
            f'"eventMetadata":{{"eventId":"event-{number:026}","inferenceId":"{number:032x}","inferenceTime":"{when}"}},'
            f'"mlops":{{"model":"{MODEL}","variant":"{variant}","role":"{role}","latencyMs":1.25,"status":200,'
            f'"key":"{number:016x}","deployment":1}},"eventVersion":"0"}}\n'
        )
    for variant, lines in variants.items():
        put(folder / f"captures/{MODEL}/{variant}", at, lines)


def labels(folder: Path, draw: np.random.Generator, begin: int, count: int, at: datetime) -> None:
    lines = []
    for place, share in enumerate(draw.random(count).tolist()):
        for later in range((share < 0.95) + (share < 0.02)):
            when = (at + timedelta(hours=later)).isoformat().replace("+00:00", "Z")
            lines.append(
                f'{{"groundTruthData":{{"data":"{(place + later) % 2}","encoding":"CSV"}},"eventMetadata":{{"eventId":'
                f'"{begin + place:032x}","inferenceId":"{begin + place:032x}"}},"mlops":{{"row":0,"at":"{when}"}},'
                f'"eventVersion":"0"}}\n'
            )
    put(folder / f"ground_truth/{MODEL}", at, lines)


def put(folder: Path, at: datetime, lines: list[str]) -> None:
    path = folder / hour_of(at) / file_name(at, f"{hash(lines[0]) & 0xFFFFFFFF:08x}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")


def ours_take_in(folder: Path) -> dict[str, float]:
    store = FolderStore(folder)
    taken = AnswersTable(store, MODEL).take_in(LocalEndpoint("http://127.0.0.1:1", MODEL, store), until=END)
    return {"rows": taken.rows, "labels": taken.labels}


def ours_again(folder: Path) -> dict[str, float]:
    return ours_take_in(folder)


def ours_day(folder: Path) -> dict[str, float]:
    found = AnswersTable(FolderStore(folder), MODEL).read(ONE_DAY, ONE_DAY + timedelta(days=1), as_of=END)
    return {"rows": found.num_rows, "labels": found.num_rows - found.column("_label").null_count}


def ours_batches(folder: Path) -> dict[str, float]:
    batches = AnswersTable(FolderStore(folder), MODEL).batches(START, END, as_of=END)
    return {"rows": sum(batch.num_rows for batch in batches)}


def duck_all(folder: Path) -> dict[str, float]:
    return duck(folder, "*/*/*/*", None)


def duck_day(folder: Path) -> dict[str, float]:
    """The folders of that day and of the hour before are read only, and all labels."""
    return duck(folder, f"{ONE_DAY:%Y/%m/%d}/*", ONE_DAY)


def duck(folder: Path, hours: str, day: datetime | None) -> dict[str, float]:
    """The same join by one query, into a Parquet file."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(
        f"SET TimeZone = 'UTC'; SET memory_limit = '4GB'; SET temp_directory = '{folder}/.duck'"
    )
    row = "json_extract(captureData.endpointInput.data, '$.instances[0]')"
    columns = dict.fromkeys(("distance", "delay", "wind", "temp", "load"), "DOUBLE")
    columns |= {"carrier": "VARCHAR", "origin": "VARCHAR", "snow": "BOOLEAN"}
    picked = ", ".join(f"(r->>'{name}')::{kind} AS {name}" for name, kind in columns.items())
    paths = [f"{folder}/captures/{MODEL}/*/{hours}/*.jsonl"]
    bounds = ""
    if day is not None:
        before = day - timedelta(hours=1)
        paths += map(str, folder.glob(f"captures/{MODEL}/*/{before:%Y/%m/%d/%H}/*.jsonl"))
        bounds = f" WHERE asked >= '{day.isoformat()}' AND asked < '{(day + timedelta(days=1)).isoformat()}'"
    structure = (
        '{captureData: \'STRUCT(endpointInput STRUCT("data" VARCHAR), endpointOutput STRUCT("data" VARCHAR))\', '
        "eventMetadata: 'STRUCT(eventId VARCHAR, inferenceId VARCHAR, inferenceTime TIMESTAMPTZ)', "
        "mlops: 'STRUCT(variant VARCHAR, role VARCHAR, latencyMs DOUBLE, status INT, deployment INT)'}"
    )
    truth = (
        "{groundTruthData: 'STRUCT(\"data\" VARCHAR)', eventMetadata: 'STRUCT(inferenceId VARCHAR)', "
        'mlops: \'STRUCT("row" BIGINT, "at" TIMESTAMPTZ)\'}'
    )
    out = folder / "duck.parquet"
    connection.execute(f"""COPY (WITH a AS (SELECT eventMetadata.inferenceId id, eventMetadata.inferenceTime AS asked,
        mlops.variant AS variant, mlops.role AS role, mlops.latencyMs AS latency, mlops.status AS status,
        eventMetadata.eventId AS event, {row} AS r, json_extract(captureData.endpointOutput.data,
        '$.predictions[0]')::DOUBLE AS prediction
        FROM read_json({paths}, format='newline_delimited', columns={structure})),
        l AS (SELECT eventMetadata.inferenceId id, max({{'at': mlops."at", 'label': groundTruthData.data::DOUBLE}}) n
        FROM read_json('{folder}/ground_truth/{MODEL}/*/*/*/*/*.jsonl', format='newline_delimited', columns={truth})
        GROUP BY ALL)
        SELECT a.* EXCLUDE (r), {picked}, n.label AS label FROM a LEFT JOIN l USING (id){bounds}
        ) TO '{out}' (FORMAT parquet)""")
    rows, labelled = connection.execute(f"SELECT count(*), count(label) FROM '{out}'").fetchone() or (0, 0)
    return {"rows": rows, "labels": labelled}


TASKS: dict[str, Callable[[Path], dict[str, float]]] = {
    one.__name__: one for one in (ours_take_in, ours_again, ours_day, ours_batches, duck_all, duck_day)
}


def child(task: str, folder: Path) -> dict[str, float]:
    """Run a task in a process of its own: what it found, seconds (of time, of processor), peak of memory in GB."""
    done = subprocess.run(
        [sys.executable, __file__, "--task", task, str(folder)], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def run_task(task: str, folder: Path) -> None:
    start, busy = time.perf_counter(), time.process_time()
    found = TASKS[task](folder)
    seconds, cpu = time.perf_counter() - start, time.process_time() - busy
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    print(json.dumps({**found, "seconds": seconds, "cpu": cpu, "gb": peak / 1e6}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        run_task(sys.argv[2], Path(sys.argv[3]))
        raise SystemExit(0)
    raise SystemExit(report("answers and their ground truth as one table", measure, sys.argv[1:]))
