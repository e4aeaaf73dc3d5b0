"""The inside of a serving container: a user's script behind ``GET /ping`` and ``POST /invocations``.

It does what SageMaker's XGBoost container does in script mode, whose server is ``sagemaker-containers`` 2.8.6 on Flask
(https://github.com/aws/sagemaker-xgboost-container/blob/master/src/sagemaker_xgboost_container/serving.py and
https://github.com/aws/sagemaker-containers/blob/master/src/sagemaker_containers/_transformer.py). It runs as a program
of its own and imports nothing of this package: the script finds what its archive brings, as it does on SageMaker.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.machinery
import inspect
import json
import os
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any
from wsgiref.util import setup_testing_defaults

JSON, CSV = "application/json", "text/csv"
_TEXT = (JSON, CSV)
#: What is installed here, but not in SageMaker's container.
_NOT_THERE = ("airflow_mlops", "airflow")
#: Flask's answer to an exception that nobody has caught.
_ERROR_PAGE = (
    b"<!doctype html>\n<html lang=en>\n<title>500 Internal Server Error</title>\n<h1>Internal Server Error</h1>\n"
    b"<p>The server encountered an internal error and was unable to complete your request. Either the server is "
    b"overloaded or there is an error in the application.</p>\n"
)
#: Status, content type and body.
Answer = tuple[int, str, bytes]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class UnsupportedFormatError(Exception):
    """A content type that the container's own functions do not know."""

    def __init__(self, content_type: str) -> None:
        super().__init__(
            f"Content type {content_type} is not supported by this framework.\n\n"
            "Please implement input_fn to to deserialize the request data or an output_fn to\n"
            "serialize the response. For more information, see the SageMaker Python SDK README."
        )


class OnlyFromArchive:
    """Finds the packages that SageMaker's container does not have only where the model's archive has them."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> Any:
        """See ``importlib.abc.MetaPathFinder``."""
        if name not in _NOT_THERE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, [self._folder])
        if spec is None:
            raise ModuleNotFoundError(
                f"No module named {name!r} (SageMaker's container does not have it)", name=name
            )
        return spec


class Transformer:
    """The functions of the user's script, and the container's own for those that it does not have.

    :raises ValueError: if there is ``transform_fn`` beside others.
    """

    def __init__(self, module: ModuleType, model_dir: str) -> None:
        own = {name: getattr(module, name, None) for name in ("input_fn", "predict_fn", "output_fn")}
        self._transform_fn = getattr(module, "transform_fn", None)
        if self._transform_fn is not None and any(own.values()):
            raise ValueError(
                "Cannot use transform_fn implementation with input_fn, predict_fn, and/or output_fn"
            )
        self._input_fn = own["input_fn"] or default_input_fn
        self._predict_fn = own["predict_fn"] or default_predict_fn
        self._output_fn = own["output_fn"] or default_output_fn
        model_fn = getattr(module, "model_fn", None)
        if model_fn is None:
            raise NotImplementedError(
                "Please provide a model_fn implementation.\n"
                "See documentation for model_fn at https://github.com/aws/sagemaker-python-sdk"
            )
        self._model = model_fn(model_dir)

    def answer(self, body: bytes, content_type: str, accept: str) -> Answer:
        """The answer to one request."""
        content = body.decode() if content_type in _TEXT else body
        try:
            if self._transform_fn is not None:
                return as_answer(self._transform_fn(self._model, content, content_type, accept))
            try:
                data = self._input_fn(content, content_type)
            except UnsupportedFormatError as error:
                return _format_error(error, 415)
            prediction = self._predict_fn(data, self._model)
            try:
                return as_answer(self._output_fn(prediction, accept))
            except UnsupportedFormatError as error:
                return _format_error(error, 406)
        except Exception:
            traceback.print_exc()
            return 500, "text/html; charset=utf-8", _ERROR_PAGE


def as_answer(result: Any) -> Answer:
    """What Flask makes of what a script returns: text, a pair of body and content type, or a WSGI application.

    Flask's own responses are such applications. :raises TypeError: for anything else.
    """
    if isinstance(result, tuple) and len(result) == 2:
        return 200, str(result[1]), _bytes(result[0])
    if isinstance(result, (str, bytes)):
        return 200, "text/html; charset=utf-8", _bytes(result)
    if callable(result):
        return _run(result)
    raise TypeError(f"The view function did not return a valid response, but a {type(result).__name__}")


def _run(application: Callable[..., Any]) -> Answer:
    """The answer of a WSGI application, see PEP 3333."""
    started: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], error: Any = None) -> None:
        started.update(status=int(status.split(maxsplit=1)[0]), headers={k.lower(): v for k, v in headers})

    environ: dict[str, Any] = {"REQUEST_METHOD": "POST", "PATH_INFO": "/invocations"}
    setup_testing_defaults(environ)
    body = b"".join(application(environ, start_response))
    return started["status"], started["headers"].get("content-type", "application/octet-stream"), body


def default_input_fn(content: Any, content_type: str) -> Any:
    """CSV as XGBoost's matrix. :raises UnsupportedFormatError: for anything else."""
    if content_type.partition(";")[0].strip() != CSV:
        raise UnsupportedFormatError(content_type)
    import numpy as np
    import xgboost as xgb

    text = content.decode() if isinstance(content, bytes) else content
    rows = [[float(cell) if cell else np.nan for cell in line.split(",")] for line in text.split("\n")]
    return xgb.DMatrix(np.array(rows))


def default_predict_fn(data: Any, model: Any) -> Any:
    """The model's own ``predict``."""
    return model.predict(data, validate_features=False)


def default_output_fn(prediction: Any, accept: str) -> tuple[str, str]:
    """An array as JSON or CSV. :raises UnsupportedFormatError: for anything else."""
    values = prediction.tolist() if hasattr(prediction, "tolist") else prediction
    if accept == JSON:
        return json.dumps(values), accept
    if accept == CSV:
        rows = [row if isinstance(row, (list, tuple)) else [row] for row in values]
        return "".join(",".join(str(cell) for cell in row) + "\n" for row in rows), accept
    raise UnsupportedFormatError(accept)


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _format_error(error: Exception, status: int) -> Answer:
    body = {
        "error": type(error).__name__,
        "error-message": str(error),
        "stack-trace": traceback.format_exc(),
    }
    return status, JSON, json.dumps(body).encode()


class App:
    """The ASGI application. :param workers: threads that answer."""

    def __init__(self, transformer: Transformer, accept: str, workers: int) -> None:
        self._transformer, self._accept = transformer, accept
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="worker")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        status, kind, content = await self._answer(scope, body)
        headers = [(b"content-type", kind.encode("latin-1")), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Scope, body: bytes) -> Answer:
        if scope["path"] == "/ping":
            return 200, JSON, b""
        if scope["path"] != "/invocations" or scope["method"] != "POST":
            return 404, "text/html; charset=utf-8", b"Not Found"
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        accept = headers.get(b"accept", "")
        return await asyncio.get_running_loop().run_in_executor(
            self._threads,
            self._transformer.answer,
            body,
            headers.get(b"content-type") or JSON,
            accept if accept not in ("", "*/*") else self._accept,
        )


def _code_folder(model_dir: Path) -> Path:
    """The script's folder: ``SAGEMAKER_SUBMIT_DIRECTORY``, where the container has put it."""
    given = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    return Path(given) if given else model_dir / "code"


def _load(model_dir: Path) -> Transformer:
    program = os.environ.get("SAGEMAKER_PROGRAM")
    if not program:
        raise RuntimeError(
            "SAGEMAKER_PROGRAM is not set: the simulator runs the container in script mode only, not its algorithm"
        )
    code = str(_code_folder(model_dir).resolve())
    sys.path.insert(0, code)
    sys.meta_path.insert(0, OnlyFromArchive(code))
    name = program.removesuffix(".py").replace("/", ".")
    module = importlib.import_module(name)
    if not inspect.ismodule(module):
        raise ImportError(f"{program} is no module")
    return Transformer(module, str(model_dir))


def main(model_dir: Path, port_file: Path) -> None:
    """Load the model, listen on a port of loopback, and write which one it is."""
    import uvicorn

    transformer = _load(model_dir)
    accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", JSON)
    workers = int(os.environ.get("SAGEMAKER_MODEL_SERVER_WORKERS") or max(2, os.cpu_count() or 1))
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    scratch = port_file.with_suffix(".new")
    scratch.write_text(str(listening.getsockname()[1]))
    scratch.rename(port_file)
    config = uvicorn.Config(
        App(transformer, accept, workers),
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        # who closes an idle connection is the router: a request must never meet a connection that is just closed
        timeout_keep_alive=24 * 3600,
    )
    uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
