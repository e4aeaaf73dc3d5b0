"""Several machines that train one model together: each on its share of the rows, with XGBoost's own collective.

The machines exchange sums of gradients per bin, so that all of them grow the same trees. The result is a model of all
rows; its bytes are the same whenever the same rows are shared by the same number of machines. Where a feature has more
values than bins (``max_bin``, 256), they are not those of one machine alone, which finds its bins otherwise.
"""

from __future__ import annotations

import hashlib
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import TrainingError
from airflow_mlops.core.training.base import Part

if TYPE_CHECKING:
    import xgboost.tracker

#: Where the first machine listens for the others. SageMaker lets all ports through between the machines of a job.
PORT = 9099
_PAUSE = 1.0
_GOODBYE = 60


@dataclass(frozen=True)
class Shard:
    """The share of one machine: rows ``rank``, ``rank + count``, ``rank + 2 * count``...

    :param rank: of this machine, from 0.
    :param count: how many machines train together.
    :param tracker: name or address of machine 0, as the others reach it.
    :param port: where machine 0 listens.
    :param patience: seconds to wait until all machines are there; they read their data at different speeds.
    """

    rank: int = 0
    count: int = 1
    tracker: str = ""
    port: int = PORT
    patience: float = 1800.0

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.count:
            raise TrainingError(
                "no such machine", given=f"rank {self.rank} of {self.count}", expected="0 to count - 1"
            )

    @property
    def alone(self) -> bool:
        """Whether one machine trains by itself."""
        return self.count == 1

    def of(self, part: Part) -> Part:
        """This machine's rows of a part.

        :raises TrainingError: if there are fewer rows than machines.
        """
        if self.alone:
            return part
        if len(part.labels) < self.count:
            raise TrainingError(
                "there are fewer rows than machines",
                given=f"{len(part.labels)} rows for {self.count}",
                remedy="train on fewer machines: sagemaker.training.instances of the mlops connection",
            )
        rows = slice(self.rank, None, self.count)
        return replace(part, values=part.values[rows], labels=part.labels[rows])


@contextmanager
def together(shard: Shard) -> Iterator[None]:
    """All machines are connected inside the block. With one machine this does nothing.

    :raises TrainingError: if they are not all there in time.
    """
    if shard.alone:
        yield
        return
    deadline = time.monotonic() + shard.patience
    tracker = _start_tracker(shard) if shard.rank == 0 else None
    try:
        with _connected(shard, deadline):
            yield
        if tracker is not None:
            # Machine 0 takes the tracker along when it ends: all others say goodbye to it first.
            tracker.wait_for(timeout=_GOODBYE)
    finally:
        if tracker is not None:
            tracker.free()


def require_agreement(shard: Shard, artifact: bytes) -> None:
    """Check, between connected machines, that all have the same model. With one machine this does nothing.

    :raises TrainingError: on every machine, if one of them has another one.
    """
    if shard.alone:
        return
    first = int.from_bytes(hashlib.sha256(artifact).digest()[:6], "big")  # 48 bits: exact as a float
    if lowest(shard, first) != -lowest(shard, -first):
        raise TrainingError(
            "the machines have trained different models",
            given=f"{shard.count} machines",
            expected="the same bytes on each",
            remedy="do all of them run the same image on the same instance type?",
        )


def lowest(shard: Shard, number: int) -> int:
    """The lowest of the numbers that the connected machines bring; with one machine its own."""
    if shard.alone:
        return number
    import numpy as np
    from xgboost import collective

    return int(collective.allreduce(np.array([float(number)]), collective.Op.MIN)[0])


def _start_tracker(shard: Shard) -> xgboost.tracker.RabitTracker:
    """Machine 0 tells the others where each one is. Ranks follow the task ids, so they are the same in every run."""
    import xgboost
    from xgboost.tracker import RabitTracker

    try:
        tracker = RabitTracker(
            n_workers=shard.count,
            host_ip=_address(shard.tracker),
            port=shard.port,
            sortby="task",
            timeout=int(shard.patience),
        )
        tracker.start()
    except (xgboost.core.XGBoostError, OSError) as error:
        raise TrainingError(
            f"can't listen on {shard.tracker}:{shard.port} for the other machines",
            given=" ".join(str(error).split())[-200:],
        ) from None
    return tracker


@contextmanager
def _connected(shard: Shard, deadline: float) -> Iterator[None]:
    import xgboost
    from xgboost import collective

    while True:
        try:
            with _quietly():
                collective.init(
                    dmlc_tracker_uri=_address(shard.tracker),
                    dmlc_tracker_port=shard.port,
                    dmlc_task_id=f"{shard.rank:06d}",
                    dmlc_retry=1,
                )
            break
        except (xgboost.core.XGBoostError, OSError) as error:
            # Machine 0 listens only when it has read its data.
            if time.monotonic() + _PAUSE > deadline:
                raise TrainingError(
                    f"machine {shard.rank} can't reach machine 0 at {shard.tracker}:{shard.port}",
                    given=" ".join(str(error).split())[-200:],
                    remedy="do the security groups let the machines of a job talk to each other?",
                ) from None
            time.sleep(_PAUSE)
    try:
        yield
    except BaseException as error:
        # Where a machine was lost this fails, too; what counts is why.
        with suppress(xgboost.core.XGBoostError), _quietly():
            collective.finalize()
        if isinstance(error, xgboost.core.XGBoostError) and "/collective/" in str(error):
            raise TrainingError(
                f"machine {shard.rank} of {shard.count} lost another one while they trained together",
                remedy="see the log of the others: one of them has failed or was stopped",
            ) from error
        raise
    with _quietly():
        collective.finalize()


@contextmanager
def _quietly() -> Iterator[None]:
    """XGBoost warns of every failed try to connect, with a stack of C++."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _address(host: str) -> str:
    return socket.gethostbyname(host)
