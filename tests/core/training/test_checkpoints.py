from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.errors import TrainingError
from airflow_mlops.core.training.checkpoints import Checkpoint, Checkpoints
from tests.core.training.fitting import fit, start


def every(rounds: int, folder: Path) -> Checkpoints:
    """However long it takes to write them."""
    return Checkpoints(folder, rounds, share=1.0)


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"validation": False},
        {"rounds": 200, "early": 5},
        {"params": {"eval_metric": "auc"}, "rounds": 200, "early": 5},
        {"params": {"tree_method": "approx"}},
        {"params": {"base_score": 0.3, "grow_policy": "lossguide"}},
    ],
)
def test_a_killed_training_goes_on_to_the_same_bytes(tmp_path: Path, options: dict[str, Any]) -> None:
    whole = fit(**options)
    dying = start(folder=str(tmp_path), every=2, die_after=5, **options)
    dying.communicate(timeout=300)
    assert dying.returncode == -signal.SIGKILL
    assert kept(tmp_path) == ["round-000002", "round-000004"]

    lines: list[str] = []
    again = fit(checkpoints=every(2, tmp_path), lines=lines, **options)
    assert lines[0].startswith("going on after round 4 of")
    assert (again.rounds, again.artifact) == (whole.rounds, whole.artifact)


def test_checkpoints_change_no_byte_of_a_training_that_is_not_interrupted(tmp_path: Path) -> None:
    assert fit(checkpoints=every(1, tmp_path)).artifact == fit().artifact
    assert kept(tmp_path) == ["round-000039", "round-000040"]


def test_sampled_rounds_after_an_interruption_are_others_but_as_many(tmp_path: Path) -> None:
    sampled = {"params": {"subsample": 0.6, "colsample_bytree": 0.7}}
    fit(checkpoints=every(4, tmp_path), rounds=40, **sampled)
    (tmp_path / "round-000040").unlink()
    again = fit(checkpoints=every(4, tmp_path), **sampled)
    assert again.rounds == 40
    assert again.artifact == fit(checkpoints=every(4, tmp_path), **sampled).artifact


@pytest.mark.parametrize("at", [1, 3, 5])
def test_early_stopping_that_was_over_is_over(tmp_path: Path, at: int) -> None:
    """Interrupted in the last rounds, between the best one and the one that it stops after."""
    options: dict[str, Any] = {"rounds": 200, "early": 5}
    whole = fit(**options)
    fit(checkpoints=every(1, tmp_path), **options)
    last = whole.rounds + 5
    for number in range(whole.rounds + at + 1, last + 1):
        (tmp_path / f"round-{number:06d}").unlink(missing_ok=True)
    again = fit(checkpoints=every(1, tmp_path), **options)
    assert again.artifact == whole.artifact


def test_a_request_to_stop_leaves_a_checkpoint_of_its_round(tmp_path: Path) -> None:
    stopped = start(folder=str(tmp_path), every=100, die_after=7, signal="SIGTERM")
    said, _ = stopped.communicate(timeout=300)
    assert stopped.returncode == 1
    assert said.startswith("training was stopped after round ")
    rounds = int(said.split()[5].rstrip(";"))
    assert kept(tmp_path) == [f"round-{rounds:06d}"]
    assert fit(checkpoints=every(100, tmp_path)).artifact == fit().artifact


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"params": {"eta": 0.5}}, {"rounds": 41}, {"validation": False}]
)
def test_a_checkpoint_of_another_training_is_not_used(tmp_path: Path, other: dict[str, Any]) -> None:
    fit(checkpoints=every(4, tmp_path))
    lines: list[str] = []
    again = fit(checkpoints=every(4, tmp_path), lines=lines, **other)
    assert not any("going on" in line for line in lines)
    assert again.artifact == fit(**other).artifact


@pytest.mark.parametrize("damage", [b"", b"x", b"{}\n", b"[1]\nabc", None])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, damage: bytes | None) -> None:
    fit(checkpoints=every(4, tmp_path))
    newest = tmp_path / "round-000040"
    newest.write_bytes(newest.read_bytes()[:-9] if damage is None else damage)
    lines: list[str] = []
    assert fit(checkpoints=every(4, tmp_path), lines=lines).artifact == fit().artifact
    assert lines[0].startswith("going on after round 36")


def test_what_sagemaker_copies_at_the_moment_is_not_removed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for number in (1, 2, 3, 4):
        checkpoints.write("x", Checkpoint(number, {}, b"model"))
        if number == 1:
            (tmp_path / "round-000001.sagemaker-uploading").touch()
    assert kept(tmp_path) == [
        "round-000001",
        "round-000001.sagemaker-uploading",
        "round-000003",
        "round-000004",
    ]
    assert checkpoints.rounds("x") == (4, 3, 1)
    assert checkpoints.rounds("y") == ()


def test_a_reader_writes_nothing(tmp_path: Path) -> None:
    fit(checkpoints=Checkpoints(tmp_path / "folder", 4, writes=False))
    assert not (tmp_path / "folder").exists()


def test_a_checkpoint_is_json_and_ubjson(tmp_path: Path) -> None:
    import xgboost

    fit(checkpoints=every(20, tmp_path))
    head, _, booster = (tmp_path / "round-000020").read_bytes().partition(b"\n")
    assert len(json.loads(head)["history"]["validation"]["logloss"]) == 20
    assert xgboost.Booster(model_file=bytearray(booster)).num_boosted_rounds() == 20


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match="no such distance of checkpoints; given 0; expected 1 round or more"
    ):
        every(0, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match=r"checkpoint .*file/round-000004 can't be written"):
        fit(checkpoints=every(4, tmp_path / "file"))


def test_where_rounds_are_fast_there_are_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    checkpoints = Checkpoints(tmp_path, 1, share=0.1)
    monkeypatch.setattr("os.fsync", lambda _: clock.__setitem__(0, clock[0] + 2))
    assert checkpoints.due(1)
    checkpoints.write("x", Checkpoint(1, {}, b"model"))
    clock[0] = 19.9
    assert not checkpoints.due(2)
    clock[0] = 20.0
    assert checkpoints.due(3)
