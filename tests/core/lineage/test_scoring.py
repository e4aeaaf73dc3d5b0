"""Lineage of a scoring: the rows and the version that predicted them -> predictions."""

from __future__ import annotations

from datetime import date, datetime, timezone

import pytest

from airflow_mlops.core.lineage.naming import asset_name
from airflow_mlops.core.lineage.scoring import score_lineage
from airflow_mlops.core.scoring.record import Partition, Scored
from tests.core.lineage.records import dataset_version

VERSION = dataset_version()
AT = datetime(2013, 7, 2, tzinfo=timezone.utc)


def scored(version: int | None) -> Scored:
    return Scored(
        model="flight_delay",
        dataset=VERSION.ref,
        since=None,
        until=AT,
        content="c" * 64,
        sources=("a.parquet",),
        version=version,
        variant=f"v{version}" if version else "fallback",
        columns=("departure",),
        event_time="departure",
        scored_at=AT,
        rows=10,
        partitions=(Partition(day=date(2013, 7, 1), key="predictions/x", sha256="a" * 64, rows=10),),
        by="ann",
    )


@pytest.mark.parametrize("version, read", [(3, ["flight_delay/versions"]), (None, [])])
def test_a_scoring_reads_rows_and_a_version_and_writes_predictions(
    version: int | None, read: list[str]
) -> None:
    found = score_lineage(VERSION, 7, scored(version), "/srv/store")
    assert [one.name for one in found.inputs] == [VERSION.name, *read]
    (output,) = found.outputs
    named = asset_name("mlmodel://flight_delay/predictions")
    assert named is not None
    assert (output.namespace, output.name) == (named.namespace, named.name)
    assert output.facets["version"].datasetVersion == "7"
    assert output.facets["symlinks"].identifiers[0].name == "/srv/store/predictions/flight_delay"
    statistics = output.outputFacets["outputStatistics"]
    assert (statistics.rowCount, statistics.fileCount) == (10, 1)
