"""The model versions in SageMaker's own model registry. Ours is the truth: this one follows it.

What has been mirrored stands in the log ``models/<model>/mirror``, so nothing is looked for there by listing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_mlops.core.aws.call import call
from airflow_mlops.core.aws.errors import exists_already, is_missing, message
from airflow_mlops.core.aws.session import Aws
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import Record, utc_now
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.model_card import card_content
from airflow_mlops.core.registry.sagemaker_card import put_card
from airflow_mlops.core.registry.sagemaker_package import (
    Container,
    group_request,
    package_request,
    put_metrics,
)
from airflow_mlops.core.registry.standing import PENDING, Approval, Standing, refusal_of, standing
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Log, Store

#: Makes what serves a version, e.g. packs and uploads its ``model.tar.gz``; called for versions not mirrored yet.
Containers = Callable[[int, ModelVersion], Container]
_REASON = 1024


class Mirrored(Record):
    """One step of the mirror: from ``at`` on SageMaker knew ``version`` as ``arn`` with this approval.

    :param attempt: how many packages of this version had been deleted there before.
    :param image, data_url: what the package names, for the model card.
    """

    version: int
    arn: str
    approval: Approval
    reason: str
    attempt: int = 0
    image: str
    data_url: str
    at: datetime


def mirror_log(store: Store, model: str) -> Log[Mirrored]:
    """What has been mirrored of a model."""
    return Log(store, f"models/{model}/mirror", Mirrored)


@dataclass(frozen=True)
class Mirror:
    """Brings one model's versions to SageMaker's registry. Every step may be done again.

    :param containers: makes what serves a version.
    """

    aws: Aws
    settings: SageMaker
    store: Store
    model: str
    containers: Containers
    progress: Progress = ignore

    def follow(self, version: int) -> str:
        """Mirror ``version``, and whatever an earlier failure has left behind; return the ARN of its package.

        :raises RegistryError: if SageMaker refuses, or there is no such version; what is mirrored by then stays, and
            the next call goes on from there.
        """
        Registry(self.store, self.model).cite(version)
        known = {entry.version: entry for _, entry in mirror_log(self.store, self.model).entries()}
        decisions = [entry for _, entry in DeploymentLog(self.store, self.model).log.entries()]
        champion = decisions[-1].champion if decisions else None
        for number in self._due(version, champion, known):
            known[number] = self._bring(number, self._standing(decisions, number), known.get(number))
        self._card(known[champion or max(known)])
        return known[version].arn

    def _due(self, version: int, champion: int | None, known: dict[int, Mirrored]) -> list[int]:
        """What is there or should be: all from the first one on that was ever mirrored, and the champion."""
        first = min((version, *known))
        numbers = Registry(self.store, self.model).numbers()
        return sorted({number for number in numbers if number >= first} | ({champion} if champion else set()))

    def _standing(self, decisions: list[Deployment], number: int) -> Standing:
        found = standing(decisions, number)
        if found == PENDING:
            refused = refusal_of(self.store, self.model, number)
            found = Standing(approval="Rejected", reason=refused) if refused else found
        return found.model_copy(update={"reason": " ".join(found.reason.split())[:_REASON]})

    def _bring(self, number: int, wanted: Standing, known: Mirrored | None) -> Mirrored:
        known = known or self._create(number)
        if (known.approval, known.reason) == (wanted.approval, wanted.reason):
            return known
        if self._approve(known, wanted, unless=_is_gone) is None:
            # Somebody has deleted it there.
            known = self._create(number, known.attempt + 1)
            self._approve(known, wanted)
        self.progress(f"{known.arn}: {wanted.approval}")
        return self._note(known.model_copy(update={"approval": wanted.approval, "reason": wanted.reason}))

    def _approve(
        self, known: Mirrored, wanted: Standing, unless: Callable[[Exception], bool] | None = None
    ) -> dict[str, Any] | None:
        return call(
            self.aws.client("sagemaker").update_model_package,
            {
                "ModelPackageArn": known.arn,
                "ModelApprovalStatus": wanted.approval,
                "ApprovalDescription": wanted.reason,
            },
            f"set the approval of version {known.version} of {self.model}",
            kind=RegistryError,
            unless=unless,
        )

    def _create(self, number: int, attempt: int = 0) -> Mirrored:
        record = Registry(self.store, self.model).get(number)
        container = self.containers(number, record)
        metrics = put_metrics(self.store, number, record)
        client = self.aws.client("sagemaker")
        call(
            client.create_model_package_group,
            group_request(self.settings, self.model),
            f"create the model package group of {self.model}",
            kind=RegistryError,
            unless=exists_already,
        )
        answer = call(
            client.create_model_package,
            package_request(self.settings, number, record, container, metrics, attempt),
            f"create the model package of version {number} of {self.model}",
            kind=RegistryError,
        )
        arn = str((answer or {})["ModelPackageArn"])
        self.progress(f"version {number} of {self.model} is {arn}")
        return self._note(
            Mirrored(
                version=number,
                arn=arn,
                approval=PENDING.approval,
                reason=PENDING.reason,
                attempt=attempt,
                image=container.image,
                data_url=container.data_url,
                at=utc_now(),
            )
        )

    def _note(self, entry: Mirrored) -> Mirrored:
        # A state may come back; what makes the entry another one is its time.
        entry = entry.model_copy(update={"at": utc_now()})
        mirror_log(self.store, self.model).append_once(entry, lambda other: other == entry)
        return entry

    def _card(self, shown: Mirrored) -> None:
        """The card is about the champion; before the first one about the newest version."""
        record = Registry(self.store, self.model).get(shown.version)
        content = card_content(shown.version, record, image=shown.image, artifact_url=shown.data_url)
        approved = shown.approval == "Approved"
        put_card(self.aws, self.settings, self.model, content, "Approved" if approved else "PendingReview")


def _is_gone(error: Exception) -> bool:
    """Whether there is no such package (any more)."""
    return is_missing(error) or "does not exist" in message(error).lower()
