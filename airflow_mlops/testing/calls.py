"""Every call to AWS that a process makes, as lines in a file: service, operation, and on what.

.. code-block:: python

    with recorded(tmp_path / "calls.jsonl") as calls:
        release()
    assert "CreateEndpoint" in {call["operation"] for call in calls()}

What jobs and containers do is recorded too, when their programs start with the environment that :func:`environment`
gives. Bodies and values other than names are not recorded. This module needs no other one of the package: it is loaded
by its path into programs that have a package of that name of their own.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: Names the file to append to.
VARIABLE = "AIRFLOW_MLOPS_CALLS"
#: Parameters that say on what a call is made.
_NAMES = (
    "Bucket",
    "Key",
    "Prefix",
    "RoleArn",
    "ExecutionRoleArn",
    "ResourceId",
    "logGroupName",
    "AlarmName",
)
_SITE = """import importlib.util
_spec = importlib.util.spec_from_file_location("_calls_of_aws", {path!r})
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
_module.install_from_env()
"""


@contextlib.contextmanager
def recorded(path: Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Record the calls of this process while the block runs; gives a function that reads what the file holds."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(path)
    remove = _install(path)
    try:
        yield lambda: read_calls(path)
    finally:
        remove()
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def environment(path: Path, folder: Path) -> dict[str, str]:
    """Variables with which a Python program records its calls from its start.

    :param path: the file to append to; several programs may.
    :param folder: an empty one; Python looks there for what to do at its start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SITE.format(path=str(Path(__file__).resolve())))
    return {VARIABLE: str(path), "PYTHONPATH": str(folder)}


def install_from_env() -> None:
    """Record from now on, if :data:`VARIABLE` names a file."""
    if path := os.environ.get(VARIABLE):
        _install(Path(path))


def read_calls(path: Path) -> list[dict[str, Any]]:
    """The calls in a file: ``{"service", "operation", "given", "names", "key_id"}``.

    ``given`` are the names of all parameters, ``key_id`` is the access key that signed.
    """
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def _install(path: Path) -> Callable[[], None]:
    """Wrap the one method that all clients of botocore call; what botocore itself adds to requests does not matter."""
    from botocore.client import BaseClient

    wrapped = [_wrap(BaseClient, path)]
    with contextlib.suppress(ImportError):
        from aiobotocore.client import AioBaseClient

        wrapped.append(_wrap(AioBaseClient, path))

    def remove() -> None:
        for kind, method in wrapped:
            kind._make_api_call = method

    return remove


def _wrap(kind: Any, path: Path) -> tuple[Any, Any]:
    method = kind._make_api_call

    @functools.wraps(method)
    def recording(self: Any, operation_name: str, api_params: dict[str, Any]) -> Any:
        _write(path, self, operation_name, api_params)
        return method(self, operation_name, api_params)

    kind._make_api_call = recording
    return kind, method


def _write(path: Path, client: Any, operation: str, params: dict[str, Any]) -> None:
    credentials = getattr(client._request_signer, "_credentials", None)
    line = {
        "service": client.meta.service_model.service_name,
        "operation": operation,
        "given": sorted(params),
        "names": {
            key: value
            for key, value in params.items()
            if isinstance(value, str) and (key in _NAMES or key.endswith(("Name", "Arn")))
        },
        "key_id": getattr(credentials, "access_key", None),
    }
    # One write of a short line to a file opened for appending is whole, whoever else writes.
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
