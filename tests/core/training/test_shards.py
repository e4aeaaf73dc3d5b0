from __future__ import annotations

import hashlib
import signal
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airflow_mlops.core.errors import TrainingError
from airflow_mlops.core.training.shards import Shard, lowest, require_agreement, together
from tests.core.training.fitting import fit, parts, start


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def two(port: int, **options: Any) -> list[Any]:
    """Two processes that train together; the tracker of the first one listens on 127.0.0.1."""
    return [
        start(
            shard={"rank": rank, "count": 2, "tracker": "127.0.0.1", "port": port, "patience": 240}, **options
        )
        for rank in (0, 1)
    ]


def said(processes: list[Any]) -> list[str]:
    """The last line of each; XGBoost's collective prints lines of its own."""
    return [process.communicate(timeout=300)[0].splitlines()[-1] for process in processes]


def test_two_processes_train_one_model_and_agree() -> None:
    first, second = said(two(free_port()))
    assert first == second
    assert first.endswith(" 40")
    # They see all rows: these are so few that the bins, and the sums over them, are those of one machine.
    whole = fit()
    assert first.split()[0] == hashlib.sha256(whole.artifact).hexdigest()


@pytest.mark.slow
def test_the_same_rows_shared_alike_give_the_same_bytes() -> None:
    """Here the bins are sketched: the model is not that of one machine."""
    first, second = said(two(free_port(), rows=3000))
    assert first == second
    assert said(two(free_port(), rows=3000)) == [first, second]
    train, _ = parts(rows=3000)
    assert len(np.unique(train.values[:, 0])) > 256


def test_shards_are_all_rows_once() -> None:
    train, _ = parts(rows=10)
    shards = [Shard(rank, 4).of(train) for rank in range(4)]
    assert [len(one.labels) for one in shards] == [2, 2, 1, 1]
    found = sorted(tuple(row) for one in shards for row in np.nan_to_num(one.values))
    assert found == sorted(tuple(row) for row in np.nan_to_num(train.values))


def test_one_machine_is_a_training_as_ever() -> None:
    assert fit(shard=Shard()).artifact == fit().artifact
    with together(Shard()):
        assert lowest(Shard(), 3) == 3
        require_agreement(Shard(), b"anything")


def test_early_stopping_stops_both_after_the_same_round() -> None:
    first, second = said(two(free_port(), rounds=200, early=5))
    assert first == second
    assert int(first.split()[1]) < 100


@pytest.mark.long
def test_a_killed_group_goes_on_together(tmp_path: Path) -> None:
    options: dict[str, Any] = {"folder": str(tmp_path), "every": 4}
    whole = said(two(free_port()))
    port = free_port()
    group = [
        start(
            shard={"rank": 0, "count": 2, "tracker": "127.0.0.1", "port": port, "patience": 240},
            die_after=11,
            **options,
        ),
        start(
            shard={"rank": 1, "count": 2, "tracker": "127.0.0.1", "port": port, "patience": 240}, **options
        ),
    ]
    _, (lost, _) = (process.communicate(timeout=300) for process in group)
    assert group[0].returncode == -signal.SIGKILL
    assert group[1].returncode == 1
    assert lost.splitlines()[-1].startswith("machine 1 of 2 lost another one")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["round-000004", "round-000008"]
    assert said(two(free_port(), **options)) == whole


@pytest.mark.parametrize("rank,count", [(2, 2), (-1, 1), (0, 0)])
def test_no_such_machine(rank: int, count: int) -> None:
    with pytest.raises(TrainingError, match="no such machine"):
        Shard(rank, count)


def test_fewer_rows_than_machines() -> None:
    train, _ = parts(rows=6)
    with pytest.raises(TrainingError, match="fewer rows than machines; given 4 rows for 5"):
        Shard(0, 5).of(train)


def test_machine_0_is_not_there() -> None:
    shard = Shard(1, 2, "127.0.0.1", free_port(), patience=0)
    with (
        pytest.raises(TrainingError, match=r"machine 1 can't reach machine 0 at 127\.0\.0\.1") as caught,
        together(shard),
    ):
        pass
    assert "\n" not in str(caught.value)
