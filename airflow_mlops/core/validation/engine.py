"""Great Expectations, run on a pandas frame: no files, no telemetry, no progress bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.reading import Rows, read_rows
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.validation.found import PARTIAL, Found
from airflow_mlops.core.validation.suite import Planned, columns_to_read, for_frame

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

_MARK = "airflow_mlops_number"
#: A few unexpected values as examples, and all rows by their index.
_RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "partial_unexpected_count": PARTIAL,
    "return_unexpected_index_query": False,
}


#: Files and rows.
Places = tuple["npt.NDArray[np.int64]", "npt.NDArray[np.int64]"]


def judge_in_memory(
    store: Store, version: DatasetVersion, planned: Sequence[Planned]
) -> list[tuple[Found, Places]]:
    """What Great Expectations finds on the rows of a version, and the places of the rows that broke what failed.

    Only the columns that the expectations look at are read.
    """
    built = [for_frame(one, version) for one in planned]
    rows = read_rows(store, version, columns_to_read(built, version))
    return [_found(raw, rows) for raw in run_expectations(rows.frame, built)]


def _found(raw: Any, rows: Rows) -> tuple[Found, Places]:
    """A result without the lists of rows, and these rows. What failed says which rows are bad."""
    import numpy as np

    result = dict(raw.result or {})
    listed = result.pop("unexpected_index_list", None) or ()
    result.pop("partial_unexpected_index_list", None)
    result.pop("partial_unexpected_counts", None)
    bad = np.unique(np.asarray([] if raw.success else listed, dtype=np.int64))
    file, row = rows.file[bad].astype(np.int64), rows.row[bad]
    first = tuple(zip(file[:PARTIAL].tolist(), row[:PARTIAL].tolist(), strict=True))
    return Found(bool(raw.success), result, dict(raw.exception_info or {}), first), (file, row)


def run_expectations(frame: pd.DataFrame, planned: Sequence[Planned]) -> list[Any]:
    """Test expectations and return GX's results in the same order.

    Rows are named by their position: GX takes 40 s to name 750,000 rows by a column, and a few by their
    index. For each expectation GX copies the frame, so those on the same columns get a frame of these alone.
    The batch is asked, not a ValidationDefinition, which would write the result as JSON into a store of its
    own: that fails on numpy's booleans (quantiles have them) and takes long where many rows are bad.

    :param frame: the rows, with a plain index from 0.
    """
    import great_expectations as gx

    source = _context().data_sources.add_pandas("pandas")
    whole = source.add_dataframe_asset("frame").add_batch_definition_whole_dataframe("all")
    found: dict[int, Any] = {}
    for columns, numbers in _groups(frame, planned).items():
        batch = whole.get_batch(batch_parameters={"dataframe": frame[list(columns)] if columns else frame})
        suite = gx.ExpectationSuite(
            name="suite", expectations=[_numbered(planned, number) for number in numbers]
        )
        for result in batch.validate(suite, result_format=_RESULT_FORMAT).results:
            found[int(result.expectation_config.meta[_MARK])] = result
    return [found[number] for number in range(len(planned))]


def _context() -> Any:
    """An ephemeral context of GX: no files, no telemetry, no progress bars."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _groups(frame: pd.DataFrame, planned: Sequence[Planned]) -> dict[tuple[str, ...], list[int]]:
    """The numbers of the expectations by the columns they need; () stands for the whole frame."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, one in enumerate(planned):
        narrow = not one.row_condition and set(one.columns) <= set(frame.columns)
        groups.setdefault(tuple(dict.fromkeys(one.columns)) if narrow else (), []).append(number)
    return groups


def _numbered(planned: Sequence[Planned], number: int) -> Any:
    """An expectation that carries its number: GX sorts its results as it likes."""
    expectation = planned[number].expectation
    return expectation.copy(update={"meta": {**(expectation.meta or {}), _MARK: number}})
