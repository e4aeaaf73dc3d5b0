"""One S3 server for all tests of the simulator; a simulator of its own for each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import pytest

from airflow_mlops.testing.sagemaker import Timing
from tests.core.aws.world import World, simulated
from tests.servers import S3Server, ministack

#: Short steps, since nobody waits for them.
QUICK = Timing(step=timedelta(milliseconds=20))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    with ministack() as server:
        yield server


@pytest.fixture
def world(s3_server: S3Server) -> Iterator[World]:
    """A simulator with a bucket of its own."""
    with simulated(contextlib.nullcontext(s3_server), timing=QUICK) as world:
        yield world
