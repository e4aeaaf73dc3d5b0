"""Feature functions for the tests: one good one, and one for each way to go wrong."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

WEEKEND = 5


def good(orders: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "amount": orders["amount"],
            "log_amount": np.log1p(orders["amount"].clip(lower=0)),
            "country": orders["country"],
            "express": orders["express"],
            "hour": orders["ordered"].dt.hour,
            "weekend": orders["ordered"].dt.weekday >= WEEKEND,
        },
        index=orders.index,
    )


def batch_mean(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[["amount"]].assign(relative=orders["amount"] / orders["amount"].mean())


def dummies(orders: pd.DataFrame) -> pd.DataFrame:
    return pd.get_dummies(orders[["amount", "country"]])


def chance(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[["amount"]].assign(noise=np.random.default_rng().random(len(orders)))


def by_index(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[["amount"]].assign(place=orders.index)


def in_place(orders: pd.DataFrame) -> pd.DataFrame:
    orders["amount"] = orders["amount"] * 2
    return orders[["amount", "country"]]


def drops(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[["amount"]].dropna()


def reindexes(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[["amount"]].set_axis(range(1, len(orders) + 1))


def no_frame(orders: pd.DataFrame) -> pd.Series:
    return orders["amount"]


def fails(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[["ammount"]]


def times(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[["amount", "ordered"]]


def infinite(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[["amount"]].assign(ratio=np.divide(1.0, orders["amount"] * 0))


def twice(orders: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([orders[["amount"]], orders[["amount"]]], axis=1)


def needs_a_time(orders: pd.DataFrame) -> pd.DataFrame:
    if orders["ordered"].isna().any():
        raise ValueError("no time")
    return orders[["amount"]].assign(hour=orders["ordered"].dt.hour)


def fills(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[["amount"]].fillna(orders["amount"].mean() if len(orders) > 1 else 0.0)


def local_hour(orders: pd.DataFrame) -> pd.DataFrame:
    hours = [time.localtime(moment.timestamp()).tm_hour for moment in orders["ordered"]]
    return orders[["amount"]].assign(hour=hours)


def steady_codes(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[["amount"]].assign(country=orders["country"].map({"AT": 0, "DE": 1, "FR": 2, "IT": 3}))


def batch_codes(orders: pd.DataFrame) -> pd.DataFrame:
    return orders[["amount"]].assign(country=orders["country"].astype("category").cat.codes)


def tells_none_from_nan(orders: pd.DataFrame) -> pd.DataFrame:
    kinds = [
        "none" if value is None else "nan" if isinstance(value, float) else "there"
        for value in orders["country"]
    ]
    return orders[["amount"]].assign(kind=kinds)
