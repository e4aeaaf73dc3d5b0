"""Data capture: requests and answers as JSON lines in S3.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.testing.sagemaker.objects import split_uri

if TYPE_CHECKING:
    from airflow_mlops.testing.sagemaker.hosting import Fleet
    from airflow_mlops.testing.sagemaker.simulator import Simulator

#: How long :meth:`Capture.flush` waits for shadows that were asked, in seconds.
_SHADOWS = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exchange:
    """One answered request.

    :param sent: content type and body of the request.
    :param got: of the answer.
    :param at: when it came in.
    """

    endpoint: str
    variant: str
    sent: tuple[str, bytes]
    got: tuple[str, bytes]
    at: datetime
    inference_id: str | None = None
    custom_attributes: str | None = None


@dataclass
class _File:
    """Lines that go into one object."""

    began: datetime
    kms_key: str | None
    lines: list[bytes] = field(default_factory=list)


class Capture:
    """The room: collects lines and writes them in the background."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._changed = threading.Condition()
        self._files: dict[str, _File] = {}
        self._expected = 0
        self._stopped = threading.Event()
        self._writing = threading.Lock()
        self._s3: Any = None
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()
        simulator.clock.after_advance.append(self.flush)

    def samples(self, fleet: Fleet, chance: float) -> bool:
        """Whether a request is captured. :param chance: a random number from 0 to below 1."""
        config = fleet.capture
        if config is None or not config.get("EnableCapture", True):
            return False
        return chance * 100 < int(config["InitialSamplingPercentage"])

    def expect(self) -> None:
        """An exchange is on its way that may be captured."""
        with self._changed:
            self._expected += 1

    def arrived(self, fleet: Fleet, exchange: Exchange | None) -> None:
        """What was expected is there, or is not to be captured."""
        line = _line(fleet.capture, exchange) if fleet.capture is not None and exchange is not None else None
        with self._changed:
            self._expected -= 1
            if line is not None and exchange is not None and fleet.capture is not None:
                folder = (
                    f"{fleet.capture['DestinationS3Uri'].rstrip('/')}/{exchange.endpoint}/{exchange.variant}/"
                    f"{exchange.at:%Y/%m/%d/%H}"
                )
                kms = fleet.capture.get("KmsKeyId")
                self._files.setdefault(folder, _File(exchange.at, kms)).lines.append(line)
            self._changed.notify_all()

    def flush(self) -> None:
        """Write what was captured so far, that of shadows included; return when it is in S3."""
        until = time.monotonic() + _SHADOWS
        with self._changed:
            self._changed.wait_for(lambda: not self._expected, max(0.0, until - time.monotonic()))
        self._write()

    def stop(self) -> None:
        """Write the rest."""
        self._stopped.set()
        self._thread.join(10)
        self._write()

    def _run(self) -> None:
        while not self._stopped.wait(self._simulator.timing.capture.total_seconds()):
            self._write()

    def _write(self) -> None:
        with self._writing:
            with self._changed:
                files, self._files = self._files, {}
            for folder, file in files.items():
                try:
                    self._put(folder, file)
                except Exception as error:
                    _log.warning("%d captured requests could not be written: %s", len(file.lines), error)

    def _put(self, folder: str, file: _File) -> None:
        if self._s3 is None:
            self._s3 = self._simulator.s3()
        milliseconds = file.began.microsecond // 1000
        bucket, prefix = split_uri(folder)
        key = f"{prefix}/{file.began:%M-%S}-{milliseconds:03d}-{uuid.uuid4()}.jsonl"
        secret = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": file.kms_key} if file.kms_key else {}
        self._s3.put_object(Bucket=bucket, Key=key, Body=b"".join(file.lines), **secret)


def _line(config: dict[str, Any], exchange: Exchange) -> bytes:
    modes = {one["CaptureMode"] for one in config["CaptureOptions"]}
    data: dict[str, Any] = {}
    if modes & {"Input", "InputAndOutput"}:
        data["endpointInput"] = _content(config, "INPUT", *exchange.sent)
    if modes & {"Output", "InputAndOutput"}:
        data["endpointOutput"] = _content(config, "OUTPUT", *exchange.got)
    event: dict[str, Any] = {"eventId": str(uuid.uuid4())}
    if exchange.custom_attributes is not None:
        event["customAttributes"] = [exchange.custom_attributes]
    if exchange.inference_id is not None:
        event["inferenceId"] = exchange.inference_id
    event["inferenceTime"] = f"{exchange.at:%Y-%m-%dT%H:%M:%S}Z"
    line = {"captureData": data, "eventMetadata": event, "eventVersion": "0"}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _content(config: dict[str, Any], mode: str, content_type: str, body: bytes) -> dict[str, str]:
    """SageMaker says: "If no headers are specified SageMaker will by default base64 encode"."""
    known = config.get("CaptureContentTypeHeader", {})
    kind = content_type.partition(";")[0].strip().lower()
    encoding = "BASE64"
    for name, types in (("JSON", "JsonContentTypes"), ("CSV", "CsvContentTypes")):
        if kind in [one.lower() for one in known.get(types, ())]:
            encoding = name
    text = base64.b64encode(body).decode() if encoding == "BASE64" else body.decode("utf-8", "replace")
    return {"observedContentType": content_type, "mode": mode, "data": text, "encoding": encoding}
