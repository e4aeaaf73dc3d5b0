"""Who predicts: the champion of the deployment log at a time, a version that was asked for, or the fallback rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.serving.fallback import VARIANT
from airflow_mlops.core.serving.loading import contract_of
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.artifact import InputColumn
from airflow_mlops.spec import Fallback


@dataclass(frozen=True)
class Choice:
    """What predicts.

    :param version: its number, None while the fallback rule answers; then ``rule`` is there.
    :param record: of the version.
    """

    version: int | None = None
    record: ModelVersion | None = None
    rule: Fallback | None = None

    @property
    def variant(self) -> str:
        """As in captures: ``v3`` or ``fallback``."""
        return VARIANT if self.version is None else f"v{self.version}"

    @property
    def inputs(self) -> tuple[InputColumn, ...]:
        """The columns that the version is called with; none of a rule."""
        return self.record.trained.signature.inputs if self.record else ()

    @property
    def needs(self) -> Mapping[str, str]:
        """Every column that is needed to predict, and what needs it."""
        if self.rule is not None:
            return {self.rule.by: "serving.fallback.by"} if self.rule.by else {}
        return dict.fromkeys((one.name for one in self.inputs), f"an input of version {self.version}")


def choose(store: Store, model: str, at: datetime, version: int | None = None) -> Choice:
    """Who predicts what is scored at a time: the same whenever it is asked for.

    :param at: a champion counts from the next moment on.
    :param version: what was asked for instead of the champion.
    :raises RegistryError: if there is no such version, no champion yet, or no fallback rule while that answers.
    """
    registry = Registry(store, model)
    if version is not None:
        return Choice(version, registry.get(version))
    desired = DeploymentLog(store, model).desired_before(at)
    if desired.champion is not None:
        return Choice(desired.champion, registry.get(desired.champion))
    if not desired.number:
        raise RegistryError(
            f"{model} has no champion to predict with",
            given=f"no promotion before {at.isoformat()}",
            remedy="release a version first, or name the version that predicts",
        )
    rule = _rule_at(registry, at)
    if rule is None:
        raise RegistryError(
            f"the fallback rule answers for {model}, and there is none",
            given=f"entry {desired.number} of the deployment log",
            remedy="set serving.fallback in the spec, roll back to a version, or name the version that predicts",
        )
    return Choice(rule=rule)


def _rule_at(registry: Registry, at: datetime) -> Fallback | None:
    """The rule that an endpoint answers by: that of the newest version."""
    for number in reversed(registry.numbers()):
        record = registry.get(number)
        if record.created_at < at or number == 1:
            return contract_of(record).serving.fallback
    return None
