"""Whether the groups of a column are treated alike: how often the answer is yes, and how often rightly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import DataError, PlatformError
from airflow_mlops.core.evaluation.analysis import Fairness, GroupMetrics
from airflow_mlops.core.evaluation.metrics import measure
from airflow_mlops.core.evaluation.slices import slice_column, values_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

#: Groups with fewer rows are not compared.
MIN_GROUP_ROWS = 50
#: A rate among fewer positives (or negatives) of a group says nothing.
_MIN_OUTCOMES = 10
_MOST_GROUPS = 200


@dataclass(frozen=True)
class Groups:
    """The groups of a column that are large enough.

    :param codes: the group of each row, -1 for a row of a group that is too small.
    :param names: of the groups, in the order of their values.
    """

    codes: NDArray[np.int64]
    names: tuple[str, ...]


def groups_of(frame: pd.DataFrame, column: str) -> Groups:
    """The groups of a column; rows without a value are one, too.

    :raises DataError: if the column can't be grouped by, or has more than 200 groups.
    """
    import numpy as np
    import pandas as pd

    places, texts = pd.factorize(values_of(slice_column(frame, column)), sort=True)
    kept = np.flatnonzero(np.bincount(places, minlength=len(texts)) >= MIN_GROUP_ROWS)
    if len(kept) > _MOST_GROUPS:
        raise DataError(
            f"column {column} has too many groups to compare",
            given=len(kept),
            expected=f"at most {_MOST_GROUPS}",
        )
    table = np.full(len(texts) + 1, -1)
    table[kept] = np.arange(len(kept))
    return Groups(table[places], tuple(str(texts[place]) for place in kept.tolist()))


def compare_groups(
    column: str, groups: Groups, labels: NDArray[np.float64], scores: NDArray[np.float64], threshold: float
) -> Fairness | None:
    """Rates and metrics of each group, and the largest differences between two of them, by fairlearn.

    Demographic parity asks for equal rates of yes, equalized odds for equal rates of yes among the positives and
    among the negatives (the larger of both differences). Hardt, Price and Srebro, "Equality of opportunity in
    supervised learning", 2016. A rate among fewer than 10 positives (negatives) of a group is left out.

    :param threshold: score from which the answer is yes.
    :returns: None if a score is not finite.
    :raises PlatformError: if fairlearn is not installed.
    """
    import numpy as np

    metric_frame = _fairlearn()
    if not np.isfinite(scores).all():
        return None
    inside = groups.codes >= 0
    left_out = int((~inside).sum())
    if not inside.any():
        return Fairness(
            column=column,
            groups=(),
            demographic_parity_difference=None,
            equalized_odds_difference=None,
            left_out=left_out,
        )
    table = metric_frame(
        metrics=_RATES,
        y_true=labels[inside],
        y_pred=(scores[inside] >= threshold).astype(np.float64),
        sensitive_features=np.asarray(groups.names, dtype=object)[groups.codes[inside]],
    )
    differences = table.difference() if len(groups.names) > 1 else dict.fromkeys(_RATES)
    odds = [_finite(differences[name]) for name in ("true_positive_rate", "false_positive_rate")]
    return Fairness(
        column=column,
        groups=tuple(
            _group(name, table.by_group.loc[name], groups.codes == place, labels, scores)
            for place, name in enumerate(groups.names)
        ),
        demographic_parity_difference=_finite(differences["selection_rate"]),
        equalized_odds_difference=max((one for one in odds if one is not None), default=None),
        left_out=left_out,
    )


def fairness_difference(
    metric: str, groups: Groups, labels: NDArray[np.float64], yes: NDArray[np.bool_]
) -> float | None:
    """The same difference by counting alone, for the many draws of a bootstrap; None where it is not defined."""
    import numpy as np

    inside = groups.codes >= 0
    codes, positive, yes = groups.codes[inside], labels[inside] == 1.0, yes[inside]
    count = len(groups.names)
    wanted = (
        [np.ones(len(codes), dtype=bool)]
        if metric == "demographic_parity_difference"
        else [positive, ~positive]
    )
    least = 1 if metric == "demographic_parity_difference" else _MIN_OUTCOMES
    found: list[float] = []
    for rows in wanted:
        totals = np.bincount(codes[rows], minlength=count)
        hits = np.bincount(codes[rows & yes], minlength=count)
        rates = hits[totals >= least] / totals[totals >= least]
        if len(rates) > 1:
            found.append(float(rates.max() - rates.min()))
    return max(found, default=None)


def require_fairlearn() -> None:
    """Check that the comparison of groups can run. :raises PlatformError: if fairlearn is not installed."""
    _fairlearn()


def _fairlearn() -> Any:
    try:
        from fairlearn.metrics import MetricFrame
    except ImportError:
        raise PlatformError(
            "groups can't be compared: fairlearn is not installed",
            remedy="pip install 'airflow-mlops[audit]'",
        ) from None
    return MetricFrame


def _selection_rate(_: Any, answers: Any) -> float:
    import numpy as np

    return float(np.mean(answers))


def _true_positive_rate(labels: Any, answers: Any) -> float:
    return _rate_where(labels, answers, 1.0)


def _false_positive_rate(labels: Any, answers: Any) -> float:
    return _rate_where(labels, answers, 0.0)


def _rate_where(labels: Any, answers: Any, outcome: float) -> float:
    import numpy as np

    chosen = np.asarray(answers)[np.asarray(labels) == outcome]
    return float(chosen.mean()) if len(chosen) >= _MIN_OUTCOMES else float("nan")


_RATES: dict[str, Callable[[Any, Any], float]] = {
    "selection_rate": _selection_rate,
    "true_positive_rate": _true_positive_rate,
    "false_positive_rate": _false_positive_rate,
}


def _group(
    name: str, rates: Any, mask: NDArray[np.bool_], labels: NDArray[np.float64], scores: NDArray[np.float64]
) -> GroupMetrics:
    return GroupMetrics(
        group=name,
        rows=int(mask.sum()),
        selection_rate=float(rates["selection_rate"]),
        true_positive_rate=_finite(rates["true_positive_rate"]),
        false_positive_rate=_finite(rates["false_positive_rate"]),
        metrics=measure("binary", labels[mask], scores[mask]),
    )


def _finite(value: Any) -> float | None:
    import math

    return float(value) if value is not None and math.isfinite(float(value)) else None
