"""A container of an endpoint: a process that has downloaded a model and answers for it.

``/opt/ml/model`` is a folder of the host here; a path below it in the model's environment is that folder's.
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow_mlops.testing.sagemaker import container_main
from airflow_mlops.testing.sagemaker.objects import DataError, download, download_below, unpack
from airflow_mlops.testing.sagemaker.processes import Program, base_environment, python

_MODEL = "/opt/ml/model"
_LAUNCH = (
    "import runpy, sys; sys.path = [p for p in sys.path if p]; sys.argv.pop(0);"
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)
_LONGEST_PAUSE = 5.0
_log = logging.getLogger(__name__)


class ContainerError(Exception):
    """A container did not come up; the message is what SageMaker's FailureReason says."""


@dataclass(frozen=True)
class Image:
    """What a container runs.

    :param label: of its variant, for messages.
    :param definition: the model's container as CreateModel was given it.
    :param role: environment of the execution role.
    :param patience: how long it may take to answer ``/ping``, in real time: loading is real work.
    """

    label: str
    definition: dict[str, Any]
    role: dict[str, str]
    patience: timedelta


class Container:
    """One process, started again when it crashes.

    :param folder: stands for the container's disk.
    :param s3: an S3 client.
    :param on_line: takes each line that it prints.
    """

    def __init__(self, image: Image, folder: Path, s3: Any, on_line: Callable[[str], None]) -> None:
        self.image, self.folder = image, folder
        self._s3, self._on_line = s3, on_line
        self._program: Program | None = None
        self._stopped = threading.Event()
        self._crashes = 0
        #: Where it listens; None while it does not.
        self.port: int | None = None
        #: Requests that were handed to it and not answered; changed by the router under its endpoint's gate.
        self.in_flight = 0

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self._program.pid if self._program is not None and self.port is not None else None

    def prepare(self) -> None:
        """Download and unpack. :raises ContainerError: if that can't be done."""
        model = self.folder / "model"
        model.mkdir(parents=True, exist_ok=True)
        try:
            self._fetch_model(model)
            code = self.image.definition.get("Environment", {}).get("SAGEMAKER_SUBMIT_DIRECTORY", "")
            if code.startswith("s3://"):
                self._fetch_archive(code, self.folder / "code")
        except DataError as error:
            raise ContainerError(str(error)) from None

    def start(self) -> None:
        """Begin to start the process, unless it was stopped already; :meth:`wait` says when it is up."""
        if not self._stopped.is_set():
            self._start()

    def _start(self) -> Program:
        (self.folder / "port").unlink(missing_ok=True)
        script = Path(container_main.__file__)
        command = [
            python(),
            "-c",
            _LAUNCH,
            str(script),
            str(self.folder / "model"),
            str(self.folder / "port"),
        ]
        program = Program(
            command,
            folder=self.folder,
            environment=self._environment(),
            on_line=self._on_line,
            on_exit=self._ended,
        )
        self._program = program
        if self._stopped.is_set():
            # whoever has stopped it meanwhile did not see this one
            program.stop(0)
        return program

    def wait(self) -> None:
        """Return when it answers ``/ping``. :raises ContainerError: if it does not in time, or ends before."""
        if self._program is None:
            raise self._unwell()
        self._wait(self._program)

    def _wait(self, program: Program) -> None:
        until = time.monotonic() + self.image.patience.total_seconds()
        while time.monotonic() < until and not self._stopped.is_set() and program.running():
            if self._ping():
                return
            self._stopped.wait(0.02)
        raise self._unwell()

    def _unwell(self) -> ContainerError:
        return ContainerError(
            f"The primary container for production variant {self.image.label} did not pass the ping health check. "
            "Please check CloudWatch logs for this endpoint."
        )

    def stop(self) -> None:
        """End the process for good."""
        self._stopped.set()
        self.port = None
        if self._program is not None:
            self._program.stop(2.0)

    def _ping(self) -> bool:
        try:
            port = int((self.folder / "port").read_text())
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/ping")
            ready = connection.getresponse().status == 200
            connection.close()
        except (OSError, ValueError, http.client.HTTPException):
            return False
        if ready and not self._stopped.is_set():
            self.port = port
        return ready

    def _ended(self, status: int) -> None:
        """The process is over; one that was up is started again."""
        was_up, self.port = self.port is not None, None
        if self._stopped.is_set() or not (was_up or self._crashes):
            return
        _log.warning("container of %s ended with status %s and is started again", self.image.label, status)
        self._crashes += 1
        threading.Thread(target=self._restart, name="restart", daemon=True).start()

    def _restart(self) -> None:
        if self._stopped.wait(min(_LONGEST_PAUSE, 0.1 * 2**self._crashes)):
            return
        program = self._start()
        try:
            self._wait(program)
        except ContainerError as error:
            self._on_line(str(error))
            if program.running():
                # ends it, and so begins anew
                program.kill()

    def _environment(self) -> dict[str, str]:
        model = str(self.folder / "model")
        given = dict(self.image.definition.get("Environment", {}))
        for name, value in given.items():
            path = value.removeprefix("file://")
            if path == _MODEL or path.startswith(f"{_MODEL}/"):
                given[name] = model + path[len(_MODEL) :]
            elif name == "SAGEMAKER_SUBMIT_DIRECTORY" and value.startswith("s3://"):
                given[name] = str(self.folder / "code")
        return {
            **base_environment(self.image.role),
            "SM_MODEL_DIR": model,
            "SAGEMAKER_BASE_DIR": str(self.folder),
            "HOME": str(self.folder),
            # https://docs.aws.amazon.com/sagemaker/latest/dg/adapt-inference-container.html: one thread per process
            "OMP_NUM_THREADS": "1",
            **given,
        }

    def _fetch_model(self, model: Path) -> None:
        source = self.image.definition.get("ModelDataSource", {}).get("S3DataSource")
        uri = source["S3Uri"] if source else self.image.definition.get("ModelDataUrl")
        if uri is None:
            return
        if source and source["CompressionType"] == "None":
            download_below(self._s3, uri, model)
        else:
            self._fetch_archive(uri, model)

    def _fetch_archive(self, uri: str, folder: Path) -> None:
        archive = self.folder / "archive.tar.gz"
        try:
            download(self._s3, uri, archive)
        except DataError:
            raise DataError(
                f'Failed to download model data for container "container_1" from URL: "{uri}". Please ensure that '
                "there is an object located at the URL and that the role passed to CreateModel has permissions to "
                "download the object."
            ) from None
        try:
            unpack(archive, folder)
        except DataError as error:
            raise DataError(
                f'Failed to extract model data archive for container "container_1" from URL "{uri}". Please ensure '
                f"that the object located at the URL is a valid tar.gz archive ({error})"
            ) from None
        archive.unlink()
