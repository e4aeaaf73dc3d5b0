"""All parts of an Airflow, forked from one process that has imported Airflow once.

Airflow's own way is one command per part, and each spends three seconds of CPU on the same imports. Forking
after the import brings a whole Airflow up in a third of the time on two cores, and its parts share memory.
Only for Linux: macOS does not survive a fork after such imports.

Run as ``python -m airflow_mlops.demo.components <logs> [module ...]``; the settings are in the environment.
The modules are imported by the scheduler, whose children run the tasks: there they cost a task nothing.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

MIGRATE = ("db", "migrate")
# The log servers listen on all interfaces; the API server reads the same folder and does not need them.
COMPONENTS: Mapping[str, Sequence[str]] = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
# Imported before the first fork, in the order in which the parts would come to them.
SHARED = (
    "airflow.__main__",
    "airflow.cli.cli_parser",
    "airflow.models",
    "airflow.jobs.job",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.executors.local_executor",
    "airflow.jobs.scheduler_job_runner",
    "airflow.jobs.triggerer_job_runner",
    "airflow.dag_processing.manager",
    "airflow.api_fastapi.core_api.app",
)


def run(logs: Path, warm: Sequence[str]) -> int:
    """Migrate the database, start the parts, and wait until the first of them ends.

    :param logs: folder for one log per part.
    :param warm: modules to import in the scheduler.
    :returns: an exit code: 0 after SIGTERM, 1 when a part ended by itself.
    """
    _import(SHARED)
    # Objects that the collector never looks at again stay on pages that the children share.
    gc.freeze()
    if _wait(_fork("migrate", MIGRATE, logs)) != 0:
        return _blame("migrate", logs)
    stopping = _Stopping()
    parts = {
        _fork(name, command, logs, warm if name == "scheduler" else ()): name
        for name, command in COMPONENTS.items()
    }
    stopping.children.extend(parts)
    first, _ = os.wait()
    if not stopping.asked:
        return _blame(parts[first], logs)
    # The others received the same signal; they are waited for so that none is left as a zombie.
    with suppress(ChildProcessError):
        while True:
            os.wait()
    return 0


class _Stopping:
    """Passes SIGTERM on to the children, once."""

    def __init__(self) -> None:
        self.asked = False
        self.children: list[int] = []
        signal.signal(signal.SIGTERM, self)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        for pid in self.children:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _fork(name: str, command: Sequence[str], logs: Path, warm: Sequence[str] = ()) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _become(name, command, logs, warm)
    return pid


def _become(name: str, command: Sequence[str], logs: Path, warm: Sequence[str]) -> NoReturn:
    # Nothing may leave this function: the caller's stack belongs to the parent.
    code: object = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        log = os.open(logs / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        _import(warm)
        sys.argv = ["airflow", *command]
        importlib.import_module("airflow.__main__").main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def _import(modules: Sequence[str]) -> None:
    for module in modules:
        importlib.import_module(module)


def _wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _blame(name: str, logs: Path) -> int:
    lines = (logs / f"{name}.log").read_text(errors="replace").splitlines()
    print(*lines[-20:], f"airflow {name} ended by itself", sep="\n", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))
