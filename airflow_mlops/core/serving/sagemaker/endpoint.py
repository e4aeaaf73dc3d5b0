"""An endpoint on SageMaker, seen by the lifecycle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from airflow_mlops.core.aws import names
from airflow_mlops.core.aws.session import Aws
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import EndpointError, PlatformError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import NOTHING, Desired
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.serving.base import Prediction, Resources
from airflow_mlops.core.serving.capture import CaptureRecord, GroundTruth
from airflow_mlops.core.serving.ground_truth import append_ground_truth
from airflow_mlops.core.serving.hours import Cursor
from airflow_mlops.core.serving.loading import Contract
from airflow_mlops.core.serving.sagemaker.calls import Calls
from airflow_mlops.core.serving.sagemaker.captures import CaptureReader
from airflow_mlops.core.serving.sagemaker.contracts import RegistryContracts
from airflow_mlops.core.serving.sagemaker.history import History
from airflow_mlops.core.serving.sagemaker.layout import LIVE, serves, variant_of
from airflow_mlops.core.serving.sagemaker.live import Describer, Live
from airflow_mlops.core.serving.sagemaker.metrics import MINUTE, VariantMetrics, minute_of
from airflow_mlops.core.serving.sagemaker.reconciling import Reconciliation
from airflow_mlops.core.serving.sagemaker.resources import Archive, Image
from airflow_mlops.core.serving.sagemaker.resources import Resources as Made
from airflow_mlops.core.serving.sagemaker.runtime import Caller
from airflow_mlops.core.store import Store


class SageMakerEndpoint:
    """One model's endpoint on SageMaker. Implements the protocols ``Endpoint`` and ``Instruments``.

    :param settings: of this model (:meth:`~airflow_mlops.core.aws.settings.SageMaker.of_model`).
    :param store: on S3; SageMaker reads models from it and writes captures to it.
    :param contract: of a version (None: of the newest); without one, from the registry in the store.
    :param archive: see :class:`~airflow_mlops.core.serving.sagemaker.resources.Resources`, as ``image``.
    :param now: the time, for what is written down.
    """

    def __init__(
        self,
        aws: Aws,
        settings: SageMaker,
        model: str,
        store: Store,
        *,
        contract: Callable[[int | None], Contract] | None = None,
        archive: Archive | None = None,
        image: Image | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.name = names.endpoint_name(settings.prefix, model)
        self._aws = aws
        self._settings = settings
        self._model = model
        self._store = store
        self._now = now
        made = Made(aws, settings, model, store, archive, image)
        self._calls = Calls(aws, settings, self.name, made)
        self._describer = Describer(aws, self.name)
        self._history = History(store, model)
        self._caller = Caller(aws, self.name)
        contract = contract or RegistryContracts(Registry(store, model))
        self._captures = CaptureReader(
            store,
            model,
            self.name,
            self._history,
            contract,
            self.metrics(),
            self._guardrail,
            settings.hosting.failures_known_after,
            settings.hosting.capture_percent / 100,
        )

    @property
    def url(self) -> str:
        """Where requests go; they are signed, so a browser is refused."""
        base = self._aws.endpoint_url("sagemaker-runtime")
        base = base or f"https://runtime.sagemaker.{self._aws.region}.amazonaws.com"
        return f"{base.rstrip('/')}/endpoints/{self.name}/invocations"

    @property
    def page(self) -> str:
        """The endpoint in the console of AWS."""
        region = self._aws.region
        return (
            f"https://{region}.console.aws.amazon.com/sagemaker/home?region={region}#/endpoints/{self.name}"
        )

    @property
    def slowest(self) -> timedelta:
        """See :attr:`Endpoint.slowest`."""
        return self._settings.hosting.slowest_change

    def certain_until(self, now: datetime) -> datetime:
        """See :meth:`Endpoint.certain_until`: CloudWatch counts failures by the minute, some minutes later."""
        return now if self._guardrail else minute_of(now - self._settings.hosting.failures_known_after)

    def reconcile(self, desired: Desired, timeout: timedelta) -> None:
        """See :meth:`Endpoint.reconcile`.

        A change takes minutes, and goes on when this gives up waiting; whoever calls next waits for the same one.

        :raises PlatformError: if a judged canary is asked of the strategy ``guardrail``, or a setting is missing.
        :raises EndpointError: if SageMaker can't be asked.
        """
        if desired == NOTHING:
            return
        self._require_a_way(desired)
        Reconciliation(
            name=self.name,
            desired=desired,
            timeout=timeout,
            slowest=self.slowest,
            guardrail=self._guardrail,
            keep_previous=self._settings.hosting.keep_previous,
            describer=self._describer,
            history=self._history,
            calls=self._calls,
            now=self._now,
        ).run()

    def describe(self) -> Desired:
        """See :meth:`Endpoint.describe`. What is live, whatever was asked for; ``NOTHING`` without an endpoint.

        Its number is that of the deployment that was proved last.
        """
        live = self._describer.read()
        newest = self._history.newest()[1]
        if live is None:
            return NOTHING
        return serves(live.slots, newest.number if newest is not None else 0, newest)

    def invoke(
        self, rows: list[dict[str, Any]], *, inference_id: str | None = None, variant: str | None = None
    ) -> Prediction:
        """See :meth:`Endpoint.invoke`."""
        if variant is not None and self._guardrail:
            variant = self._behind(variant)
        return self._caller.invoke(rows, inference_id, variant)

    def captures(self, since: datetime, cursor: Cursor | None = None) -> Iterator[CaptureRecord]:
        """See :meth:`Endpoint.captures`. Answers come to the store minutes after they were given.

        In a canary, requests that failed are among them, without rows: SageMaker captures none, but counts them.

        :raises EndpointError: if CloudWatch can't be asked for that number.
        """
        return self._captures.read(since, self._now(), cursor)

    def resources(self, since: datetime, until: datetime) -> Resources:
        """See :meth:`Instruments.resources`."""
        live = self._describer.read()
        variants = [slot.name for slot in live.slots] if live is not None else []
        found = self.metrics(live).several(("memory", "cpu"), variants, since, until)
        if not self._guardrail or live is None:
            return found
        versions = {slot.name: variant_of(slot.version) for slot in live.slots}
        return {
            metric: {versions[name]: series for name, series in by_variant.items()}
            for metric, by_variant in found.items()
        }

    def counts(self, version: int, since: datetime, until: datetime) -> tuple[int, int]:
        """See :meth:`Counts.counts`: in the whole minutes between, as far as CloudWatch has counted them.

        A change takes minutes; what came before ``version`` was proved to answer counts for none.
        """
        name = LIVE if self._guardrail else variant_of(version)
        proved = self._history.champion_since(version)
        first = minute_of(max(since, proved or since) + MINUTE - timedelta(microseconds=1))
        found = self.metrics().several(("invocations", "errors"), [name], first, until)
        requests, errors = (
            round(sum(value for _, value in found[metric].get(name, ())))
            for metric in ("invocations", "errors")
        )
        return max(requests, errors), errors

    def metrics(self, live: Live | None = None) -> VariantMetrics:
        """What CloudWatch counts of the variants.

        :param live: tells the machines of the variants; without it they are those of the settings.
        """
        machines = {slot.name: slot.machine for slot in live.slots} if live is not None else {}
        usual = self._settings.hosting.instance_type
        return VariantMetrics(self._aws, self.name, lambda variant: machines.get(variant) or usual)

    def send_ground_truth(self, labels: list[GroundTruth]) -> None:
        """Keep labels in the store. :raises RequestError: if one is no label; nothing is kept then."""
        append_ground_truth(self._store, self._model, labels)

    @property
    def _guardrail(self) -> bool:
        return self._settings.hosting.strategy == "guardrail"

    def _behind(self, variant: str) -> str:
        """The variant at SageMaker behind which a version answers."""
        newest = self._history.newest()[1]
        champion = newest.champion if newest is not None else None
        if variant == variant_of(champion):
            return LIVE
        raise EndpointError(
            f"no such variant serves at endpoint {self.name}", given=variant, expected=variant_of(champion)
        )

    def _require_a_way(self, desired: Desired) -> None:
        if self._guardrail and desired.mode == "canary":
            raise PlatformError(
                "a canary is judged by request, or by SageMaker's alarms, not by both",
                given="rollout.canary in the spec and sagemaker.hosting.strategy: guardrail in the connection",
                remedy="take rollout.canary out of the spec, or set sagemaker.hosting.strategy to weights",
            )
