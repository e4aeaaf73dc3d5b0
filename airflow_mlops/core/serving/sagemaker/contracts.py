"""What callers of a model's versions rely on, from the records of the versions."""

from __future__ import annotations

from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.serving.loading import Contract, contract_of


class RegistryContracts:
    """The contract of each version, read once: records never change."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[int, Contract] = {}

    def __call__(self, version: int | None) -> Contract:
        """The contract of a version; of the newest one for None, or for one that is not registered."""
        if version is None:
            return self._newest()
        if version not in self._known:
            try:
                self._known[version] = contract_of(self._registry.get(version))
            except RegistryError:
                return self._newest()
        return self._known[version]

    def _newest(self) -> Contract:
        newest = self._registry.newest()
        return contract_of(newest[1]) if newest is not None else Contract()
