from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from airflow.providers.openlineage.extractors.manager import ExtractorManager
from airflow.sdk import BaseOperator
from airflow.utils.state import TaskInstanceState
from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset
from openlineage.client.facet_v2 import dataset_version_dataset

from airflow_mlops.core.lineage.datasets import Lineage
from airflow_mlops.operators.openlineage import LineageMixin

VERSION = {"version": dataset_version_dataset.DatasetVersionDatasetFacet("3")}
DECLARED = Lineage(
    inputs=[InputDataset("mldataset", "flights")],
    outputs=[OutputDataset("mlmodel", "m", facets=VERSION)],
    run_facets={"mlops_x": object()},
)


class Operator(LineageMixin, BaseOperator):
    """Declares its lineage, and fails when told to."""

    def __init__(self, lineage=lambda: DECLARED, fails=False, **kwargs):
        super().__init__(**kwargs)
        self.lineage = lineage
        self.fails = fails

    def execute(self, context):
        if self.lineage:
            self.declare(self.lineage)
        if self.fails:
            raise ValueError("refused")


def extracted(operator, state):
    """What Airflow's listener sends, by the way it takes."""
    return ExtractorManager().extract_metadata(
        dagrun=SimpleNamespace(run_id="r"), task=operator, task_instance_state=state, task_instance=None
    )


def ran(**options):
    operator = Operator(task_id="t", **options)
    # Assets need a registered provider to be converted; OpenLineage datasets stand in for them.
    operator.inlets, operator.outlets = [Dataset("s3://b", "k")], [Dataset("mlmodel", "m"), Dataset("x", "y")]
    if options.get("fails"):
        with pytest.raises(ValueError, match="refused"):
            operator.execute({})
    else:
        operator.execute({})
    return operator


def names(datasets):
    return [(one.namespace, one.name) for one in datasets]


def test_success_has_what_was_declared_and_the_assets_that_are_not_in_it():
    lineage = extracted(ran(), TaskInstanceState.SUCCESS)
    assert names(lineage.inputs) == [("mldataset", "flights"), ("s3://b", "k")]
    assert names(lineage.outputs) == [("mlmodel", "m"), ("x", "y")]
    assert lineage.outputs[0].facets == VERSION, "the declared dataset, not the asset of the same name"
    assert set(lineage.run_facets) == {"mlops_x"}


def test_failure_has_what_was_declared_before_and_no_outlets():
    lineage = extracted(ran(fails=True), TaskInstanceState.FAILED)
    assert names(lineage.inputs) == [("mldataset", "flights"), ("s3://b", "k")]
    assert names(lineage.outputs) == [("mlmodel", "m")]
    assert set(lineage.run_facets) == {"mlops_x"}


def test_a_start_has_the_assets():
    operator = ran(lineage=None)
    lineage = extracted(operator, TaskInstanceState.RUNNING)
    assert names(lineage.inputs) == [("s3://b", "k")]
    assert names(lineage.outputs) == [("mlmodel", "m"), ("x", "y")]


def test_a_lineage_that_fails_costs_neither_the_task_nor_the_assets(caplog):
    def broken():
        raise RuntimeError("no such field")

    lineage = extracted(ran(lineage=broken), TaskInstanceState.SUCCESS)
    assert names(lineage.inputs) == [("s3://b", "k")]
    assert "lineage of this task could not be made" in caplog.text


def test_a_task_that_declares_nothing_has_its_assets():
    lineage = extracted(ran(lineage=None), TaskInstanceState.SUCCESS)
    assert names(lineage.outputs) == [("mlmodel", "m"), ("x", "y")]


def test_declaring_does_not_import_openlineage():
    """A task pays for lineage only where an event is made."""
    code = (
        "import sys, airflow_mlops.core.lineage.stages\n"
        "from airflow_mlops.operators.openlineage import LineageMixin\n"
        "LineageMixin().declare(lambda: 1)\n"
        "sys.exit(any(name.startswith('openlineage') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
