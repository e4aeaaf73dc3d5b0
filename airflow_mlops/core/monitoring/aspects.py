"""The ways in which one column may have moved, each tested."""

from __future__ import annotations

from collections.abc import Callable

from airflow_mlops.core.monitoring.report import Aspect, Movement
from airflow_mlops.core.monitoring.sample import Categories, Numbers, Sample
from airflow_mlops.core.monitoring.two_sample.categories import compare_categories
from airflow_mlops.core.monitoring.two_sample.change import Change
from airflow_mlops.core.monitoring.two_sample.numbers import compare_numbers
from airflow_mlops.core.monitoring.two_sample.unseen import compare_range, compare_unseen
from airflow_mlops.core.validation.checks_statistics import two_shares_p


def movements(reference: Sample, current: Sample, *, vanished: bool = False) -> tuple[Movement, ...]:
    """Every aspect that can be compared, the largest effect first; none where the reference has no row.

    Of two samples of different kinds only the missing values are compared.

    :param vanished: no live row carries the column: all its values are missing in ``current``.
    """
    if not reference.rows or not current.rows:
        return ()
    found = _missing(reference, current, "vanished" if vanished else "missing")
    if isinstance(reference, Numbers) and isinstance(current, Numbers) and _present(reference, current):
        found += _values(compare_numbers(reference.values, current.values))
        found += _range(compare_range(reference.values, current.values))
    if isinstance(reference, Categories) and isinstance(current, Categories) and _vary(reference, current):
        found += _values(compare_categories(reference.counts, current.counts))
        found += _unseen(compare_unseen(reference.counts, current.counts))
    return tuple(sorted(found, key=lambda one: (-one.effect, one.p_value)))


def _present(reference: Numbers, current: Numbers) -> bool:
    return len(reference.values) > 0 and len(current.values) > 0


def _vary(reference: Categories, current: Categories) -> bool:
    both = {*reference.counts, *current.counts}
    return bool(reference.counts and current.counts) and len(both) > 1


def _missing(reference: Sample, current: Sample, aspect: Aspect) -> list[Movement]:
    """Two proportions: chi-square, or Fisher's exact test where counts are small."""
    missing = (reference.missing, current.missing)
    if not sum(missing) or sum(missing) == reference.rows + current.rows:
        return []
    before, now = reference.missing / reference.rows, current.missing / current.rows
    p_value = two_shares_p(reference.missing, reference.rows, current.missing, current.rows)
    said = "vanished: no live row carries it" if aspect == "vanished" else f"missing {_change(before, now)}"
    return [
        Movement(
            aspect=aspect, p_value=p_value, effect=abs(now - before), reference=before, current=now, said=said
        )
    ]


def _values(change: Change) -> list[Movement]:
    return [_movement("values", change, lambda told: f"{change.where} {told}")]


def _range(change: Change) -> list[Movement]:
    return [_movement("range", change, lambda _: f"outside of {change.where} {share(change.current)}")]


def _unseen(change: Change) -> list[Movement]:
    examples = f" ({change.where})" if change.where else ""
    return [_movement("new values", change, lambda told: f"never seen before {told}{examples}")]


def _movement(aspect: Aspect, change: Change, say: Callable[[str], str]) -> Movement:
    return Movement(
        aspect=aspect,
        p_value=change.p_value,
        effect=min(1.0, change.effect),
        reference=change.reference,
        current=change.current,
        said=say(_change(change.reference, change.current)),
    )


def _change(before: float, now: float) -> str:
    return f"{share(before)} -> {share(now)}"


def share(value: float) -> str:
    """A share in per cent, with a digit behind the point where it is small."""
    return f"{value:.1%}" if 0 < value < 0.0995 else f"{value:.0%}"
