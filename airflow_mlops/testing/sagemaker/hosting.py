"""The room of endpoints: which there are, what serves for each, and how requests are shared out."""

from __future__ import annotations

import contextlib
import copy
import random
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.testing.sagemaker.containers import Container, ContainerError, Image
from airflow_mlops.testing.sagemaker.logs import ENDPOINTS, Logs
from airflow_mlops.testing.sagemaker.records import Records

if TYPE_CHECKING:
    from airflow_mlops.testing.sagemaker.hosting_deployment import Deployment
    from airflow_mlops.testing.sagemaker.metrics import Key
    from airflow_mlops.testing.sagemaker.simulator import Simulator

#: ``ContainerStartupHealthCheckTimeoutInSeconds`` when a variant does not say.
_PATIENCE = 600
#: How long requests on their way may keep a fleet that serves no more, in seconds: InvokeEndpoint's own limit.
_DRAIN = 60.0


@dataclass
class Variant:
    """One variant of a fleet: the same model on one or more instances, which are one process here.

    :param settings: the ProductionVariant of the endpoint configuration.
    """

    settings: dict[str, Any]
    shadow: bool
    container: Container
    weight: float
    instances: int
    desired_weight: float = field(init=False)
    desired_instances: int = field(init=False)
    status: str | None = None
    since: datetime | None = None
    #: Keys of its metrics by their names, made by the router.
    metrics: dict[str, list[Key]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.desired_weight, self.desired_instances = self.weight, self.instances

    @property
    def name(self) -> str:
        """Of the variant."""
        return str(self.settings["VariantName"])


@dataclass
class Fleet:
    """The machines of one endpoint configuration. :param config: as it was when they were asked for."""

    config: dict[str, Any]
    variants: list[Variant]
    capture: dict[str, Any] | None = None

    @property
    def config_name(self) -> str:
        """Of its endpoint configuration."""
        return str(self.config["EndpointConfigName"])

    def variant(self, name: str, *, shadow: bool = False) -> Variant | None:
        """The variant of this name."""
        return next((one for one in self.variants if one.name == name and one.shadow is shadow), None)

    def mark(self, status: str | None, now: datetime) -> None:
        """Say what its variants are at."""
        for one in self.variants:
            one.status, one.since = status, now


@dataclass
class Endpoint:
    """One endpoint.

    :param fleet: what it is InService with.
    :param leftover: what a rollback that failed has left beside it.
    :param routes: fleets that get requests, with their shares; read and changed under ``gate``.
    """

    name: str
    arn: str
    created: datetime
    status: str = "Creating"
    reason: str | None = None
    config_name: str = ""
    modified: datetime = field(init=False)
    fleet: Fleet | None = None
    deployment: Deployment | None = None
    last_policy: dict[str, Any] | None = None
    leftover: Fleet | None = None
    routes: tuple[tuple[float, Fleet], ...] = ()
    gate: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.modified = self.created

    def route(self, *routes: tuple[float, Fleet]) -> None:
        """Share requests out like this from now on."""
        with self.gate:
            self.routes = tuple(one for one in routes if one[0] > 0)


class Hosting:
    """The room: models, endpoint configurations, endpoints."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.models = Records(simulator)
        self.configs = Records(simulator)
        #: How endpoints look from outside, see ``hosting_endpoints``.
        self.shown = Records(simulator)
        self.endpoints: dict[str, Endpoint] = {}
        #: Chooses variants and samples captures.
        self.random = random.Random(simulator.seed)  # noqa: S311 - no secret
        self._containers: set[Container] = set()
        self._stopping = threading.Event()

    def make_fleet(self, endpoint: Endpoint, config: dict[str, Any]) -> Fleet:
        """The machines of a configuration, not started yet."""
        variants = [self._variant(endpoint, one, shadow=False) for one in config["ProductionVariants"]]
        variants += [
            self._variant(endpoint, one, shadow=True) for one in config.get("ShadowProductionVariants", ())
        ]
        return Fleet(copy.deepcopy(config), variants, copy.deepcopy(config.get("DataCaptureConfig")))

    def launch(self, fleet: Fleet, done: Callable[[str | None], None]) -> None:
        """Start a fleet in the background. :param done: takes None or what failed; called with the lock held."""
        threading.Thread(target=self._launch, args=(fleet, done), name="launch", daemon=True).start()

    def retire(self, endpoint: Endpoint, fleet: Fleet) -> None:
        """End a fleet that gets no more requests, once it has answered those on their way."""
        threading.Thread(target=self._retire, args=(endpoint, fleet), name="retire", daemon=True).start()

    def stop(self) -> None:
        """End every container."""
        self._stopping.set()
        with self._simulator.lock:
            running = list(self._containers)
        threads = [threading.Thread(target=one.stop) for one in running]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _variant(self, endpoint: Endpoint, settings: dict[str, Any], *, shadow: bool) -> Variant:
        model = self.models.get(settings["ModelName"]) or {}
        definition = model.get("PrimaryContainer") or (model.get("Containers") or [{}])[0]
        asked = timedelta(seconds=settings.get("ContainerStartupHealthCheckTimeoutInSeconds", _PATIENCE))
        limit = self._simulator.timing.startup
        name, instance = settings["VariantName"], f"i-{uuid.uuid4().hex[:17]}"
        image = Image(
            name, definition, self._simulator.role_environment(), min(asked, limit) if limit else asked
        )
        logs, group = self._simulator.room(Logs), f"{ENDPOINTS}/{endpoint.name}"
        container = Container(
            image,
            self._simulator.home / "endpoints" / endpoint.name / f"{name}-{instance}",
            self._simulator.s3(),
            lambda line: logs.write(group, f"{name}/{instance}", line),
        )
        weight = float(settings.get("InitialVariantWeight", 1.0))
        return Variant(settings, shadow, container, weight, int(settings.get("InitialInstanceCount", 1)))

    def _launch(self, fleet: Fleet, done: Callable[[str | None], None]) -> None:
        failed: str | None = None
        with self._simulator.lock:
            self._containers.update(one.container for one in fleet.variants)
        try:
            for one in fleet.variants:
                one.container.prepare()
                if self._stopping.is_set():
                    return
                one.container.start()
            for one in fleet.variants:
                one.container.wait()
        except ContainerError as error:
            failed = str(error)
        if not self._stopping.is_set():
            with self._simulator.lock:
                done(failed)

    def _retire(self, endpoint: Endpoint, fleet: Fleet) -> None:
        containers = [one.container for one in fleet.variants]
        until = time.monotonic() + _DRAIN
        while time.monotonic() < until and not self._stopping.wait(0.02):
            with endpoint.gate:
                if not any(one.in_flight for one in containers):
                    break
        for one in containers:
            one.stop()
            with contextlib.suppress(OSError):
                shutil.rmtree(one.folder)
        with self._simulator.lock:
            self._containers.difference_update(containers)
