"""One simulator for all tests here; each has its own store and endpoint there."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from botocore.client import BaseClient

from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.registry.deployments import Action, Desired
from airflow_mlops.core.serving.sagemaker.endpoint import SageMakerEndpoint
from airflow_mlops.core.serving.sagemaker.teardown import Cleaner
from airflow_mlops.core.store.s3 import S3Store
from tests.core.aws.world import World, simulated
from tests.core.serving import fakes
from tests.core.serving.sagemaker import script_mode


@dataclass
class Place:
    """Where a test works: a store and an endpoint of its own.

    :ivar calls: how often each operation was asked for.
    """

    world: World
    prefix: str
    store: S3Store
    settings: SageMaker
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """Of the endpoint."""
        return self.endpoint().name

    def endpoint(self) -> SageMakerEndpoint:
        """As a new process would have it: it remembers nothing."""
        return script_mode.endpoint_of(self.world, self.store, self.settings)

    def decide(
        self, action: Action, champion: int | None, challenger: int | None = None, **how: Any
    ) -> Desired:
        """Write a decision down; nothing follows from it yet."""
        return fakes.deploy(self.store, action, champion, challenger, **how)

    def deploy(
        self, action: Action, champion: int | None, challenger: int | None = None, **how: Any
    ) -> Desired:
        """Write a decision down and bring the endpoint there."""
        desired = self.decide(action, champion, challenger, **how)
        self.endpoint().reconcile(desired, fakes.SOON)
        return desired

    def described(self) -> dict[str, Any]:
        """The endpoint as SageMaker sees it."""
        found: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=self.name)
        return found

    def configurations(self) -> set[str]:
        """The names of all configurations of this endpoint."""
        pages = self.sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=self.prefix)
        return {one["EndpointConfigName"] for page in pages for one in page["EndpointConfigs"]}

    def weights(self) -> dict[str, float]:
        """The weights of the production variants that serve."""
        return {
            one["VariantName"]: round(one["CurrentWeight"], 6)
            for one in self.described()["ProductionVariants"]
        }

    @property
    def sagemaker(self) -> Any:
        """The client."""
        return self.world.aws.client("sagemaker")

    def cleaner(self) -> Cleaner:
        """What removes everything."""
        return Cleaner(self.world.aws, self.settings, fakes.MODEL, now=self.world.sagemaker.now)


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    with simulated() as world:
        yield world


@pytest.fixture
def make_place(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Place]]:
    made: list[Place] = []
    calls: Counter[str] = Counter()
    real: Any = vars(BaseClient)["_make_api_call"]

    def counted(client: BaseClient, name: str, parameters: Any) -> Any:
        calls[name] += 1
        return real(client, name, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)

    def make(**settings: Any) -> Place:
        prefix = f"t{uuid.uuid4().hex[:8]}"
        given = script_mode.settings(prefix=prefix, **settings)
        made.append(Place(world, prefix, script_mode.store_of(world, prefix), given, calls))
        return made[-1]

    yield make
    world.sagemaker.simulator.faults.waiting.clear()
    for place in made:
        place.cleaner().teardown(timedelta(minutes=2))


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    """With version 1 as its champion."""
    place = make_place()
    place.deploy("promote", 1)
    place.calls.clear()
    return place
