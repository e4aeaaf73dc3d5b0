"""Looks for sensitive values in all columns of a dataset version.

Arrow runs a regular expression on the distinct values of each batch; only what passes is examined exactly, and where
that is much, a sample of it with a fixed seed: about :data:`MOST_VALUES` different values of each column, spread over
the version. Shares and counts are then estimates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_mlops.core.data.reading import read_batches
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.validation.mask import mask
from airflow_mlops.core.validation.privacy_finding import Finding
from airflow_mlops.core.validation.privacy_form import Form, Seen, Verdict, look
from airflow_mlops.core.validation.privacy_names import hints
from airflow_mlops.core.validation.privacy_values import candidates, leaves
from airflow_mlops.spec.data import SensitiveKind

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


#: Different values of a column that are examined; the least of a batch, so that each batch is looked at.
MOST_VALUES = 5_000
_LEAST_OF_BATCH = 100
#: Signs of a batch's values of a column that are examined, and of a single value.
_MOST_SIGNS = 4_000_000
_MOST_OF_VALUE = 200_000
_SEED = 0
_EXAMPLES = 3


def scan(store: Store, version: DatasetVersion, forms: Sequence[Form], share: float) -> tuple[Finding, ...]:
    """The kinds that more than ``share`` of a column's values hold, in the order of the columns. Memory: one batch."""
    import numpy as np

    columns = {column.name: _Column(column.name, forms) for column in version.columns}
    rng = np.random.default_rng(_SEED)
    done = 0
    for batch in read_batches(store, version):
        part = len(batch) / max(1, version.rows - done)  # of what is still to come
        done += len(batch)
        for name, column in columns.items():
            for values in leaves(batch.column(name)):
                column.update(values, rng, part)
    return tuple(finding for column in columns.values() for finding in column.findings(share))


class _Column:
    """What was seen in one column so far."""

    def __init__(self, name: str, forms: Sequence[Form]) -> None:
        self._name = name
        self._hints = hints(name)
        self._all = forms
        self._forms = [
            (number, form) for number, form in enumerate(forms) if not form.hinted or form.kind in self._hints
        ]
        self._seen: dict[int, Seen] = {}
        self._known: dict[int, dict[int, Verdict]] = {}
        self._examples: dict[int, dict[str, None]] = {}
        self._values = 0
        self._budget = MOST_VALUES

    def update(self, values: pa.Array, rng: np.random.Generator, part: float) -> None:
        """Look at more values. :param part: the share of what is still to come that these are."""
        self._values += len(values) - values.null_count
        found = candidates(values, everything=bool(self._hints))
        if found is None:
            return
        allowed = max(_LEAST_OF_BATCH, int(self._budget * part))
        chosen = found.choose(rng, allowed, _MOST_SIGNS, _MOST_OF_VALUE)
        self._budget = max(0, self._budget - len(chosen))
        scale = found.rows / max(1, sum(count for _, count in chosen))
        for text, count in chosen:
            self._examine(text, count * scale)

    def _examine(self, text: str, rows: float) -> None:
        key = hash(text)
        verdicts = self._known.get(key)
        new = verdicts is None
        if verdicts is None:
            verdicts = self._known[key] = look(text, self._forms)
        for number, verdict in verdicts.items():
            seen = self._seen.setdefault(number, Seen())
            seen.rows[verdict] += rows
            seen.values[verdict] += new
            if new and verdict is not Verdict.NO:
                shown = self._examples.setdefault(number, {})
                if len(shown) < _EXAMPLES:
                    shown[mask(text)] = None

    def findings(self, share: float) -> list[Finding]:
        """The kinds that enough values hold; forms of one label are looked for in the same values, and count once."""
        rows: dict[SensitiveKind, dict[str, float]] = {}
        shown: dict[SensitiveKind, dict[str, None]] = {}
        for number, seen in sorted(self._seen.items()):
            form = self._all[number]
            believed = seen.believed(form, form.kind in self._hints)
            if believed > 0:
                labels = rows.setdefault(form.kind, {})
                labels[form.label] = max(labels.get(form.label, 0.0), believed)
                shown.setdefault(form.kind, {}).update(self._examples.get(number, {}))
        return [
            self._finding(kind, labels, tuple(shown[kind]))
            for kind, labels in rows.items()
            if sum(labels.values()) / self._values > share
        ]

    def _finding(self, kind: SensitiveKind, labels: dict[str, float], examples: tuple[str, ...]) -> Finding:
        rows = sum(labels.values())
        return Finding(
            column=self._name,
            kind=kind,
            forms=tuple(labels),
            share=min(1.0, rows / self._values),
            count=min(self._values, max(1, round(rows))),
            examples=examples[:_EXAMPLES],
        )


__all__ = ["MOST_VALUES", "scan"]
