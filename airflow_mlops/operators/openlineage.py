"""Lineage of the operators for Airflow's OpenLineage provider.

How the provider (2.20) asks: when a task starts, ``get_openlineage_facets_on_start()``; when it has
succeeded, ``..._on_complete(task_instance)``; when it failed or goes into a retry,
``..._on_failure(task_instance)``. It asks the very operator instance that ran, in a fork of the task's
process that is killed after 10 s (``[openlineage] execution_timeout``) and shares the socket to the
supervisor, so nothing here may read an XCom, a connection or the store. When a task defers, no such event is
sent; it goes on in another process with a new instance, and then START is sent once more with the same run
id. So:

* On start there is nothing to say but the assets, and those the provider adds by itself: there is no
  ``on_start`` here.
* An operator declares its lineage in the method that ends the task: in ``execute``, or after a deferral in
  the resumed method (what was declared before a deferral is gone).
* It declares *before* it raises, so that a refusal has its inputs, assertions and gate results in the FAIL
  event. A task that has declared nothing (it never got so far, or its deferral took too long) has what its
  arguments name: :meth:`LineageMixin.given`.
* A skipped task is asked as one that has succeeded, and has changed no asset.
* Assets are merged here, because the provider adds them only to an event without inputs and outputs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from airflow_mlops.spec.given import fields_given

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_mlops.core.lineage.datasets import Lineage
    from airflow_mlops.core.lineage.naming import ModelPart

T = TypeVar("T")

log = logging.getLogger(__name__)


class LineageMixin:
    """Gives an operator its OpenLineage methods; the operator calls :meth:`declare`."""

    #: Parts of the model's life that the task reads whatever its arguments are, e.g. ``captures``; for an event of a
    #: task that has declared nothing.
    reads: ClassVar[tuple[ModelPart, ...]] = ()

    _lineage: Callable[[], Lineage] | None = None
    _store_uri: str | None = None
    _data_uri: str | None = None
    _skipped = False

    def declare(self, lineage: Callable[[], Lineage]) -> None:
        """Say what this task read and wrote; a later call replaces an earlier one.

        :param lineage: makes the lineage from what it closed over, without I/O. It is called only when an
            event is made, so a task pays nothing for it where OpenLineage is not installed or is off; should
            it fail, the event has what the arguments name, and the task's assets.
        """
        self._lineage = lineage

    def given(self) -> Lineage:
        """What the arguments name, for an event of a task that has declared nothing; without I/O."""
        from airflow_mlops.core.lineage.given import given_lineage

        return given_lineage(self._field("name"), vars(self), self.reads, self._store_uri)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """What was declared, with the task's assets and the events that it emitted on assets."""
        outlets = [] if self._skipped else [*self._outlets(), *_emitted(task_instance)]
        return self._operator_lineage(outlets)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """What was declared before the failure, without outlets: a failed task has changed no asset."""
        return self._operator_lineage(outlets=[])

    def _operator_lineage(self, outlets: Iterable[Any]) -> OperatorLineage[Any, Any]:
        from airflow.providers.openlineage.extractors import OperatorLineage

        from airflow_mlops.core.lineage.datasets import Lineage
        from airflow_mlops.core.lineage.jobs import job_facets

        declared = _made(self._lineage) or _made(self.given) or Lineage()
        dag_file = getattr(getattr(self, "dag", None), "fileloc", None) if self._in_dag() else None
        job = _made(lambda: job_facets(fields_given(self), dag_file)) or {}
        return OperatorLineage(
            inputs=_merged(declared.inputs, getattr(self, "inlets", ())),
            outputs=_merged(declared.outputs, outlets),
            run_facets=dict(declared.run_facets),
            job_facets={**job, **declared.job_facets},
        )

    def _field(self, name: str) -> Any:
        """A field of the spec; None where there is none, as before a template is rendered."""
        return fields_given(self).get(name)

    def _in_dag(self) -> bool:
        return bool(getattr(self, "has_dag", lambda: False)())

    def _outlets(self) -> list[Any]:
        return list(getattr(self, "outlets", ()))


def _made(make: Callable[[], T] | None) -> T | None:
    """What it makes; None where there is nothing to make, or it fails: lineage never fails a task."""
    try:
        return make() if make else None
    except Exception:
        log.warning("lineage of this task could not be made; its work is not affected", exc_info=True)
        return None


def _merged(declared: Iterable[Any], assets: Iterable[Any]) -> list[Any]:
    """The declared datasets, and the assets that are none of them; a declaration says more than an asset.

    Two versions of one dataset are two: a champion and its challenger.
    """
    from airflow.providers.openlineage.extractors.manager import ExtractorManager

    found = list(declared)
    known = {(one.namespace, one.name) for one in found}
    for asset in assets:
        dataset = ExtractorManager.convert_to_ol_dataset(asset)
        if dataset is not None and (dataset.namespace, dataset.name) not in known:
            known.add((dataset.namespace, dataset.name))
            found.append(dataset)
    return found


def _emitted(task_instance: Any) -> list[Any]:
    """Assets that the task itself put an event on."""
    from airflow.providers.openlineage.utils.utils import get_runtime_outlet_assets

    return [asset for asset, _ in get_runtime_outlet_assets(task_instance)]
