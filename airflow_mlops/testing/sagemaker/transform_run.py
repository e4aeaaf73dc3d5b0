"""A batch transform job: one container, every object of the input, one ``.out`` for each."""

from __future__ import annotations

import http.client
import shutil
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from airflow_mlops.testing.sagemaker import objects
from airflow_mlops.testing.sagemaker.containers import Container, ContainerError, Image
from airflow_mlops.testing.sagemaker.job import Job
from airflow_mlops.testing.sagemaker.logs import TRANSFORM_JOBS, Logs
from airflow_mlops.testing.sagemaker.objects import DataError
from airflow_mlops.testing.sagemaker.records import Record, Records
from airflow_mlops.testing.sagemaker.simulator import Simulator
from airflow_mlops.testing.sagemaker.training_run import CAPACITY
from airflow_mlops.testing.sagemaker.transform_records import assembled, requests_of

_STARTUP = timedelta(minutes=10)
_TIMEOUT, _RETRIES = 600, 3
#: What FailureReason says when the model refuses (4xx) or fails (5xx); the rest is in the log.
_REFUSED = "ClientError: See job logs for more information"
_FAILED = "AlgorithmError: See job logs for more information"


class _Refused(Exception):
    """The container did not answer with 200. :param reason: of the job's failure."""

    def __init__(self, status: int, body: bytes) -> None:
        self.reason = _REFUSED if 400 <= status < 500 else _FAILED
        word = self.reason.partition(":")[0]
        super().__init__(f"{word}: {status}\nMessage:\n{body.decode(errors='replace')[:1000]}")


class TransformRun(Job):
    """One job. Its methods are called with the simulator's lock held.

    :param record: what Describe shows; kept up to date in ``records``.
    :param request: of CreateTransformJob.
    :param definition: the container of the model.
    """

    def __init__(
        self,
        simulator: Simulator,
        records: Records,
        record: Record,
        request: dict[str, Any],
        definition: dict[str, Any],
    ) -> None:
        super().__init__(simulator, record["TransformJobName"])
        self._records, self._record, self._request = records, record, request
        self._ending = threading.Event()
        self._reason: str | None = None
        self._instance = f"i-{uuid.uuid4().hex[:17]}"
        self._folder = simulator.home / "transform" / self._name
        self._container = self._make_container(definition)

    def start(self) -> None:
        """The job was created."""
        self._later(self._simulator.timing.step, self._launch)

    def stop(self) -> None:
        """StopTransformJob: requests on their way are given up."""
        self._record["TransformJobStatus"] = "Stopping"
        self._records.put(self._name, self._record)
        self._ending.set()
        if self._busy:
            threading.Thread(target=self._container.stop, name=f"stop {self._name}", daemon=True).start()
        else:
            self._turn += 1
            self._later(self._simulator.timing.step, lambda: self._end("Stopped"))

    def close(self) -> None:
        """The simulator ends. Called without the lock."""
        self._closed = True
        self._ending.set()
        self._container.stop()

    def _launch(self) -> None:
        faults = self._simulator.faults
        if faults.take("capacity", "CreateTransformJob"):
            self._reason = CAPACITY
            return self._end("Failed")
        if faults.take("internal", "CreateTransformJob"):
            self._reason = "InternalServerError: We encountered an internal error. Please try again."
            return self._end("Failed")
        self._record["TransformStartTime"] = self._simulator.clock.now()
        self._records.put(self._name, self._record)
        self._work(self._transform, self._transformed)
        if faults.take("stopped", "CreateTransformJob"):
            self.stop()
        return None

    def _transformed(self, error: str | None) -> None:
        self._reason = error or self._reason
        if self._ending.is_set():
            return self._end("Stopped")
        return self._end("Failed" if self._reason else "Completed")

    def _end(self, status: str) -> None:
        self._record |= {"TransformJobStatus": status, "TransformEndTime": self._simulator.clock.now()}
        if status == "Failed":
            self._record["FailureReason"] = self._reason
        self._records.put(self._name, self._record)

    def _transform(self) -> None:
        try:
            if self._up():
                self._log(self._settings)
                s3 = self._simulator.s3()
                with ThreadPoolExecutor(self._at_once) as threads:
                    for key in objects.keys_below(s3, self._source):
                        if not self._ending.is_set() and not key.endswith("/"):
                            self._object(s3, key, threads)
        finally:
            self._container.stop()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _up(self) -> bool:
        """Whether the container answers. :raises DataError: if its model can't be had."""
        try:
            self._container.prepare()
        except ContainerError as error:
            raise DataError(str(error)) from None
        try:
            self._container.start()
            self._container.wait()
        except ContainerError as error:
            self._log(str(error))
            self._reason = _FAILED
            return False
        return True

    @property
    def _settings(self) -> str:
        strategy = "SINGLE_RECORD" if self._request.get("BatchStrategy") == "SingleRecord" else "MULTI_RECORD"
        payload = self._request.get("MaxPayloadInMB", 6)
        return f"MaxConcurrentTransforms={self._at_once}, MaxPayloadInMB={payload}, BatchStrategy={strategy}"

    def _object(self, s3: Any, key: str, threads: ThreadPoolExecutor) -> None:
        """One object; one that fails has no output, and the others go on."""
        bucket = objects.split_uri(self._source)[0]
        try:
            bodies = requests_of(s3.get_object(Bucket=bucket, Key=key)["Body"].read(), self._request)
            content = assembled(bodies, list(threads.map(self._ask, bodies)), self._request)
        except (_Refused, DataError, OSError) as error:
            if not self._ending.is_set():
                self._reason = getattr(error, "reason", _REFUSED)
                for line in str(error).split("\n"):
                    self._log(f"{bucket}/{key}: {line}")
            return
        target = f"{self._request['TransformOutput']['S3OutputPath'].rstrip('/')}/"
        target_bucket, prefix = objects.split_uri(target)
        s3.put_object(
            Bucket=target_bucket, Key=f"{prefix}{objects.name_below(self._source, key)}.out", Body=content
        )

    def _ask(self, body: bytes) -> bytes:
        """:raises _Refused: if the model does not answer with 200, after as many tries as the job grants."""
        given = self._request.get("ModelClientConfig", {})
        tries = given.get("InvocationsMaxRetries", _RETRIES) + 1
        status, answer = 0, b""
        for _ in range(tries):
            status, answer = self._post(body, given.get("InvocationsTimeoutInSeconds", _TIMEOUT))
            if status == 200:
                return answer
            if status < 500 or self._ending.is_set():
                break
        raise _Refused(status, answer)

    def _post(self, body: bytes, timeout: int) -> tuple[int, bytes]:
        headers = {
            name: value
            for name, value in (
                ("Content-Type", self._request["TransformInput"].get("ContentType")),
                ("Accept", self._request["TransformOutput"].get("Accept")),
            )
            if value
        }
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self._container.port or 0, timeout=timeout)
            connection.request("POST", "/invocations", body, headers)
            answer = connection.getresponse()
            found = answer.status, answer.read()
            connection.close()
        except (OSError, http.client.HTTPException) as error:
            return 500, f"Unable to get response from algorithm: {error}".encode()
        return found

    def _make_container(self, definition: dict[str, Any]) -> Container:
        environment = {
            **definition.get("Environment", {}),
            **self._request.get("Environment", {}),
            "SAGEMAKER_BATCH": "true",
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(self._at_once),
        }
        image = Image(
            self._name,
            {**definition, "Environment": environment},
            self._simulator.role_environment(),
            self._simulator.timing.startup or _STARTUP,
        )
        logs, stream = self._simulator.room(Logs), f"{self._name}/{self._instance}"
        return Container(
            image,
            self._folder,
            self._simulator.s3(),
            lambda line: logs.write(TRANSFORM_JOBS, stream, line),
        )

    def _log(self, line: str) -> None:
        now = self._simulator.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        stream = f"{self._name}/{self._instance}/data-log"
        self._simulator.room(Logs).write(TRANSFORM_JOBS, stream, f"{now}:[sagemaker logs]: {line}")

    @property
    def _at_once(self) -> int:
        return int(self._request.get("MaxConcurrentTransforms") or 1)

    @property
    def _source(self) -> str:
        return str(self._request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
