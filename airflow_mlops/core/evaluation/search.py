"""The slices where a model is worst: found automatically, and only those that chance does not explain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.evaluation.analysis import SliceSearchResult, WeakSlice
from airflow_mlops.core.evaluation.bins import bins_of
from airflow_mlops.core.evaluation.candidates import Part, families
from airflow_mlops.core.evaluation.conditions import slice_text
from airflow_mlops.core.evaluation.max_t import Comparison, compare, normal_deviate
from airflow_mlops.core.evaluation.metrics import expected_losses, row_losses

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from airflow_mlops.spec import Evaluation, SliceSearch

#: Columns that are looked at: with pairs the work grows with the square of their number.
_MOST_COLUMNS = {1: 500, 2: 40}
_MOST_ROWS = 200_000
_LEAST_BLOCKS, _MOST_BLOCKS = 20, 100
#: Candidates beyond chance that are looked at for the report, the worst first.
_MOST_VISITED = 1000


def searched_columns(evaluation: Evaluation, features: Sequence[str]) -> tuple[str, ...]:
    """The columns that the search looks at; none when none is asked for.

    :param features: raw columns of the model, which are taken when the search names none.
    :raises SpecError: if they are too many.
    """
    search = evaluation.search
    if search is None:
        return ()
    columns = tuple(dict.fromkeys(search.columns or features))
    most = _MOST_COLUMNS[search.max_features]
    if len(columns) > most:
        raise SpecError(
            "evaluation.search has too many columns to combine",
            given=f"{len(columns)} {'in search.columns' if search.columns else 'in features.columns'}",
            expected=f"at most {most} with max_features {search.max_features}",
            remedy="name those that matter in evaluation.search.columns",
        )
    return columns


def search_slices(
    search: SliceSearch,
    columns: Sequence[str],
    frame: pd.DataFrame,
    objective: str,
    labels: NDArray[np.float64],
    scores: NDArray[np.float64],
    *,
    seed: int,
    times: pd.Series | None = None,
) -> SliceSearchResult:
    """Compare the mean loss of every slice with that of all other rows, and keep what chance does not explain.

    Slices: values of texts, booleans and few-valued numbers, ranges of numbers between quantiles, hours and weekdays
    (UTC) of times, missing values; and pairs of these. They are made without a look at the losses. The
    chance that any reported slice is no worse than the other rows is at most ``search.alpha``
    (:mod:`~airflow_mlops.core.evaluation.max_t`), and the bounds ``low`` hold for all slices at once. With ``times``,
    rows of one day may share a cause (a storm): a slice is reported only if it is worse on enough days to tell.

    A slice of two columns is reported if it is worse than the rest of either column's slice, too; any slice, if most
    of its rows are in none before it, and these are worse beyond chance by themselves. The worst first, by ``low``.

    :param columns: columns of ``frame`` to combine.
    :param seed: of the shuffles.
    :param times: event times of the rows.
    :raises DataError: if a column can't be sliced by.
    """
    import numpy as np

    if not np.isfinite(scores).all():
        return _nothing(search, "there are scores that are no finite numbers: no slice can be compared")
    chosen = _sample(len(labels), seed)
    if len(chosen) < len(labels):
        frame, labels, scores = frame.iloc[chosen], labels[chosen], scores[chosen]
        times = None if times is None else times.iloc[chosen]
    losses = row_losses(objective, labels, scores)
    if losses.max() - losses.min() <= 1e-9 * abs(float(losses.max())):
        return _nothing(search, "the loss is the same in all rows: no slice can be worse")
    bins = [one for column in columns for one in bins_of(frame, column, search.min_rows)]
    blocks = None if times is None else _blocks(times)
    found = compare(families(bins, search.max_features, search.min_rows), losses, seed, blocks)
    if not found.parts:
        reason = f"no slice of {', '.join(columns)} has {search.min_rows} of the {len(labels)} rows"
        return _nothing(search, reason[:300])
    expected = expected_losses(objective, scores)
    weak = _weakest(found, losses, search)
    slices = tuple(_describe(place, found, losses, expected, objective, search.alpha) for place in weak)
    return SliceSearchResult(
        looked_at=len(found.parts),
        alpha=search.alpha,
        slices=slices,
        reason=_reason(len(found.parts), len(columns), len(labels), len(slices), search.alpha),
    )


def _nothing(search: SliceSearch, reason: str) -> SliceSearchResult:
    return SliceSearchResult(looked_at=0, alpha=search.alpha, slices=(), reason=reason)


def _sample(rows: int, seed: int) -> NDArray[np.int64]:
    import numpy as np

    if rows <= _MOST_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, _MOST_ROWS, replace=False))


def _blocks(times: pd.Series) -> NDArray[np.int64]:
    """The day of each row from 0 on; parts of equal length where there are fewer than 20 days, or more than 100."""
    import numpy as np
    import pandas as pd

    at = pd.to_datetime(times, utc=True)
    seconds = (at - at.min()).dt.total_seconds().to_numpy(dtype=np.float64)
    span = float(seconds.max()) or 1.0
    count = int(np.clip(span / 86_400, _LEAST_BLOCKS, _MOST_BLOCKS))
    return np.minimum((seconds / span * count).astype(np.int64), count - 1)


def _weakest(found: Comparison, losses: NDArray[np.float64], search: SliceSearch) -> list[int]:
    """The slices to report: those beyond chance, the largest lower bound first, each for rows of its own."""
    import numpy as np

    critical = found.critical(search.alpha)
    low = found.lower(search.alpha)
    order = np.argsort(-low, kind="stable")[:_MOST_VISITED]
    free = np.ones(len(losses), dtype=bool)
    kept: list[int] = []
    for place in order.tolist():
        if low[place] <= 0 or len(kept) == search.top:
            break
        mask = _rows(found.parts[place])
        if _is_new(mask, free, losses, critical, search.min_rows) and _adds(
            found.parts[place], mask, losses, critical
        ):
            kept.append(place)
            free &= ~mask
    return kept


def _rows(parts: tuple[Part, ...]) -> NDArray[np.bool_]:
    mask = parts[0].rows
    for part in parts[1:]:
        mask = mask & part.rows
    return mask


def _is_new(
    mask: NDArray[np.bool_],
    free: NDArray[np.bool_],
    losses: NDArray[np.float64],
    critical: float,
    min_rows: int,
) -> bool:
    """Whether most rows are in no slice before it, and those are worse than elsewhere by themselves."""
    own = mask & free
    enough = max(min_rows, math.ceil(int(mask.sum()) / 2))
    return int(own.sum()) >= enough and _statistic(losses[own], losses[free & ~mask]) > critical


def _adds(
    parts: tuple[Part, ...], mask: NDArray[np.bool_], losses: NDArray[np.float64], critical: float
) -> bool:
    """Whether a slice of two columns is worse than what is left of either column's slice without it."""
    return len(parts) == 1 or all(
        _statistic(losses[mask], losses[part.rows & ~mask]) > critical for part in parts
    )


def _statistic(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> float:
    """Welch's t, as a normal deviate. Without rows to compare with, all is new."""
    import numpy as np

    if len(outside) < 2:
        return math.inf
    error = math.sqrt(inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside))
    difference = float(inside.mean() - outside.mean())
    t = difference / error if error else math.copysign(math.inf, difference)
    return float(normal_deviate(np.array([t]), np.array([len(inside) - 1.0]))[0])


def _describe(
    place: int,
    found: Comparison,
    losses: NDArray[np.float64],
    expected: NDArray[np.float64] | None,
    objective: str,
    alpha: float,
) -> WeakSlice:
    mask = _rows(found.parts[place])
    text = slice_text(tuple(part.condition for part in found.parts[place]))
    loss = float(losses[mask].mean())
    return WeakSlice(
        slice=text,
        rows=int(mask.sum()),
        loss=loss,
        elsewhere=float(losses[~mask].mean()),
        low=float(found.lower(alpha)[place]),
        p_value=found.p_value(float(found.statistic[place])),
        expected=None if expected is None else float(expected[mask].mean()),
        gate=gate_line(text, objective, loss),
    )


def gate_line(text: str, objective: str, loss: float) -> str:
    """One line for ``evaluation.gates``: the slice gets no worse than it is now."""
    import yaml

    metric, value = ("log_loss", loss) if objective == "binary" else ("rmse", math.sqrt(loss))
    gate = {"metric": metric, "slice": text, "max": _rounded_up(value)}
    line = yaml.safe_dump(
        [gate], default_flow_style=True, sort_keys=False, width=math.inf, allow_unicode=True
    )
    return f"- {line.strip()[1:-1]}"


def _rounded_up(value: float) -> float:
    """Three digits, and not below the value: the model that was measured passes."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return float(f"{math.ceil(value / unit + 1e-6) * unit:.12g}")


def _reason(looked_at: int, columns: int, rows: int, kept: int, alpha: float) -> str:
    found = {0: "none is", 1: "1 is"}.get(kept, f"{kept} are")
    return (
        f"{looked_at:,} slices of {columns} columns were compared on {rows:,} rows; "
        f"{found} worse than the other rows beyond what the search finds by chance (alpha {alpha:g})"
    )
