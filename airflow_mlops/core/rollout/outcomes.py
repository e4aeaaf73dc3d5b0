"""One number in [0, 1] per request or row and gate, of which less is better; NaN where it can't be judged."""

from __future__ import annotations

from typing import Literal

import numpy as np

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.betting import Floats
from airflow_mlops.core.rollout.scales import CLIP, Scale
from airflow_mlops.core.rollout.table import Table

#: Of what a gate judges each: requests, rows that both variants answered, rows whose truth is known.
Unit = Literal["request", "row", "label"]
_REQUEST = ("error_rate", "latency", "latency_quantile")
_ROW = ("disagreement", "score_shift")
#: A probability from here on is taken as a yes.
_YES = 0.5


def unit_of(scale: Scale) -> Unit:
    """Of what a metric has one outcome each."""
    return "request" if scale.kind in _REQUEST else "row" if scale.kind in _ROW else "label"


def outcome(gate: Gate, scale: Scale, table: Table, prefix: str = "") -> Floats:
    """The outcome of each request or labelled row.

    An answer that is not there is as wrong, and as slow, as can be.

    :param prefix: ``champion:`` for the champion's side of pairs.
    """
    if scale.kind == "error_rate":
        return unanswered(table, prefix)
    if scale.kind == "latency":
        return _slow(gate, table, prefix)
    guess, label = table[f"{prefix}prediction"], table["label"]
    there = np.isfinite(guess)
    found = np.ones(len(guess))
    found[there] = _loss(guess[there], label[there], scale)
    return np.clip(found, 0.0, 1.0)


def unanswered(table: Table, prefix: str = "") -> Floats:
    """1 for a request that was not answered, or was refused; 0 for one that was."""
    # only in pairs is a refusal looked at: there, of a request that the champion took
    return np.asarray(table[f"{prefix}failed"] | table[f"{prefix}refused"], dtype=np.float64)


def latency_of(table: Table, prefix: str = "") -> Floats:
    """Milliseconds; infinite without an answer, NaN where it is missing."""
    return np.where(unanswered(table, prefix) > 0, np.inf, table[f"{prefix}latency"])


def change(scale: Scale, table: Table) -> Floats:
    """How far the two answers to one row are apart: yes against no, or the distance of the numbers.

    1 where only one of them is an answer; NaN where none is.
    """
    mine, theirs = table["prediction"], table["champion:prediction"]
    if scale.kind == "disagreement":
        apart = ((mine >= _YES) != (theirs >= _YES)).astype(np.float64)
    else:
        apart = np.minimum(np.abs(mine - theirs) / scale.span, 1.0)
    silent = np.isnan(mine).astype(np.int64) + np.isnan(theirs)
    return np.asarray(np.select([silent == 1, silent == 2], [1.0, np.nan], apart), dtype=np.float64)


def _slow(gate: Gate, table: Table, prefix: str) -> Floats:
    latency = latency_of(table, prefix)
    slow = (latency > (gate.threshold or 0.0)).astype(np.float64)
    slow[np.isnan(latency)] = np.nan
    return slow


def _loss(guess: Floats, label: Floats, scale: Scale) -> Floats:
    """The loss of each row in [0, 1] of its scale."""
    if scale.kind == "brier":
        return np.asarray((guess - label) ** 2)
    if scale.kind == "accuracy":
        return np.asarray((guess >= _YES) != (label >= _YES), dtype=np.float64)
    if scale.kind == "log_loss":
        clipped = np.clip(guess, CLIP, 1 - CLIP)
        nats = -np.log(np.where(label == 1.0, clipped, 1 - clipped))
        return np.asarray((nats - scale.low) / scale.span)
    return np.minimum(np.abs(guess - label) / scale.span, 1.0)
