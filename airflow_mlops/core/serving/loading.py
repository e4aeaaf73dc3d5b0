"""From a version number to a model that can answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_mlops.core.errors import RequestError
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.serving.refusal import one_line
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.artifact import InputColumn, TrainedModel
from airflow_mlops.spec import Serving

Rows = Sequence[Mapping[str, Any]]


class Answering(Protocol):
    """What is asked of a loaded model; :class:`~airflow_mlops.core.training.predictor.Predictor` is one."""

    def check_rows(self, rows: Rows) -> None:
        """Check a request's rows. :raises RequestError: if they are not what the model is called with."""
        ...

    def predict(self, rows: Rows) -> Iterable[float]:
        """One number per checked row."""
        ...


@dataclass(frozen=True)
class Contract:
    """What callers of a model rely on: its request columns in order, and how its endpoint treats them."""

    inputs: tuple[InputColumn, ...] = ()
    serving: Serving = field(default_factory=Serving)


@dataclass(frozen=True)
class LoadedVersion:
    """A version in memory.

    :param inline: whether a micro-batch is fast enough (well under a millisecond) to be computed on the event
        loop: so without a feature function, whose pandas work goes to a thread.
    """

    number: int
    model: Answering
    contract: Contract
    inline: bool

    @property
    def variant(self) -> str:
        """The name in answers and captures."""
        return f"v{self.number}"


class Source(Protocol):
    """Where an endpoint gets its models from. Its calls block; they run in threads."""

    def load(self, model: str, number: int) -> LoadedVersion:
        """Load a version. Whatever it raises keeps the version out of service and is shown by
        ``describe``.
        """
        ...

    def newest(self, model: str) -> Contract | None:
        """The contract of the newest version, None when there is none."""
        ...


class RegistrySource:
    """Models from the registry of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self, model: str, number: int) -> LoadedVersion:
        """See :meth:`Source.load`."""
        version = Registry(self._store, model).get(number)
        loaded = load_warm(self._store, version.trained)
        return LoadedVersion(number, loaded, contract_of(version), inline=version.trained.code is None)

    def newest(self, model: str) -> Contract | None:
        """See :meth:`Source.newest`."""
        newest = Registry(self._store, model).newest()
        return contract_of(newest[1]) if newest else None


def load_warm(store: Store, trained: TrainedModel) -> Answering:
    """A model that was called once, so that the first caller does not wait for it.

    :raises MlopsError: if it can't be loaded.
    """
    from airflow_mlops.core.training.predictor import Predictor

    predictor = Predictor.load(store, trained)
    predictor.predict([{column.name: None for column in trained.signature.inputs}])
    return predictor


def check_rows(model: Answering, rows: Rows) -> None:
    """Check a request's rows. :raises RequestError: if they are not what the model is called with."""
    try:
        model.check_rows(rows)
    except RequestError:
        raise
    except Exception as error:
        raise RequestError("rows can't be checked", given=one_line(error)) from None


def contract_of(version: ModelVersion) -> Contract:
    """The contract in the record of a version."""
    return Contract(version.trained.signature.inputs, Serving(**version.spec.get("serving", {})))
