"""A real Airflow on this machine, for as long as a ``with`` block lasts."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from airflow_mlops.core.errors import PlatformError
from airflow_mlops.demo import components
from airflow_mlops.demo.credentials import USERNAME, Credentials
from airflow_mlops.demo.processes import Child, Processes
from airflow_mlops.demo.rest import Airflow
from airflow_mlops.demo.settings import Bundle, Ports, airflow_settings, inherited

# Twelve seconds on two idle cores; the rest is for a machine that is busy with other work.
START_TIMEOUT = 300.0


class LocalAirflow:
    """API server with UI, scheduler with LocalExecutor, DAG processor, triggerer; over SQLite, on loopback.

    Entering the block starts all parts and waits until Airflow calls each one healthy; leaving it ends them.

    :param home: its ``AIRFLOW_HOME``, made when missing; one used before keeps its runs and password.
    :param dags: a folder of DAG files, or several as bundles.
    :param env: further environment variables, such as ``AIRFLOW_CONN_<ID>``; they win over those made here.
    :param openlineage: file for OpenLineage events; none are made without it.
    :param examples: also load the example DAGs of Airflow and its providers.
    :param parallelism: how many tasks may run at once.
    :param warm: modules imported once, by the scheduler, so that no task spends time on importing them.
    :param users: roles (``viewer``, ``user``, ``op``, ``admin``) of users beside ``admin``, by name.
    :param processes: a set to add its processes to; one of its own when not given.
    :param timeout: seconds within which it must be healthy.
    """

    def __init__(
        self,
        home: Path,
        dags: Path | Sequence[Bundle],
        *,
        env: Mapping[str, str] | None = None,
        openlineage: Path | None = None,
        examples: bool = False,
        parallelism: int = 4,
        warm: Sequence[str] = (),
        users: Mapping[str, str] | None = None,
        processes: Processes | None = None,
        timeout: float = START_TIMEOUT,
    ) -> None:
        self.home = home.absolute()
        self.logs = self.home / "processes"
        self.username = USERNAME
        self._bundles = [Bundle("dags", dags)] if isinstance(dags, Path) else list(dags)
        self._env = dict(env or {})
        self._openlineage = openlineage
        self._examples = examples
        self._parallelism = parallelism
        self._warm = tuple(warm)
        self._users = dict(users or {})
        self._processes = processes
        self._timeout = timeout
        self._exit = ExitStack()

    def __enter__(self) -> LocalAirflow:
        with ExitStack() as started:
            self._start(started)
            self._exit = started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._exit.close()

    @property
    def url(self) -> str:
        """Address of the UI and the REST API."""
        return self._ports.url

    @property
    def password(self) -> str:
        """Password of the user ``admin``."""
        return self._credentials.password

    def client_of(self, user: str) -> Airflow:
        """A client that is logged in as another user of ``users``, for a ``with`` block."""
        return Airflow(self.url, user, self.password_of(user))

    def password_of(self, user: str) -> str:
        """Password of ``admin``, or of another user of ``users``."""
        return Credentials.admit(self.home, [user])[user]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its processes, for running ``airflow`` commands against it."""
        return {**inherited(os.environ), **self._settings, **self._env}

    def check(self) -> None:
        """Make sure that all parts still run.

        :raises ProcessFailed: with the end of the log of the part that does not.
        """
        self._set.check(self._child)

    def living(self) -> list[int]:
        """Ids of its living processes."""
        return self._set.living()

    def _start(self, started: ExitStack) -> None:
        _linux_only()
        self._prepare()
        self._set = self._processes or started.enter_context(Processes(self.logs))
        self._child = self._launch()
        started.callback(self._stop)
        self.rest = started.enter_context(Airflow(self.url, self.username, self.password))
        self._set.wait_ready(self._child, self._healthy, self._timeout)

    def _prepare(self) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        if self._openlineage is not None:
            self._openlineage = self._openlineage.absolute()
            self._openlineage.parent.mkdir(parents=True, exist_ok=True)
        self._ports = Ports.free()
        self._credentials = Credentials.of(self.home)
        Credentials.admit(self.home, self._users)
        self._settings = airflow_settings(
            self.home,
            [Bundle(bundle.name, bundle.path.absolute()) for bundle in self._bundles],
            self._ports,
            self._credentials,
            parallelism=self._parallelism,
            examples=self._examples,
            openlineage=self._openlineage,
            users=self._users,
        )

    def _launch(self) -> Child:
        command = [sys.executable, "-m", components.__name__, str(self.logs), *self._warm]
        return self._set.start("airflow", command, env=self.environment, cwd=self.home)

    def _stop(self) -> None:
        self._set.stop(self._child)

    def _healthy(self) -> bool:
        # The first request to the API of the tasks takes it 3 s; made here, it costs no task anything.
        return self.rest.tasks_served() and self.rest.healthy()


def _linux_only() -> None:
    if not sys.platform.startswith("linux"):
        raise PlatformError(
            "the local Airflow runs on Linux only",
            given=sys.platform,
            remedy="use docker compose instead, see docker-compose.yaml",
        )
