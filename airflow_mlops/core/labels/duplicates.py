"""Rows with equal features and different labels: at most one of the labels is right, or a feature is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.labels.record import Disagreement, Duplicates

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHOWN = 20


def find_disagreeing(
    group: NDArray[np.int64],
    labels: NDArray[np.float64],
    sources: NDArray[np.object_],
    rows: NDArray[np.int64],
) -> tuple[Duplicates, NDArray[np.bool_]]:
    """The groups of equal rows that disagree, the largest first, and which rows belong to one.

    :param group: for each row the number of its group, 0 .. G-1.
    :param labels: 0 or 1.
    :param sources, rows: the place of each row.
    """
    size = np.bincount(group)
    positives = np.bincount(group, weights=labels).astype(np.int64)
    differ = (positives > 0) & (positives < size)
    _, first = np.unique(group, return_index=True)
    largest = [one for one in np.argsort(-size, kind="stable") if differ[one]][:_SHOWN]
    told = tuple(
        Disagreement(
            rows=int(size[one]),
            positives=int(positives[one]),
            source=str(sources[first[one]]),
            row=int(rows[first[one]]),
        )
        for one in largest
    )
    mask: NDArray[np.bool_] = differ[group]
    return Duplicates(groups=int(differ.sum()), rows=int(mask.sum()), largest=told), mask
