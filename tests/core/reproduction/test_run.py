"""A version comes out the same, or the answer says what is gone, changed or different."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_mlops.core.data.reading import load_version, read_frame
from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.reproduction import run as running
from airflow_mlops.core.reproduction.bench import Bench
from airflow_mlops.core.reproduction.locked import Environment
from airflow_mlops.core.reproduction.record import Difference, reproduction_log
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.training.environment import Lock, environment_lock
from airflow_mlops.core.training.rebuild import Rebuilt
from airflow_mlops.core.training.run import train
from tests.core.reproduction.world import AT, Registered, content


def test_the_same_bytes_and_nothing_left_but_a_record(
    registered: Registered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The feature module can be gone: its stored source is used."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    before, lines = content(registered.folder), list[str]()
    found = registered.reproduce(run="dag/r1", progress=lines.append)
    trained = registered.record.trained
    assert (found.outcome, found.artifact, found.rebuilt) == ("identical", trained.artifact, trained.artifact)
    assert (found.environment, found.place, found.version, found.by) == ((), "here", 1, "ann")
    assert f"the same {trained.size:,} bytes" in found.reason
    assert any("round 12 of 12" in line for line in lines), "the training's own lines pass through"
    assert any(line.startswith("data orders@") and "300 rows, all as recorded" in line for line in lines)
    assert not list((tmp_path / "tmp").iterdir())
    (number, noted), *more = reproduction_log(registered.store, "orders").entries()
    assert (number, noted, more) == (1, found, [])
    new = {key for key in content(registered.folder).keys() - before.keys() if not key.startswith("audit/")}
    assert new == {"models/orders/reproductions/0000000001.json"}


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


PARTS: dict[str, tuple[Callable[[Registered], str], str]] = {
    "data": (lambda here: here.data.files[0].sha256, r"orders/all\.parquet of dataset version orders@\w+"),
    "model": (lambda here: here.record.trained.artifact, "the model file of orders:1"),
    "features": (
        lambda here: here.record.trained.code.sha256 if here.record.trained.code else "",
        r"the feature code tests\.core\.training\.order_features:good of orders:1",
    ),
    "program": (lambda here: here.record.trained.program or "", "the training code of orders:1"),
    "lock": (lambda here: here.record.trained.environment, "the environment lock of orders:1"),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("gone", [True, False])
def test_a_part_that_is_gone_or_changed_is_named_and_nothing_is_trained(
    registered: Registered, part: str, gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, named = PARTS[part]
    path = registered.blob(find(registered))
    path.unlink() if gone else damage(path)
    monkeypatch.setattr(running, "train_again", None)
    found = registered.reproduce()
    assert (found.outcome, found.rebuilt) == ("impossible", None)
    assert re.search(f"^{named} {'is gone from' if gone else 'was changed in'} file://", found.reason), (
        found.reason
    )
    assert "\n" not in found.reason
    assert reproduction_log(registered.store, "orders").newest() == (1, found)


def test_a_swapped_model_file_is_seen_though_it_is_a_model(registered: Registered) -> None:
    path = registered.blob(registered.record.trained.artifact)
    path.write_bytes(registered.blob(put_bytes(registered.store, b"another model")).read_bytes())
    assert registered.reproduce().reason.startswith("the model file of orders:1 was changed")


def test_a_copy_in_the_cache_hides_no_change_in_the_store(registered: Registered) -> None:
    data = registered.data
    read_frame(registered.store, load_version(registered.store, data.name, data.id))
    damage(registered.blob(data.files[0].sha256))
    assert registered.reproduce().outcome == "impossible"


def test_a_manifest_that_is_gone_is_named(registered: Registered) -> None:
    (registered.folder / "datasets" / "orders" / f"{registered.data.id}.json").unlink()
    found = registered.reproduce()
    assert found.outcome == "impossible"
    assert f"the manifest of dataset version orders@{registered.data.id} is gone from" in found.reason


def older(name: str) -> Callable[[str], str]:
    """A lock with an older version of a package, the Python of before, and a package that is not here."""

    def change(text: str) -> str:
        text = re.sub(rf"^{name}==.*$", f"{name}==1.0.0", text, flags=re.MULTILINE)
        return re.sub(r"^# python \S+", "# python 3.9.1", text)

    return change


def test_here_says_which_libraries_differ_and_how_the_version_was_made(registered: Registered) -> None:
    """Of a version from before its training code was kept, by a job on SageMaker."""
    registered.relock(older("pandas"))
    registered.rewrite(program=None, job="orders-job-1")
    found = registered.reproduce(place="here")
    present = Lock.parse(environment_lock())
    assert found.environment == (
        Difference(name="python", recorded="3.9.1", found=present.python),
        Difference(name="pandas", recorded="1.0.0", found=present.packages["pandas"]),
    )
    assert (found.outcome, found.place) == ("identical", "here"), found.reason
    assert f"pandas {present.packages['pandas']} instead of 1.0.0" in found.reason
    assert "its training code was not kept, so the present code was used" in found.reason
    assert "trained by SageMaker job orders-job-1, and again here" in found.reason


@pytest.mark.long
def test_what_machines_trained_together_as_many_processes_train_again(registered: Registered) -> None:
    """So few rows give the bytes of one machine: see the tests of shards."""
    registered.rewrite(machines=2)
    found = registered.reproduce(place="here")
    assert found.outcome == "identical", found.reason
    assert found.reason.endswith("2 machines had trained it together, and as many processes here")


def test_auto_takes_an_environment_from_the_lock_where_this_one_differs(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def make(text: str, names: tuple[str, ...], progress: object) -> Environment:
        asked.append((text, names))
        return Environment(Path(sys.executable), Lock.parse(text))

    monkeypatch.setattr(running, "locked_environment", make)
    registered.relock(older("numpy"))
    found = registered.reproduce(place="auto")
    assert (found.outcome, found.place, found.environment) == ("identical", "locked", ())
    ((text, names),) = asked
    assert "numpy==1.0.0" in text
    assert {"numpy", "pandas", "pyarrow", "pydantic"} <= set(names)
    assert {"xgboost", "xgboost-cpu"} & set(names)
    assert "apache-airflow" not in names


def test_a_run_that_is_tried_again_notes_nothing_twice_but_another_outcome(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "train_again", lambda *_: Rebuilt(trained=registered.record.trained))
    first = registered.reproduce(run="dag/r1")
    assert registered.reproduce(run="dag/r1", at=AT.replace(month=4)) == first
    (path := registered.blob(registered.data.files[0].sha256)).rename(registered.folder.parent / "aside")
    gone = registered.reproduce(run="dag/r1")
    (registered.folder.parent / "aside").rename(path)
    registered.reproduce(run="dag/r2")
    registered.reproduce(run=None)
    registered.reproduce(run=None)
    noted = [(one.run, one.outcome) for _, one in reproduction_log(registered.store, "orders").entries()]
    assert gone.outcome == "impossible"
    assert noted == [
        ("dag/r1", "identical"),
        ("dag/r1", "impossible"),
        ("dag/r2", "identical"),
        (None, "identical"),
        (None, "identical"),
    ]


def test_a_training_that_fails_says_why(registered: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "train_again", lambda *_: Rebuilt(error="feature module m fails; given x"))
    found = registered.reproduce()
    assert found.outcome == "impossible"
    assert found.reason == "it can't be trained again: feature module m fails; given x"


@pytest.mark.parametrize("tolerance,outcome", [(1e-6, "different"), (1e6, "equal")])
def test_another_model_is_compared_on_the_held_out_rows(
    registered: Registered, tolerance: float, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record says that more was learned than its model file has."""
    shorter = registered.spec.with_overrides({"training": {"rounds": 3}})

    def again(python: Path, record: object, bench: Bench, progress: object) -> Rebuilt:
        data = load_version(bench.store, registered.data.name, registered.data.id)
        return Rebuilt(trained=train(bench.store, shorter, data))

    monkeypatch.setattr(running, "train_again", again)
    found = registered.reproduce(tolerance=tolerance)
    assert found.outcome == outcome
    assert found.rebuilt not in (None, found.artifact)
    assert 0.01 < (found.predictions or 0) < 1
    assert 0.001 < found.metrics["log_loss"] < 1
    assert f"held-out predictions differ by up to {found.predictions:.3g}" in found.reason
    assert found.reason.endswith("more than 1e-06" if outcome == "different" else "within 1e+06")


@pytest.mark.parametrize(
    "arguments,says",
    [
        (
            {"place": "there"},
            "no such place to build a version; given there; expected auto or locked or here",
        ),
        ({"tolerance": -1.0}, "tolerance is none; given -1.0"),
        ({"tolerance": float("nan")}, "tolerance is none; given nan"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    registered: Registered, arguments: dict[str, object], says: str
) -> None:
    with pytest.raises(RegistryError, match=re.escape(says)):
        registered.reproduce(**arguments)
    assert not reproduction_log(registered.store, "orders").last_number()


def test_no_such_version(registered: Registered) -> None:
    with pytest.raises(RegistryError, match="orders has no version 2"):
        running.reproduce(registered.store, "orders", 2, by="ann", at=registered.record.created_at)
