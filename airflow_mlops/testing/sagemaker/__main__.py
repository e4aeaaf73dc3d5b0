"""``python -m airflow_mlops.testing.sagemaker``: the simulator as a server of its own."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from airflow_mlops.testing.sagemaker.harness import SageMakerSimulator


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; everything that was started ends with it."""
    given = _parser().parse_args(arguments)
    if not os.environ.get("AWS_ENDPOINT_URL_S3"):
        sys.stderr.write(
            "AWS_ENDPOINT_URL_S3 is not set: name the S3 server that jobs and endpoints shall use\n"
        )
        return 2
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        with SageMakerSimulator(
            home=given.home, host=given.host, port=given.port, region=given.region, account=given.account
        ) as simulator:
            sys.stdout.write(
                f"SageMaker simulator ready at {simulator.url} ({given.region}, {given.account})\n"
            )
            sys.stdout.flush()
            ended.wait()
    except OSError as error:
        sys.stderr.write(f"can't listen on {given.host}:{given.port}: {error.strerror}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_mlops.testing.sagemaker",
        description="A simulator of SageMaker. S3 is the server at AWS_ENDPOINT_URL_S3, with this environment's "
        "credentials, which are those of every execution role.",
    )
    parser.add_argument("--port", type=int, default=5080, help="0 takes a free one (default: 5080)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--home",
        type=Path,
        help="folder of jobs and containers (default: a temporary one, removed at the end)",
    )
    parser.add_argument("--region", default="eu-central-1", help="(default: eu-central-1)")
    parser.add_argument("--account", default="123456789012", help="12 digits (default: 123456789012)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
