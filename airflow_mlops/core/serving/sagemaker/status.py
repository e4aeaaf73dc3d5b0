"""What is live of a model on SageMaker, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.core.aws.names import endpoint_name
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.sagemaker_mirror import mirror_log
from airflow_mlops.core.serving.sagemaker.layout import Slot
from airflow_mlops.core.serving.sagemaker.live import Describer, Live
from airflow_mlops.core.serving.wording import in_words

if TYPE_CHECKING:
    from airflow_mlops.core.aws.session import Aws
    from airflow_mlops.core.aws.settings import SageMaker
    from airflow_mlops.core.store import Store


def status(aws: Aws, settings: SageMaker, model: str, store: Store) -> dict[str, Any]:
    """``{"endpoint", "status", "variants", "desired", "mirrored"}``; of what is not there, a word that says so.

    :raises EndpointError: if SageMaker can't be asked.
    """
    name = endpoint_name(settings.prefix, model)
    live = Describer(aws, name).read()
    return {
        "endpoint": f"{name} in {aws.region}",
        "status": live.status if live else "there is none",
        "variants": _variants(live),
        "desired": in_words(DeploymentLog(store, model).desired()),
        "mirrored": _mirrored(store, model),
    }


def _variants(live: Live | None) -> list[str]:
    slots = live.slots if live else ()
    total = sum(slot.weight for slot in slots if not slot.shadow)
    return [_slot(slot, total) for slot in slots]


def _slot(slot: Slot, total: float) -> str:
    share = "shadow" if slot.shadow else f"{slot.weight / total:.0%}" if total else "0%"
    what = f"version {slot.version}" if slot.version is not None else "the fallback rule"
    return f"{slot.name}: {what}, {share}, {slot.instances} x {slot.machine or 'unknown'}"


def _mirrored(store: Store, model: str) -> list[str]:
    newest = {entry.version: entry for _, entry in mirror_log(store, model).entries()}
    return [f"version {number}: {entry.approval}, {entry.reason}" for number, entry in sorted(newest.items())]
