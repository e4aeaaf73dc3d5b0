"""Whatever comes, in whatever order and portions, the table is the naive join of it all."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from airflow_mlops.core.monitoring.answers import AnswersTable, days
from airflow_mlops.core.serving.capture import CaptureRecord, GroundTruth
from airflow_mlops.core.store.folder import FolderStore
from tests.core.monitoring.answers.world import (
    DAY,
    HOUR,
    MODEL,
    NAIVE,
    answer,
    capture,
    everything,
    naive,
    take_in,
    tell,
)

_IDS = st.integers(0, 11)


@st.composite
def answers(draw: st.DrawFn) -> CaptureRecord:
    """One of a few events; several may share an inference id, as an answer and its shadow do, or a caller's retry."""
    number = draw(_IDS)
    asked = draw(st.sampled_from([number, number % 4]))
    rows = tuple({"x": float(number * 10 + place)} for place in range(1 + number % 3))
    shadow = number % 5 == 0
    return answer(
        number,
        # the last hour of one day and the first of the next
        at=DAY + timedelta(hours=23 + number % 2, minutes=number),
        inference_id=f"i{asked}",
        event_id=f"e{number}-{asked}",
        variant="v2" if shadow else "v1",
        role="shadow" if shadow else "champion",
        rows=rows,
    )


@st.composite
def labels(draw: st.DrawFn) -> GroundTruth:
    """A label of one of them, or of none; often one of few times and values, so that they repeat and correct."""
    return GroundTruth(
        inference_id=f"i{draw(st.integers(0, 14))}",
        row=draw(st.integers(0, 3)),
        label=draw(st.sampled_from([0.0, 1.0, -0.0, 0.25])),
        at=DAY + timedelta(days=1) + draw(st.integers(-6, 6)) * HOUR,
    )


_Portion = st.tuples(st.lists(answers(), max_size=6), st.lists(labels(), max_size=8))


# A failure is not made smaller: it would take minutes.
@settings(max_examples=12, phases=(Phase.explicit, Phase.generate))
@given(portions=st.lists(_Portion, max_size=5), most_small=st.sampled_from([0, 1, 8]))
def test_the_table_is_the_naive_join(
    portions: list[tuple[list[CaptureRecord], list[GroundTruth]]], most_small: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, patch.object(days, "MOST_SMALL", most_small):
        store = FolderStore(Path(folder))
        records: list[CaptureRecord] = []
        truths: list[GroundTruth] = []
        taken = []
        for some, others in portions:
            records += some
            truths += others
            capture(store, *some)
            tell(store, *others)
            taken.append(take_in(store))
        for as_of in (None, DAY + timedelta(days=1)):
            expected = naive(records, truths, as_of)
            assert everything(store, as_of=as_of, columns=NAIVE) == expected
            half = DAY + timedelta(days=1)
            found = AnswersTable(store, MODEL).read(DAY, half, as_of=as_of, columns=NAIVE).to_pylist()
            assert found == [row for row in expected if row["_at"] < half]
        events = {record.event_id for record in records}
        assert sum(one.answers for one in taken) == len(events)
        assert sum(one.duplicates for one in taken) == len(records) - len(events)
        different = {(one.inference_id, one.row, one.at, one.label + 0.0) for one in truths}
        assert sum(one.labels for one in taken) == len(different)
        ids = {record.inference_id for record in records}
        unknown = [one for one in different if one[0] not in ids]
        assert not taken or taken[-1].unknown == len(unknown)
