"""What the model sees, and how it is fitted."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from airflow_mlops.core.section import Section
from airflow_mlops.spec.data import check_below_root
from airflow_mlops.spec.duration import Duration


class Leakage(Section):
    """Which features predict too well to be true, or change when the future is cut off."""

    max_auc: float = Field(
        0.85,
        gt=0.5,
        le=1,
        description="A single feature that ranks labels better than this knows the outcome.",
    )
    severity: Literal["fail", "warn"] = "fail"


class Features(Section):
    """What the model sees: raw columns that a request carries, and one function or SQL statement over them."""

    columns: tuple[str, ...] = Field(min_length=1, description="Raw columns that the function gets.")
    function: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="module:function, pandas in and out, a row for each row; without one, the raw columns.",
    )
    sql: str | None = Field(
        None,
        min_length=1,
        description="SELECT ... FROM rows, in DuckDB's SQL, a row for each row; instead of a function.",
    )
    categorical: tuple[str, ...] = Field((), description="Feature columns to treat as categories.")
    leakage: Leakage | None = Field(None, description="Looks for features that know the outcome.")

    @model_validator(mode="after")
    def _one_way(self) -> Features:
        if self.function is not None and self.sql is not None:
            raise ValueError("features are a function or sql, not both")
        return self


class Split(Section):
    """Split by event time: the newest rows test, the rows before them stop the training early."""

    test: Duration = Field(
        timedelta(days=30), description="Length of the newest part, held out for evaluation."
    )
    validation: Duration | None = Field(None, description="Length of the part before it, for early stopping.")


class Augmentation(Section):
    """More rows of rare classes, in the training part only."""

    method: Literal["oversample", "undersample", "smote"] = Field(
        description="Repeat rare rows, leave out common ones, or make rare ones between neighbours (SMOTE-NC)."
    )
    ratio: float = Field(
        1.0, gt=0, le=1, description="Rows of the rare class for each of the common one, afterwards."
    )
    neighbours: int = Field(5, ge=1, le=100, description="Neighbours that smote works with.")


class Training(Section):
    """How the model is fitted."""

    objective: Literal["binary", "regression"] = "binary"
    rounds: int = Field(200, ge=1, le=100_000, description="Boosting rounds.")
    early_stopping: int | None = Field(None, ge=1, description="Stop after so many rounds without gain.")
    seed: int = Field(0, ge=0, le=2**31 - 1)
    params: dict[str, float | int | str | bool] = Field(
        default_factory=dict, description="XGBoost parameters, e.g. max_depth."
    )
    augmentation: Augmentation | None = None

    @model_validator(mode="after")
    def _own_fields(self) -> Training:
        taken = {"objective", "seed", "random_state", "num_boost_round", "nthread"} & set(self.params)
        if taken:
            raise ValueError(
                f"params can't set {', '.join(sorted(taken))}: they have fields of their own or are fixed"
            )
        if self.augmentation is not None and self.objective != "binary":
            raise ValueError("augmentation is about rare classes; a regression has none")
        return self


class Labels(Section):
    """Looks for label errors in the training part, and writes a file for people to review."""

    folds: int = Field(5, ge=2, le=20, description="Parts of the cross-validation that predicts each row.")
    max_suspects: int = Field(1000, ge=1, description="Most rows in the review file, the likeliest first.")
    max_error_rate: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Stop the release if more labels than this share are estimated to be wrong.",
    )
    evidence: tuple[str, ...] | None = Field(
        None,
        description="Columns beside the features that the audit looks at, such as those known only after the outcome; "
        "without it all that are numbers, booleans or short lists of texts, [] for none.",
    )
    review: str | None = Field(
        None, description="Folder below the data root that holds reviewed files (.csv, .parquet) to apply."
    )

    @model_validator(mode="after")
    def _below(self) -> Labels:
        if self.review is not None:
            check_below_root(self.review, "review is a folder that")
        return self
