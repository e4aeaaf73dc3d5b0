"""``airflow-mlops erase``: the id comes from a file or from standard input, and is never said again."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from airflow_mlops.cli.main import main
from airflow_mlops.core.data.erasures import erasure_log
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.erasure.subject import Subject
from airflow_mlops.core.store import open_store
from tests.core.erasure.world import MODEL, PERSON, SECRET, World, copied, lived_folder, orders, spec


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the store, the data, the id and the key."""
    copied(lived_folder(tmp_path_factory), tmp_path / "world", monkeypatch)
    monkeypatch.delenv("AIRFLOW_MLOPS_PRIVACY_SECRET", raising=False)
    (tmp_path / "id").write_text(f"{PERSON}\n")
    (tmp_path / "key").write_text(f"{SECRET}\n")
    return tmp_path


def erase(place: Path, command: str, *more: str, person: bool = True, key: bool = True) -> int:
    given = [] if command == "hash" else [MODEL, "--store", str(place / "world" / "store")]
    given += ["--subject-file", str(place / "id")] if person else []
    given += ["--key-file", str(place / "key")] if key else []
    return main(["erase", command, *given, *more])


def test_find_then_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert erase(place, "find") == 0
    looked = capsys.readouterr()
    assert "captured requests: 4" in looked.out
    world = World(place / "world")
    assert len(world.holders(PERSON)) == 11
    assert erase(place, "run", "--why", "request 4711") == 0
    said = capsys.readouterr()
    assert world.holders(PERSON) == []
    assert "orders:1 learned from these rows; it is the champion" in said.out
    assert "out of reach: the source of the data" in said.out
    done = erasure_log(world.store, MODEL).read(2)
    again = next(line for line in said.out.splitlines() if line.startswith("to train it again"))
    start = again.rpartition(" ")[2]
    snapshots = {one.dataset.id: one.replaced_by for one in done.tombstones}
    assert start in {one.id for one in snapshots.values() if one}
    made = world.versions()[start].derivation
    assert made is not None
    assert world.versions()[made.parents[0].id].derivation is None, "a release joins by itself"
    for text in (looked.out, looked.err, said.out, said.err):
        assert PERSON not in text
    assert done.who != "unknown"


def test_the_hash_is_that_of_the_record(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_MLOPS_PRIVACY_SECRET", SECRET)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PERSON}\n"))
    assert main(["erase", "hash", "--subject-file", "-"]) == 0
    assert capsys.readouterr().out.strip() == Subject.of(PERSON, SECRET).hash
    assert erase(place, "run", "--why", "x", "--json") == 0
    assert json.loads(capsys.readouterr().out)["subject"] == Subject.of(PERSON, SECRET).hash


def test_check_finds_who_is_back(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert erase(place, "run", "--why", "x") == 0
    world = World(place / "world")
    folder = place / "world" / "data" / "orders"
    frame = orders(range(60))
    for path in folder.iterdir():
        path.unlink()
    world.write("orders/new.parquet", frame)
    back = snapshot(world.store, world.root, spec())
    capsys.readouterr()
    assert erase(place, "check", back.id[:12], person=False) == 1
    said = capsys.readouterr().out
    assert f"{Subject.of(PERSON, SECRET).hash}: 15 rows in orders@{back.id}" in said
    pd.DataFrame(frame[frame["customer"] != PERSON]).to_parquet(folder / "new.parquet", index=False)
    clean = snapshot(world.store, world.root, spec())
    assert erase(place, "check", clean.id, person=False) == 0
    assert "nobody who was erased" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command, more, says",
    [
        ("run", ["--why", f"{PERSON} asked"], "--why names the person"),
        ("find", ["--key-file", "/nowhere/key"], "--key-file can't be read"),
        ("find", ["--subject-file", "/nowhere/id"], "--subject-file can't be read"),
        ("find", ["--store", "empty"], "nothing says which column"),
    ],
)
def test_mistakes_are_one_line(
    place: Path,
    command: str,
    more: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(place)
    assert erase(place, command, *more) == 2
    said = capsys.readouterr().err
    assert says in said
    assert PERSON not in said
    assert len(said.strip().splitlines()) == 1


def test_without_a_key_nothing_is_done(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert erase(place, "find", key=False) == 2
    assert "hashing a column needs a key" in capsys.readouterr().err
    assert not list(erasure_log(open_store(str(place / "world" / "store")), MODEL).entries())
