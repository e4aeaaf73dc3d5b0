"""Which columns of a request hold times: the version that answered it says so."""

from __future__ import annotations

from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store

_TIME = "time"


class TimesOfVersions:
    """The columns of a variant's requests that its version's signature calls times; none of an unknown variant."""

    def __init__(self, store: Store, model: str) -> None:
        self._registry = Registry(store, model)
        self._known: dict[str, frozenset[str]] = {}

    def __call__(self, variant: str) -> frozenset[str]:
        """Names of the columns, as requests have them."""
        if variant not in self._known:
            self._known[variant] = self._times(variant)
        return self._known[variant]

    def _times(self, variant: str) -> frozenset[str]:
        digits = variant.removeprefix("v")
        if not (digits.isascii() and digits.isdigit()):
            return frozenset()
        try:
            signature = self._registry.get(int(digits)).trained.signature
        except RegistryError:
            return frozenset()
        return frozenset(column.name for column in signature.inputs if column.type == _TIME)
