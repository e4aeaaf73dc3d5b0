"""Evidently's report for people. The only module that knows Evidently; what is drift is not decided here."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.monitoring.columns import Kind

if TYPE_CHECKING:
    import pandas as pd

#: Rows of either side that are drawn: a picture of more looks the same.
MOST_ROWS = 10_000
SEED = 0
#: What Evidently draws by chance: UUIDs of version 7, which hold the time, and the name of the report's script.
_BY_CHANCE = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?![0-9a-f])"
    r"|(?<=metric_)[0-9a-f]{32}(?![0-9a-f])"
)


def render_report(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    kinds: Mapping[str, Kind],
    *,
    most_rows: int = MOST_ROWS,
) -> bytes | None:
    """A page on which Evidently shows each column of both sides: one HTML file of about 5 MB that loads nothing.

    The same frames give the same bytes.

    :param reference, current: columns as :func:`~airflow_mlops.core.monitoring.columns.read_values` reads them.
    :param kinds: number or category for each column to show; times, and columns without values on a side, are left out.
    :param most_rows: more rows than this on a side are sampled with a fixed seed.
    :return: None when no column is left.
    :raises PlatformError: without the extra ``evidently``.
    """
    sides = [_at_most(side, most_rows) for side in (current, reference)]
    shown = {
        name: kind
        for name, kind in kinds.items()
        if kind != "time" and all(name in side and side[name].notna().any() for side in sides)
    }
    if not shown:
        return None
    page: str = _run(sides, shown).get_html_str(as_iframe=False)
    names: dict[str, str] = {}
    return _BY_CHANCE.sub(lambda found: names.setdefault(found[0], f"id{len(names)}"), page).encode()


def _run(sides: list[pd.DataFrame], kinds: Mapping[str, Kind]) -> Any:
    # Evidently reports its use over the network unless this stands before its import.
    os.environ["DO_NOT_TRACK"] = "1"
    with warnings.catch_warnings():
        # Its plots correlate constant columns, its tests divide by the counts of new values: it warns about each.
        warnings.simplefilter("ignore")
        try:
            from evidently import DataDefinition, Dataset, Report
            from evidently.presets import DataDriftPreset
        except ImportError:
            raise PlatformError(
                "the drift report for people needs Evidently",
                remedy="pip install 'airflow-mlops[evidently]'",
            ) from None
        definition = DataDefinition(
            numerical_columns=[name for name, kind in kinds.items() if kind == "number"],
            categorical_columns=[name for name, kind in kinds.items() if kind == "category"],
        )
        return Report([DataDriftPreset()], include_tests=True).run(
            *(Dataset.from_pandas(side[list(kinds)], data_definition=definition) for side in sides)
        )


def _at_most(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """The frame, or a sample of it in the order of its rows, with a plain index: Evidently draws over it."""
    sample = frame.sample(rows, random_state=SEED).sort_index() if len(frame) > rows else frame
    return sample.reset_index(drop=True)
