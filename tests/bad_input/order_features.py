"""A feature function of the orders."""

from __future__ import annotations

import pandas as pd


def features(rows: pd.DataFrame) -> pd.DataFrame:
    """The raw columns, and one made of two."""
    return rows.assign(cold=rows["amount"].where(rows["temperature"] < 0))
