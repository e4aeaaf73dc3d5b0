"""The sections of the report beside the analyses: verdict, gates, metrics, slices, and where it all comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.drawing import html
from airflow_mlops.core.drawing.axes import number_text
from airflow_mlops.core.drawing.html import Markup
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.gates import HIGHER_IS_BETTER, GateResult
from airflow_mlops.spec import ModelSpec

_WORDS = {"pass": "passed", "fail": "failed", "inconclusive": "undecided"}
_NOTHING = "\N{EM DASH}"
#: Metrics beside each other in the table of slices.
_METRICS = 3
_MOST_ROWS = 200


def number(value: float | None) -> str:
    """Four significant digits; a dash for what was not measured."""
    return _NOTHING if value is None else f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


def verdict(evaluation: Evaluation) -> Markup:
    """The first line: passed, or refused and by which gates."""
    count = len(evaluation.gates)
    if evaluation.passed:
        told = f"{'The gate' if count == 1 else f'All {count} gates'} passed on {evaluation.rows:,} held-out rows."
        return _told("pass", "Passed.", told)
    if not count:
        return _told("fail", "Refused.", "No gate was evaluated: nothing passes unjudged.")
    refusing = [result for result in evaluation.gates if not result.passed]
    details = "; ".join(f"{result.gate.name} {result.reason}" for result in refusing)
    return _told("fail", "Refused.", f"{len(refusing)} of {count} gates refuse: {details}")


def _told(look: str, heading: str, words: str) -> Markup:
    return html.tag("p", html.join([html.tag("strong", heading), words]), class_=f"verdict {look}")


def gates(evaluation: Evaluation) -> Markup:
    """What each gate said."""
    rows = [
        (
            result.gate.name,
            html.cell(_WORDS[result.outcome], result.outcome),
            result.gate.limit_text,
            result.reason,
            html.cell(number(result.value), "n"),
            html.cell(number(result.champion), "n"),
            html.cell("" if result.samples is None else f"{result.samples:,}", "n"),
        )
        for result in evaluation.gates
    ]
    head = ("gate", "outcome", "limit", "why", "value", "champion", "rows")
    return html.table("Gates: what has to hold before the model is registered", head, rows, numbers=3)


def metrics(evaluation: Evaluation) -> Markup:
    """Every metric beside the champion's on the same rows."""
    rival = evaluation.champion
    caption = f"Metrics of {evaluation.rows:,} held-out rows"
    if rival is None:
        rows = [(name, _direction(name), number(value)) for name, value in evaluation.metrics.items()]
        return html.table(
            f"{caption}; there is no champion", ("metric", "better is", "value"), rows, numbers=1
        )
    compared = [
        (
            name, _direction(name), number(value), number(rival.get(name)),
            _toned(_difference(name, value, rival.get(name))), _interval(evaluation.gates, name),
        )
        for name, value in evaluation.metrics.items()
    ]  # fmt: skip
    head = ("metric", "better is", "value", f"champion, version {evaluation.champion_version}", "difference",
            "95 % interval of worse-by")  # fmt: skip
    return html.table(f"{caption}, both models on the same rows", head, compared, numbers=4)


def slices(evaluation: Evaluation) -> Markup:
    """The metrics of each slice."""
    chosen = _chosen(evaluation)
    shown = evaluation.slices[:_MOST_ROWS]
    rows = [
        (one.slice, f"{one.rows:,}", *(_beside(name, one.metrics, one.champion) for name in chosen))
        for one in shown
    ]
    more = len(evaluation.slices) - len(shown)
    note = f" ({more:,} more are in the record)" if more > 0 else ""
    caption = f"Slices: the largest values of each column; in brackets against the champion{note}"
    return html.table(caption, ("slice", "rows", *chosen), rows, numbers=len(chosen) + 1)


def provenance(
    evaluation: Evaluation, spec: ModelSpec | None, dataset: DatasetVersion | None, run: str | None
) -> Markup:
    """What was evaluated, on what, and by which run."""
    pairs: list[tuple[str, object]] = []
    if spec is not None:
        pairs += [
            ("model", spec.name),
            ("objective", spec.training.objective),
            ("seed", spec.training.seed),
            ("features", spec.features.function or ", ".join(spec.features.columns)),
        ]
    if evaluation.artifact is not None:
        pairs.append(("artifact (SHA-256)", html.tag("code", evaluation.artifact)))
    if evaluation.champion_version is not None:
        pairs.append(("champion", f"version {evaluation.champion_version}"))
    if dataset is not None:
        pairs += [
            ("dataset version", html.tag("code", f"{dataset.name}@{dataset.id}")),
            ("its rows", f"{dataset.rows:,} in {len(dataset.files):,} files"),
            ("its events", f"{dataset.first_event.isoformat()} to {dataset.last_event.isoformat()}"),
        ]
        if dataset.derivation is not None:
            pairs.append(("it was made by", dataset.derivation.note))
    if run is not None:
        pairs.append(("run", run))
    return html.listing(pairs)


def _chosen(evaluation: Evaluation) -> Sequence[str]:
    """The metrics of the gates first, then the others."""
    wanted = [result.gate.metric for result in evaluation.gates]
    names = dict.fromkeys([*wanted, *evaluation.metrics])
    return [name for name in names if name in evaluation.metrics][:_METRICS]


def _direction(name: str) -> str:
    return "higher" if name in HIGHER_IS_BETTER else "lower"


def _beside(name: str, ours: Mapping[str, float], rival: Mapping[str, float] | None) -> Markup:
    """A cell with the value, and in brackets its difference from the champion's."""
    difference = _difference(name, ours.get(name), (rival or {}).get(name))
    return html.cell(html.join([number(ours.get(name)), *([f"({difference})"] if difference else [])]), "n")


def _difference(name: str, value: float | None, rival: float | None) -> str:
    """Signed, and in words, since a sign alone does not say what is better; empty if one is not known."""
    if value is None or rival is None:
        return ""
    difference = value - rival
    if difference == 0:
        return "same"
    better = (difference > 0) == (name in HIGHER_IS_BETTER)
    sign = "+" if difference > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(difference):.3g} {'better' if better else 'worse'}"


def _toned(difference: str) -> Markup:
    """A cell in the colour of what it says."""
    return html.cell(difference or _NOTHING, f"n {difference.rpartition(' ')[2]}".strip())


def _interval(results: Sequence[GateResult], name: str) -> str:
    """The interval of the gate that holds this metric, on all rows, against the champion."""
    for result in results:
        gate = result.gate
        if (
            gate.metric == name
            and gate.margin is not None
            and gate.slice is None
            and result.interval is not None
        ):
            low, high = result.interval
            return f"{number_text(low, 4)} to {number_text(high, 4)}"
    return _NOTHING
