"""What training leaves behind: the model in its framework's safe format, its code, and how to call it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from airflow_mlops.core.record import Record


class InputColumn(Record):
    """One raw column of a request: ``type`` is number, string, boolean or time (ISO 8601)."""

    name: str
    type: str


class Signature(Record):
    """What the model is called with.

    :param inputs: raw columns that a request must carry.
    :param allowed: further columns of the data that a request may carry and that this model ignores.
    :param features: names of the model's features, in order.
    :param categories: levels of each categorical feature, in the order of their codes; others are missing.
    """

    inputs: tuple[InputColumn, ...]
    allowed: tuple[str, ...] = ()
    features: tuple[str, ...]
    categories: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class FeatureCode(Record):
    """The module with the feature function, or the SQL statement, stored as a blob.

    :param function: the name of the function in the module.
    :param language: a statement has no module of its own: its name is ``features.sql``, as in the spec.
    """

    module: str
    function: str
    sha256: str
    language: Literal["python", "sql"] = "python"

    @property
    def name(self) -> str:
        """For people: ``module:function``, or ``features.sql``."""
        return f"{self.module}{'.' if self.language == 'sql' else ':'}{self.function}"


class Resampled(Record):
    """How the training part was resampled.

    :param method: ``oversample``, ``undersample`` or ``smote``.
    :param before, after: rows with label 0 and with label 1.
    :param synthetic: rows that no one has seen, made between others.
    :param offset: by how much that moved the log-odds of label 1; the model answers without it, in the natural odds.
    :param shift: by how much the log-odds were moved afterwards, so that the answers are right on average over the
        training part as it was; near 0 where no rows are synthetic.
    """

    method: str
    before: tuple[int, int]
    after: tuple[int, int]
    synthetic: int
    offset: float
    shift: float = 0.0


class ColumnLineage(Record):
    """Which raw columns each feature is made of.

    :param how: ``identity``: the raw columns are the features; ``measured``: by changing one column at a time, see
        :mod:`~airflow_mlops.core.training.column_lineage`.
    :param columns: names of raw columns by feature; none for a feature that no column changes.
    """

    how: Literal["identity", "measured"]
    columns: dict[str, tuple[str, ...]]


class TrainedModel(Record):
    """The result of a training run: everything an endpoint needs to answer, by content hash.

    :param artifact: hash of the booster as UBJSON.
    :param train_rows: labelled rows of the training part, before it was resampled.
    :param environment: hash of the lock text (``name==version`` lines) it was trained with.
    :param program: hash of the blob with the training code itself, None for versions from before it was kept.
    :param column_lineage: which raw columns each feature is made of, None where nobody could tell.
    :param machines: how many trained together, each on its share of the rows.
    :param job: the training job on SageMaker, None where the task itself trained, or an older release did.
    """

    model: str
    dataset: str
    framework: str
    artifact: str
    size: int
    code: FeatureCode | None
    signature: Signature
    objective: str
    seed: int
    rounds: int
    train_rows: int
    environment: str
    program: str | None = None
    seconds: float
    augmentation: Resampled | None = None
    machines: int = 1
    job: str | None = None
    column_lineage: ColumnLineage | None = None
