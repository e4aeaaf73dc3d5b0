"""Train a model on a dataset version: the same version, spec and seed give the same bytes."""

from __future__ import annotations

import difflib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError, TrainingError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.training.artifact import InputColumn, Signature, TrainedModel
from airflow_mlops.core.training.augmentation import augment
from airflow_mlops.core.training.base import Fitted, Part, Trainer
from airflow_mlops.core.training.centring import centre
from airflow_mlops.core.training.column_lineage import lineage_of_features
from airflow_mlops.core.training.environment import environment_lock
from airflow_mlops.core.training.features import (
    FeatureSource,
    compile_function,
    compute,
    require_row_independence,
    source_of,
    store_source,
)
from airflow_mlops.core.training.inputs import input_column, raw_frame
from airflow_mlops.core.training.labels import labels_of, require_two_values
from airflow_mlops.core.training.matrix import feature_types, frame_matrix, learn_categories
from airflow_mlops.core.training.program import put_program
from airflow_mlops.core.training.xgboost_trainer import XGBoostTrainer

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from airflow_mlops.spec import ModelSpec


@dataclass(frozen=True)
class Rows:
    """Labelled rows of one part: the features' frame and the labels."""

    features: pd.DataFrame
    labels: NDArray[np.float64]


def train(
    store: Store,
    spec: ModelSpec,
    version: DatasetVersion,
    *,
    progress: Progress = ignore,
    trainer: Trainer | None = None,
    source: FeatureSource | None = None,
) -> TrainedModel:
    """Fit the spec's model on the training part of ``version``; rows without a label are left out.

    Only content-addressed blobs are written (artifact, feature code, environment, and our own code), so a training
    that dies leaves nothing half done and one that is repeated stores nothing twice.

    :param trainer: where and how to fit; XGBoost in this process by default.
    :param source: feature code to use instead of the module that the spec names, e.g. that of an earlier
        version.
    :raises DataError: if columns or labels are not what the spec says.
    :raises FeatureError: if the feature function is missing, breaks its contract, or is not row by row.
    :raises TrainingError: if a parameter is unknown or the framework refuses.
    """
    started = time.monotonic()
    _require_validation(spec)
    inputs = inputs_of(spec, version)
    source = source or source_of(spec.features)
    parts = _split(store, spec, version, inputs)
    rows = {name: labelled_rows(frame, spec, inputs, source, name, progress) for name, frame in parts.items()}
    fitted, signature = fit_rows(spec, version, inputs, rows, trainer=trainer, progress=progress)
    return TrainedModel(
        model=spec.name,
        dataset=version.id,
        framework=fitted.framework,
        artifact=put_bytes(store, fitted.artifact),
        size=len(fitted.artifact),
        code=store_source(store, source) if source else None,
        signature=signature,
        objective=spec.training.objective,
        seed=spec.training.seed,
        rounds=fitted.rounds,
        train_rows=len(rows["train"].labels),
        environment=put_bytes(store, environment_lock().encode()),
        program=put_program(store),
        seconds=time.monotonic() - started,
        augmentation=fitted.augmentation,
        column_lineage=lineage_of_features(source, inputs, parts["train"], signature.features, progress),
    )


def fit_rows(
    spec: ModelSpec,
    version: DatasetVersion,
    inputs: tuple[InputColumn, ...],
    rows: Mapping[str, Rows],
    *,
    trainer: Trainer | None = None,
    progress: Progress = ignore,
) -> tuple[Fitted, Signature]:
    """Fit on rows whose features are there already, and say how the model is called; nothing is stored.

    :param rows: of the parts ``train`` and, where there is one, ``validation``.
    :raises FeatureError: if a feature is of a kind that a model can't take.
    :raises TrainingError: if a parameter is unknown or the framework refuses.
    """
    signature = _signature(spec, version, inputs, rows["train"].features)
    parts = {name: Part(frame_matrix(one.features, signature), one.labels) for name, one in rows.items()}
    types = tuple(feature_types(signature))
    part, resampled = augment(parts["train"], spec.training, types, progress)
    progress(f"fitting on {len(part.labels):,} rows x {len(signature.features)} features")
    fitted = (trainer or XGBoostTrainer()).fit(
        spec.training,
        part,
        parts.get("validation"),
        names=signature.features,
        types=types,
        progress=progress,
    )
    if resampled is not None and resampled.offset:
        fitted, shift = centre(fitted, parts["train"])
        resampled = resampled.model_copy(update={"shift": shift})
    return replace(fitted, augmentation=resampled), signature


def _require_validation(spec: ModelSpec) -> None:
    if spec.training.early_stopping is not None and spec.split.validation is None:
        raise TrainingError(
            "training.early_stopping has nothing to stop by",
            given=f"{spec.training.early_stopping} rounds and no split.validation",
            remedy="set split.validation, e.g. 14d",
        )


def inputs_of(spec: ModelSpec, version: DatasetVersion) -> tuple[InputColumn, ...]:
    """The raw columns of the spec and what a request must carry for them.

    :raises DataError: if the version lacks a column that the spec names, or the label is among the raw columns.
    """
    columns = {column.name: column for column in version.columns}
    wanted = {
        "features.columns": spec.features.columns,
        "data.label": (spec.data.label,),
        "data.event_time": (spec.data.event_time,),
    }
    for field, names in wanted.items():
        for name in names:
            if name not in columns:
                near = difflib.get_close_matches(name, columns, n=1)
                raise DataError(
                    f"{field} names a column that the data lack",
                    given=name,
                    expected=f"did you mean {near[0]}?" if near else ", ".join(columns)[:300],
                )
    if spec.data.label in spec.features.columns:
        raise DataError(
            "label is among features.columns",
            given=spec.data.label,
            expected="columns known before the outcome",
        )
    return tuple(input_column(columns[name]) for name in spec.features.columns)


def _split(
    store: Store, spec: ModelSpec, version: DatasetVersion, inputs: tuple[InputColumn, ...]
) -> dict[str, pd.DataFrame]:
    from airflow_mlops.core.data.reading import read_frame
    from airflow_mlops.core.data.split import split_by_time

    needed = dict.fromkeys([spec.data.event_time, spec.data.label, *(column.name for column in inputs)])
    frame = read_frame(store, version, columns=list(needed))
    split = split_by_time(frame, spec.data.event_time, spec.split)
    parts = {"train": split.train}
    if split.validation is not None:
        parts["validation"] = split.validation
    return parts


def labelled_rows(
    frame: pd.DataFrame,
    spec: ModelSpec,
    inputs: tuple[InputColumn, ...],
    source: FeatureSource | None,
    part: str,
    progress: Progress,
) -> Rows:
    """The features and labels of the rows that have a label.

    :param part: name of the part, for messages; the features of ``train`` are checked to be made row by row.
    :raises DataError: if the labels are not what the objective asks for, or there are not two different ones.
    :raises FeatureError: if the feature function breaks its contract.
    """
    present, labels = labels_of(frame, spec.data.label, spec.training.objective)
    if dropped := int((~present).sum()):
        progress(f"{dropped} of {len(frame)} rows of the {part} part have no label and are left out")
    require_two_values(labels, spec.data.label, part)
    raw = raw_frame(frame[present], inputs)
    if source is None:
        return Rows(raw, labels)
    function = compile_function(source, inputs)
    # A function may change what it is given; the check needs the rows as they were.
    features = compute(function, source.name, raw.copy())
    if part == "train":
        require_row_independence(function, source.name, raw, features)
    return Rows(features, labels)


def _signature(
    spec: ModelSpec, version: DatasetVersion, inputs: tuple[InputColumn, ...], features: pd.DataFrame
) -> Signature:
    taken = {column.name for column in inputs} | {spec.data.label}
    return Signature(
        inputs=inputs,
        allowed=tuple(column.name for column in version.columns if column.name not in taken),
        features=tuple(features.columns),
        categories=learn_categories(features, spec.features.categorical),
    )
