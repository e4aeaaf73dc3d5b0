"""One server process for all models of a store."""

from __future__ import annotations

import gc
import hashlib
import ipaddress
import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import FrameType

import uvicorn

from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.serving.app import EndpointApp
from airflow_mlops.core.serving.loading import RegistrySource, Source
from airflow_mlops.core.serving.machine import MachineLog
from airflow_mlops.core.serving.metrics import Metrics
from airflow_mlops.core.serving.recorder import Recorder
from airflow_mlops.core.serving.spool import Spool
from airflow_mlops.core.store import Store, open_store

SPOOL_ENV = "AIRFLOW_MLOPS_SPOOL"
DEFAULT_PORT = 8765
SPOOL_LIMIT = 1 << 30
#: How long requests on their way may take after SIGTERM, in seconds.
GRACE = 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """How often the server looks at its store, in seconds; an S3 store is asked less often, as each look
    costs.

    :param poll: between two looks at the deployment logs.
    :param ship: how long captured answers are collected before they are shipped as one object.
    :param measure: between two readings of what the process takes of its machine.
    """

    poll: float
    ship: float
    measure: float = 60.0

    @classmethod
    def of(cls, store: Store) -> Pace:
        """The pace that suits a store."""
        return cls(poll=0.2, ship=1.0) if store.uri.startswith("file:") else cls(poll=1.0, ship=5.0)


@dataclass(frozen=True)
class Address:
    """Where a server listens, and the token that it asks for.

    :raises EndpointError: on construction, for an address beyond loopback without a token.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.token and not is_loopback(self.host):
            raise EndpointError(
                "the server would answer everybody",
                given=f"host {self.host} without a token",
                expected="a loopback host such as 127.0.0.1, or a token",
                remedy="give --token-file, or set AIRFLOW_MLOPS_ENDPOINT_TOKEN",
            )


def is_loopback(host: str) -> bool:
    """Whether a host is sure to be reached from this machine alone; of names only ``localhost`` is."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def spool_root() -> Path:
    """Where captures wait on this machine: ``$AIRFLOW_MLOPS_SPOOL``, else the user's state folder."""
    root = os.environ.get(SPOOL_ENV)
    if root is None:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        root = str(Path(state) / "airflow_mlops" / "spool")
    return Path(root).expanduser()


def default_spool(store: Store) -> Path:
    """Where captures of this store wait on this machine, below :func:`spool_root`."""
    return spool_root() / hashlib.sha256(store.uri.encode()).hexdigest()[:16]


def make_app(
    store: Store,
    source: Source,
    *,
    token: str | None = None,
    spool: Path | None = None,
    pace: Pace | None = None,
) -> EndpointApp:
    """The application with its spool and metrics.

    :param spool: folder shared by the servers of this store on this machine; see :func:`default_spool`.
    """
    pace = pace or Pace.of(store)
    metrics = Metrics()
    folder = Spool(
        spool or default_spool(store), store, rotate=timedelta(seconds=pace.ship), limit=SPOOL_LIMIT
    )
    recorder = Recorder(folder, metrics, every=pace.ship / 2)
    machine = MachineLog(pace.measure)
    return EndpointApp(store, source, recorder, metrics, machine, token=token, poll=pace.poll)


class Server(uvicorn.Server):
    """One listening server.

    :param listening: see :func:`listen`.
    """

    def __init__(self, app: EndpointApp, listening: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            server_header=False,
            log_config=None,
            log_level="warning",
            timeout_graceful_shutdown=GRACE,
            # Longer than clients and load balancers (60 s) keep connections: who closes first must not be us, or a
            # request that is just being sent is lost.
            timeout_keep_alive=75,
        )
        super().__init__(config)
        self._listening = listening
        host, port = listening.getsockname()[:2]
        #: Base URL of the server.
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until the process is told to stop, or ``should_exit`` is set."""
        super().run(sockets or [self._listening])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn. What is loaded by now lives long: the garbage collector need not look at it again."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()


def serve(
    store_uri: str, address: Address, *, spool: Path | None = None, source: Source | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is on its way, ship all captures, and return.

    :param source: where models are loaded from, the store's registry by default.
    :raises EndpointError: if the address can't be bound.
    """
    listening = listen(address)
    store = open_store(store_uri)
    app = make_app(store, source or RegistrySource(store), token=address.token, spool=spool)
    server = Server(app, listening)
    # Threads that predict give way to the event loop after 1 ms instead of 5.
    sys.setswitchinterval(0.001)
    # Uvicorn raises the signal that stopped it once more when it is done; the exit code is to be 0 then.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore)
    _log.info("serving %s at %s", store.uri, server.url)
    server.run()


def _ignore(number: int, frame: FrameType | None) -> None:
    """A signal that was already obeyed."""


def listen(address: Address) -> socket.socket:
    """Bind the address; callers that come before the server is ready wait. Port 0 takes a free one.

    :raises EndpointError: if the address can't be bound.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host.strip("[]"), address.port), family=family, backlog=2048)
    except OSError as error:
        raise EndpointError(
            f"the server can't listen at {address.host}:{address.port}",
            given=error.strerror or str(error),
            remedy="is another server running there? give another --port",
        ) from None
