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
  event.
* Assets are merged here, because the provider adds them only to an event without inputs and outputs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_mlops.core.lineage.datasets import Lineage

log = logging.getLogger(__name__)


class LineageMixin:
    """Gives an operator its OpenLineage methods; the operator calls :meth:`declare`."""

    _lineage: Callable[[], Lineage] | None = None

    def declare(self, lineage: Callable[[], Lineage]) -> None:
        """Say what this task read and wrote; a later call replaces an earlier one.

        :param lineage: makes the lineage from what it closed over, without I/O. It is called only when an
            event is made, so a task pays nothing for it where OpenLineage is not installed or is off; should
            it fail, the event has the task's assets alone.
        """
        self._lineage = lineage

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """What was declared, with the task's assets and the events that it emitted on assets."""
        return self._operator_lineage(outlets=[*self._outlets(), *_emitted(task_instance)])

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """What was declared before the failure, without outlets: a failed task has changed no asset."""
        return self._operator_lineage(outlets=[])

    def _operator_lineage(self, outlets: Iterable[Any]) -> OperatorLineage[Any, Any]:
        from airflow.providers.openlineage.extractors import OperatorLineage

        from airflow_mlops.core.lineage.datasets import Lineage

        declared = Lineage()
        if self._lineage is not None:
            try:
                declared = self._lineage()
            except Exception:
                log.warning("lineage of this task could not be made; its work is not affected", exc_info=True)
        return OperatorLineage(
            inputs=_merged(declared.inputs, getattr(self, "inlets", ())),
            outputs=_merged(declared.outputs, outlets),
            run_facets=dict(declared.run_facets),
            job_facets=dict(declared.job_facets),
        )

    def _outlets(self) -> list[Any]:
        return list(getattr(self, "outlets", ()))


def _merged(declared: Iterable[Any], assets: Iterable[Any]) -> list[Any]:
    """The declared datasets, and the assets that are none of them; a declaration says more than an asset."""
    from airflow.providers.openlineage.extractors.manager import ExtractorManager

    found = {(one.namespace, one.name): one for one in declared}
    for asset in assets:
        dataset = ExtractorManager.convert_to_ol_dataset(asset)
        if dataset is not None:
            found.setdefault((dataset.namespace, dataset.name), dataset)
    return list(found.values())


def _emitted(task_instance: Any) -> list[Any]:
    """Assets that the task itself put an event on."""
    from airflow.providers.openlineage.utils.utils import get_runtime_outlet_assets

    return [asset for asset, _ in get_runtime_outlet_assets(task_instance)]
