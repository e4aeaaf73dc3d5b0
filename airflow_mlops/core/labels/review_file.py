"""The review file: the rows whose labels are likeliest wrong, with empty columns for a person's decision."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import put_file

if TYPE_CHECKING:
    import pandas as pd

#: Where a row lies, and what names it elsewhere.
PLACE = ("dataset", "source", "content", "row", "row_key")
#: What a person fills in.
ANSWERS = ("corrected_label", "reviewed_by", "comment")
FOUND = ("id", "event_time", "given_label", "suggested_label", "score", "reason")


def review_frame(found: pd.DataFrame, columns: pd.DataFrame) -> pd.DataFrame:
    """The file's columns in order: the place, what was found, the model's raw columns, and room for the answers.

    A raw column that is named like one of ours is called ``data.`` and its name.

    :param found: :data:`PLACE` and :data:`FOUND`.
    :param columns: the raw columns of the same rows.
    """
    import pandas as pd

    ours = {*PLACE, *FOUND, *ANSWERS}
    data = columns.rename(columns={name: f"data.{name}" for name in columns.columns if name in ours})
    answers = pd.DataFrame("", index=found.index, columns=list(ANSWERS))
    return pd.concat([found[[*PLACE, *FOUND]], data, answers], axis=1)


def store_review(store: Store, frame: pd.DataFrame) -> tuple[str, str]:
    """Keep the file as Parquet and as CSV; return the hashes of both blobs."""
    with tempfile.TemporaryDirectory(prefix="airflow-mlops-") as folder:
        parquet, csv = Path(folder) / "review.parquet", Path(folder) / "review.csv"
        frame.to_parquet(parquet, index=False)
        frame.to_csv(csv, index=False)
        return put_file(store, parquet), put_file(store, csv)
