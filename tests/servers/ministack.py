"""The ministack emulator (PyPI): the AWS services in one process; it does not check signatures."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.servers.process import ServerMissingError, free_port, insisting, running, wait_for_http
from tests.servers.s3 import S3Server


@contextlib.contextmanager
def ministack(services: str = "s3") -> Iterator[S3Server]:
    """Run ministack on a free port of loopback, everything in memory.

    :raises ServerMissingError: if it is not installed.
    """
    if importlib.util.find_spec("ministack") is None:
        raise ServerMissingError("ministack not installed: pip install ministack")
    with insisting(lambda: _started(services)) as server:
        yield server


@contextlib.contextmanager
def _started(services: str) -> Iterator[S3Server]:
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="ministack-") as folder:
        log = Path(folder) / "ministack.log"
        env = {
            **os.environ,
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "SERVICES": services,
            "S3_PERSIST": "0",
            "LOG_LEVEL": "WARNING",
            "TMPDIR": folder,
        }
        with running([sys.executable, "-m", "ministack"], log, env) as process:
            wait_for_http(f"{endpoint}/_ministack/health", process, log)
            yield S3Server("ministack", endpoint)
