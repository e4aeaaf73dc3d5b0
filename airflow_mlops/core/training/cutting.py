"""What changes in the past when the future is cut off: features, joined columns, and older versions of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.reading import load_version, read_batches
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.progress import Progress
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.features import FeatureFunction, compute
from airflow_mlops.core.training.inputs import raw_frame
from airflow_mlops.core.wording import minute

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from airflow_mlops.core.training.artifact import InputColumn
    from airflow_mlops.spec import Join, ModelSpec

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SHARES = (0.25, 0.5, 0.75)
_TOLERANCE = 1e-9
#: A few rows are corrected at their source now and then; a column that looks ahead changes in many.
_CORRECTED = 0.01

#: Name, time of the cut, rows that differ, rows that were compared.
Difference = tuple[str, datetime, int, int]


def cuts_of(times: pd.Series) -> list[datetime]:
    """Times that leave a quarter, half and three quarters of the rows before them (at least one row each)."""
    import numpy as np
    import pandas as pd

    known = np.sort(pd.to_datetime(times, utc=True).dt.as_unit("us").astype("int64").to_numpy())
    found = {int(known[int(share * (len(known) - 1))]) for share in _SHARES}
    return [_EPOCH + timedelta(microseconds=cut) for cut in sorted(found) if known[0] < cut]


def changed_features(
    function: FeatureFunction | None,
    spec: ModelSpec,
    inputs: Sequence[InputColumn],
    frame: pd.DataFrame,
    cuts: Sequence[datetime],
    progress: Progress,
) -> Iterator[Difference]:
    """Features that the function computes otherwise from the rows before a cut than from all rows."""
    if function is None:
        return
    import pandas as pd

    whole = compute(function, "features", raw_frame(frame, inputs))
    times = pd.to_datetime(frame[spec.data.event_time], utc=True)
    for cut in cuts:
        progress(f"leakage: features of the rows before {minute(cut)}")
        before = (times < cut).to_numpy()
        then = compute(function, "features", raw_frame(frame[before], inputs))
        now = whole[before]
        for name in dict.fromkeys([*now.columns, *then.columns]):
            if name not in then.columns or name not in now.columns:
                yield name, cut, len(now), len(now)
            elif count := int(_differ(now[name], then[name]).sum()):
                yield name, cut, count, len(now)


def changed_joins(
    store: Store,
    root: DataRoot | None,
    spec: ModelSpec,
    version: DatasetVersion,
    cuts: Sequence[datetime],
    progress: Progress,
) -> Iterator[Difference]:
    """Joined columns that come out otherwise when rows and joined rows end at a cut.

    The join is made again from its parents, so it is the stored values that are held against the past.

    :raises DataError: if a version that was joined is gone, or the spec has other joins than the version was made by.
    """
    made = _join_of(store, root, version)
    if made is None:
        return
    joined, parents = made
    if len(parents) - 1 != len(spec.data.joins):
        raise DataError(
            f"{joined.name}@{joined.id} was joined by another spec",
            given=f"{len(parents) - 1} joined data sets",
            expected=f"{len(spec.data.joins)} as in data.joins",
            remedy="join again",
        )
    rows, *sources = parents
    for cut in cuts:
        progress(f"leakage: joins of what was known before {minute(cut)}")
        pairs = [(one, _until(source, cut)) for one, source in zip(spec.data.joins, sources, strict=True)]
        yield from _changed_joins(store, _until(joined, cut), _until(rows, cut), pairs, cut)


def changed_since(
    store: Store,
    spec: ModelSpec,
    earlier: DatasetVersion,
    version: DatasetVersion,
    columns: Sequence[str],
    notes: list[str],
    progress: Progress,
) -> Iterator[tuple[str, int, int]]:
    """Columns whose values differ in more than 1 % of the rows that an older version has as well.

    Such a column was computed over what came later, or is corrected at its source long after the event.

    :param notes: gets a line when the versions can't be compared.
    """
    from airflow_mlops.core.data.diff import diff

    if spec.data.id is None:
        notes.append("the older version was not compared: the spec names no data.id that tells rows apart")
        return
    try:
        found = diff(store, earlier, version, key=[spec.data.id], progress=progress)
    except DataError as error:
        notes.append(f"the older version was not compared: {error}")
        return
    shared = found.rows.same + (found.rows.changed or 0)
    for column in found.columns:
        if column.name in columns and shared and (column.changed or 0) > _CORRECTED * shared:
            yield column.name, column.changed or 0, shared


def _join_of(
    store: Store, root: DataRoot | None, version: DatasetVersion
) -> tuple[DatasetVersion, tuple[DatasetVersion, ...]] | None:
    """The joined version that this one is or was made of, and what was joined: the rows first."""
    while version.derivation is not None:
        refs = version.derivation.parents
        if version.derivation.kind == "join":
            return version, tuple(load_version(store, ref.name, ref.id, root=root) for ref in refs)
        version = load_version(store, refs[0].name, refs[0].id, root=root)
    return None


def _until(version: DatasetVersion, cut: datetime) -> DatasetVersion:
    """The version as if it had ended before ``cut``."""
    until = min(cut, version.until) if version.until else cut
    return version.model_copy(update={"until": until})


def _changed_joins(
    store: Store,
    joined: DatasetVersion,
    rows: DatasetVersion,
    sources: Sequence[tuple[Join, DatasetVersion]],
    cut: datetime,
) -> Iterator[Difference]:
    from airflow_mlops.core.data.asof import asof_join
    from airflow_mlops.core.data.engine import engine

    names = [name for join, _ in sources for name in join.columns]
    counts = dict.fromkeys(names, 0)
    compared = 0
    with engine() as connection, asof_join(connection, store, rows, sources) as again:
        for now, then in zip(
            _equal_steps(read_batches(store, joined, names)), _equal_steps(again.batches), strict=True
        ):
            compared += len(now)
            for name in names:
                differ = _differ(_series(now, name), _series(then, name))
                counts[name] += int(differ.sum())
    for name, count in counts.items():
        if count:
            yield name, cut, count, compared


def _equal_steps(batches: Iterator[Any], size: int = 65_536) -> Iterator[Any]:
    """The same rows as tables of equal size, however the batches are cut."""
    import pyarrow as pa

    left: Any = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        left = table if left is None else pa.concat_tables([left, table])
        while len(left) >= size:
            yield left.slice(0, size)
            left = left.slice(size)
    if left is not None and len(left):
        yield left


def _series(table: Any, name: str) -> pd.Series:
    series: pd.Series = table.column(name).to_pandas()
    return series


def _differ(a: pd.Series, b: pd.Series) -> NDArray[np.bool_]:
    """Which values differ; missing ones are equal, and numbers up to 1e-9 of their size."""
    import numpy as np
    import pandas as pd

    gone_a, gone_b = pd.isna(a).to_numpy(), pd.isna(b).to_numpy()
    numbers = (pd.api.types.is_numeric_dtype(one) and not pd.api.types.is_bool_dtype(one) for one in (a, b))
    if all(numbers):
        x, y = (one.to_numpy(dtype=np.float64, na_value=np.nan) for one in (a, b))
        with np.errstate(invalid="ignore"):
            apart = ~((x == y) | (np.abs(x - y) <= _TOLERANCE * np.maximum(np.abs(x), np.abs(y))))
    else:
        apart = (a.astype(object).to_numpy() != b.astype(object).to_numpy()).astype(bool)
    differ: NDArray[np.bool_] = np.where(gone_a | gone_b, gone_a != gone_b, apart)
    return differ
