"""A simulator for tests: started, told what to do, and stopped with everything it has started."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_mlops.testing.sagemaker.faults import Fault
from airflow_mlops.testing.sagemaker.server import RunningSimulator
from airflow_mlops.testing.sagemaker.simulator import Simulator, Timing

#: The services that the simulator answers for, as botocore writes them in ``AWS_ENDPOINT_URL_<service>``.
SERVICES = (
    "SAGEMAKER",
    "SAGEMAKER_RUNTIME",
    "CLOUDWATCH",
    "CLOUDWATCH_LOGS",
    "APPLICATION_AUTO_SCALING",
    "STS",
)


class SageMakerSimulator:
    """SageMaker on a port of this machine; a context manager.

    .. code-block:: python

        with SageMakerSimulator(s3_url="http://127.0.0.1:9000", access_key="test", secret_key="secret") as sagemaker:
            client = boto3.client("sagemaker", endpoint_url=sagemaker.url, region_name=sagemaker.region)

    :param s3_url: of the S3 server that jobs and containers read and write; None for the environment's
        ``AWS_ENDPOINT_URL_S3``.
    :param access_key: of that server, with ``secret_key``: jobs have them as their role; None for the environment's.
    :param home: folder for what jobs and containers work with; None for one that goes with the simulator.
    :param port: 0 takes a free one.
    :param seed: of the chances that choose variants and sample captures.
    """

    def __init__(
        self,
        s3_url: str | None = None,
        *,
        access_key: str | None = None,
        secret_key: str | None = None,
        home: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        region: str = "eu-central-1",
        account: str = "123456789012",
        timing: Timing | None = None,
        seed: int | None = None,
    ) -> None:
        self.region = region
        self._s3_url, self._keys = s3_url, (access_key, secret_key)
        self._home, self._host, self._port = home, host, port
        self._account, self._timing, self._seed = account, timing or Timing(), seed
        self._stack = ExitStack()
        self._running: RunningSimulator | None = None

    @property
    def url(self) -> str:
        """Base URL, for ``endpoint_url`` of every client but S3's."""
        return self._started().url

    @property
    def simulator(self) -> Simulator:
        """The simulated account itself."""
        return self._started().simulator

    def env(self) -> dict[str, str]:
        """The variables with which boto3, in this process or another, finds the simulator and the S3 server."""
        mine = {f"AWS_ENDPOINT_URL_{name}": self.url for name in SERVICES}
        role = self.simulator.role_environment()
        role.pop("AWS_ENDPOINT_URL", None)
        return {**mine, **role}

    def advance(self, by: timedelta) -> None:
        """Let so much time go by at once; what is due in it happens in its order."""
        self.simulator.clock.advance(by)

    def now(self) -> datetime:
        """The simulated time."""
        return self.simulator.clock.now()

    def order(self, fault: Fault) -> None:
        """Let something go wrong from now on."""
        self.simulator.faults.order(fault)

    def __enter__(self) -> SageMakerSimulator:
        """Start, and return when it listens."""
        with ExitStack() as stack:
            home = self._home or Path(
                stack.enter_context(
                    tempfile.TemporaryDirectory(prefix="sagemaker-", ignore_cleanup_errors=True)
                )
            )
            role = _role(self._s3_url, self._keys, self.region)
            simulator = Simulator(
                home,
                s3_client(role, self.region),
                role.get("AWS_ENDPOINT_URL_S3"),
                region=self.region,
                account=self._account,
                timing=self._timing,
                seed=self._seed,
                role=role,
            )
            self._running = stack.enter_context(RunningSimulator(simulator, host=self._host, port=self._port))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *about: object) -> None:
        """Stop it with every job and container."""
        self._running = None
        self._stack.close()

    def _started(self) -> RunningSimulator:
        if self._running is None:
            raise RuntimeError("the simulator does not run: use it in a with statement")
        return self._running


def _role(url: str | None, keys: tuple[str | None, str | None], region: str) -> dict[str, str]:
    """Environment of who runs jobs: only what was given, so that the rest is this process's own."""
    given = {
        "AWS_ENDPOINT_URL_S3": url or os.environ.get("AWS_ENDPOINT_URL_S3"),
        "AWS_ACCESS_KEY_ID": keys[0],
        "AWS_SECRET_ACCESS_KEY": keys[1],
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
    }
    return {name: value for name, value in given.items() if value}


def s3_client(role: dict[str, str], region: str) -> Callable[[], Any]:
    """Makes the S3 client of a role, once: threads may share it.

    :param role: its environment; what is not there is this process's.
    """

    @functools.cache
    def make() -> Any:
        import boto3
        from botocore.config import Config

        return boto3.session.Session().client(
            "s3",
            endpoint_url=role.get("AWS_ENDPOINT_URL_S3"),
            aws_access_key_id=role.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=role.get("AWS_SECRET_ACCESS_KEY"),
            region_name=region,
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=32),
        )

    return make
