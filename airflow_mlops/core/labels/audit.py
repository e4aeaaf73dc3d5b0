"""Audit the labels of a dataset version's training part: which are likely wrong, which disagree, how they shift."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import PlatformError, SpecError
from airflow_mlops.core.labels.duplicates import find_disagreeing
from airflow_mlops.core.labels.evidence import evidence_columns, evidence_frame
from airflow_mlops.core.labels.keys import equal_rows, key_columns, row_keys
from airflow_mlops.core.labels.learners import boosted, families, out_of_fold
from airflow_mlops.core.labels.noise import MANY_ROWS, Suspects, find_suspects
from airflow_mlops.core.labels.record import LabelAudit, LabelShift
from airflow_mlops.core.labels.review import decisions_of
from airflow_mlops.core.labels.review_file import review_frame, store_review
from airflow_mlops.core.labels.shift import count, shift, shift_by_period
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from airflow_mlops.spec import Labels, ModelSpec


@dataclass(frozen=True)
class _Places:
    """Where each row of the version lies, in the order of the rows, and what names it."""

    source: NDArray[np.object_]
    content: NDArray[np.object_]
    row: NDArray[np.int64]
    key: NDArray[np.object_]

    def of(self, frame: pd.DataFrame) -> _Places:
        """The places of some rows; their index is their number in the version."""
        at = frame.index.to_numpy()
        return _Places(self.source[at], self.content[at], self.row[at], self.key[at])


@dataclass(frozen=True)
class _Found:
    """The labelled rows of the training part, and what was found out about them.

    :param features: what the models saw: the spec's features and the evidence.
    :param kept: rows whose label a reviewer confirmed.
    """

    frame: pd.DataFrame
    places: _Places
    labels: NDArray[np.float64]
    features: pd.DataFrame
    evidence: tuple[str, ...]
    kept: NDArray[np.bool_]


def audit(
    store: Store, spec: ModelSpec, version: DatasetVersion, *, progress: Progress = ignore
) -> LabelAudit:
    """Predict each label of the training part from the other rows, and rank the rows by how likely it is wrong.

    The models are XGBoost with the spec's features and parameters, and with fewer than 20,000 rows also logistic
    regression, trees and neighbours. They also see the columns of ``labels.evidence``. Only the review file is written,
    as content-addressed blobs; the same version, spec and seed give the same file.

    :raises SpecError: for a regression: a number is not right or wrong.
    :raises DataError: if columns or labels are not what the spec says, or a class is too rare to be predicted.
    :raises PlatformError: if an extra is not installed.
    """
    settings = _settings(spec)
    confident = _confident_learning()
    places, parts = _read(store, spec, version)
    found = _labelled(store, spec, version, places, parts["train"], progress)
    progress(f"predicting {len(found.labels):,} labels, each from other rows")
    probabilities = _probabilities(spec, settings, found, progress)
    numbers = found.labels.astype("int64")
    suspects = find_suspects(numbers, probabilities)
    also = confident(numbers, probabilities)
    duplicates, differ = find_disagreeing(
        equal_rows(spec, version, found.frame), found.labels, found.places.source, found.places.row
    )
    order = suspects.order[~found.kept[suspects.order]][: settings.max_suspects]
    listed = _listed(spec, version, found, suspects, order, also=also, differ=differ)
    parquet, csv = store_review(store, listed)
    low, middle, high = _precision(suspects, found.kept)
    return LabelAudit(
        model=spec.name,
        dataset=version.ref,
        rows=len(found.labels),
        suspects=int((suspects.mask & ~found.kept).sum()),
        confident_learning=int(also.sum()),
        expected_precision=middle if suspects.noise.certain else None,
        precision_low=low,
        precision_high=high,
        error_rate=suspects.noise.rate,
        error_rate_low=suspects.noise.low,
        error_rate_high=suspects.noise.high,
        certain=suspects.noise.certain,
        kept=int(found.kept.sum()),
        evidence=found.evidence,
        duplicates=duplicates,
        shifts=_shifts(spec, parts),
        file_rows=len(listed),
        file_precision=float(suspects.score[order].mean()) if len(order) else 0.0,
        parquet=parquet,
        csv=csv,
    )


def explain(result: LabelAudit) -> str:
    """One line: how many suspects, how many of them are expected to be errors, and where the file is."""
    if result.precision_high is None:
        told = "no label is more likely wrong than right"
    elif result.expected_precision is not None:
        told = (
            f"{result.suspects:,} labels are suspected, of which {result.expected_precision:.0%} are expected to be "
            f"wrong ({result.precision_low or 0:.0%} to {result.precision_high:.0%})"
        )
    else:
        told = (
            f"{result.suspects:,} labels are suspected, of which at most {result.precision_high:.0%} are expected to "
            "be wrong: no rows are clear enough to tell errors from natural noise; name columns that are known after "
            "the outcome in labels.evidence"
        )
    rate = f"{result.error_rate:.1%}" if result.certain else f"at most {result.error_rate_high:.1%}"
    return (
        f"{told}; estimated error rate {rate} of {result.rows:,} labels; {result.duplicates.groups:,} groups of equal "
        f"rows disagree; review file {result.csv[:12]} with {result.file_rows:,} rows"
    )


def exceeds(result: LabelAudit, limit: float | None) -> bool:
    """Whether the estimated error rate is above the limit. An upper bound that nature may explain stops nothing."""
    return limit is not None and result.certain and result.error_rate > limit


def _settings(spec: ModelSpec) -> Labels:
    from airflow_mlops.spec.learning import Labels as Section

    if spec.training.objective != "binary":
        raise SpecError(
            "labels can be audited for a binary objective only",
            given=f"training.objective {spec.training.objective}",
            remedy="remove labels from the spec; a number is not right or wrong, look at the largest errors instead",
        )
    return spec.labels or Section()


def _confident_learning() -> Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.bool_]]:
    """Plain confident learning, beside which ours is shown."""
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        raise PlatformError(
            "the label audit needs cleanlab", remedy="pip install 'airflow-mlops[xgboost,audit]'"
        ) from None

    def find(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = find_label_issues(labels, probabilities, n_jobs=1)
        return mask

    return find


def _read(
    store: Store, spec: ModelSpec, version: DatasetVersion
) -> tuple[_Places, Mapping[str, pd.DataFrame]]:
    """The places of all rows, and the parts of the split."""
    import numpy as np

    from airflow_mlops.core.data.reading import read_rows
    from airflow_mlops.core.data.split import split_by_time
    from airflow_mlops.core.training.run import inputs_of

    inputs_of(spec, version)
    columns = [*key_columns(spec), spec.data.label, *evidence_columns(spec, version)]
    rows = read_rows(store, version, list(dict.fromkeys(columns)))
    sources, contents = (
        np.array([getattr(file, name) for file in version.files], dtype=object)
        for name in ("source", "sha256")
    )
    keys = row_keys(spec, version, rows.frame).to_numpy(dtype=object)
    split = split_by_time(rows.frame, spec.data.event_time, spec.split)
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    return (
        _Places(sources[rows.file], contents[rows.file], rows.row, keys),
        {name: part for name, part in parts.items() if part is not None},
    )


def _labelled(
    store: Store,
    spec: ModelSpec,
    version: DatasetVersion,
    places: _Places,
    train: pd.DataFrame,
    progress: Progress,
) -> _Found:
    import numpy as np
    import pandas as pd

    from airflow_mlops.core.training.features import source_of
    from airflow_mlops.core.training.run import inputs_of, labelled_rows

    rows = labelled_rows(train, spec, inputs_of(spec, version), source_of(spec.features), "train", progress)
    frame = train[train[spec.data.label].notna()]
    here = places.of(frame)
    more = evidence_frame(frame, evidence_columns(spec, version), version, rows.labels)
    named = more.rename(columns={name: f"evidence {name}" for name in more.columns})
    kept = {one.key for one in decisions_of(store, version) if one.kept}
    return _Found(
        frame=frame,
        places=here,
        labels=rows.labels,
        features=pd.concat([rows.features, named], axis=1),
        evidence=tuple(more.columns),
        kept=np.array([key in kept for key in here.key], dtype=bool),
    )


def _probabilities(
    spec: ModelSpec, settings: Labels, found: _Found, progress: Progress
) -> NDArray[np.float64]:
    from airflow_mlops.core.training.artifact import Signature
    from airflow_mlops.core.training.matrix import feature_types, frame_matrix, learn_categories

    categories = learn_categories(found.features, spec.features.categorical)
    signature = Signature(inputs=(), features=tuple(found.features.columns), categories=categories)
    types = feature_types(signature)
    learners = [boosted(spec.training, types)]
    if len(found.labels) < MANY_ROWS:
        learners += families([place for place, kind in enumerate(types) if kind == "c"], spec.training.seed)
    return out_of_fold(
        frame_matrix(found.features, signature),
        found.labels.astype("int64"),
        learners,
        folds=settings.folds,
        seed=spec.training.seed,
        progress=progress,
    )


def _precision(
    suspects: Suspects, kept: NDArray[np.bool_]
) -> tuple[float | None, float | None, float | None]:
    """Lower end, value and upper end for the suspects that nobody has confirmed."""
    left = suspects.mask & ~kept
    if suspects.precision is None or not left.any():
        return None, None, None
    share, low, high = suspects.precision
    moved = float(suspects.score[left].mean()) - share
    return tuple(min(1.0, max(0.0, one + moved)) for one in (low, share, high))  # type: ignore[return-value]


def _listed(
    spec: ModelSpec,
    version: DatasetVersion,
    found: _Found,
    suspects: Suspects,
    order: NDArray[np.int64],
    *,
    also: NDArray[np.bool_],
    differ: NDArray[np.bool_],
) -> pd.DataFrame:
    """The rows of the review file, the likeliest error first."""
    import numpy as np
    import pandas as pd

    frame, given = found.frame.iloc[order], found.labels[order].astype("int64")
    reasons = [
        f"label {label} is wrong with probability {score:.2f}"
        + ("; confident learning names it too" if named else "")
        + ("; equal rows have another label" if equal else "")
        for label, score, named, equal in zip(
            given, suspects.score[order], also[order], differ[order], strict=True
        )
    ]
    ids = frame[spec.data.id].astype(str) if spec.data.id else pd.Series("", index=frame.index)
    listed = pd.DataFrame(
        {
            "dataset": f"{version.name}@{version.id}",
            "source": found.places.source[order],
            "content": found.places.content[order],
            "row": found.places.row[order],
            "row_key": found.places.key[order],
            "id": ids,
            "event_time": pd.to_datetime(frame[spec.data.event_time], utc=True).map(lambda t: t.isoformat()),
            "given_label": given,
            "suggested_label": suspects.suggested[order],
            "score": np.round(suspects.score[order], 4),
            "reason": reasons,
        },
        index=frame.index,
    )
    return review_frame(listed, frame[list(spec.features.columns)])


def _shifts(spec: ModelSpec, parts: Mapping[str, pd.DataFrame]) -> tuple[LabelShift, ...]:
    import pandas as pd

    from airflow_mlops.core.training.labels import labels_of

    groups, periods = [], None
    for name, part in parts.items():
        present, labels = labels_of(part, spec.data.label, "binary")
        times = pd.to_datetime(part[spec.data.event_time], utc=True)[present]
        if not len(labels):
            continue
        groups.append(count(name, times, labels))
        if name == "train":
            periods = shift_by_period(times, labels)
    return tuple(one for one in (periods, shift("part", groups)) if one is not None)
