"""Reviewed files, read: CSV as spreadsheets write it, or Parquet."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.labels.review_file import ANSWERS, PLACE
from airflow_mlops.core.wording import some

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

_NEEDED = (*PLACE, "given_label", *ANSWERS)
_WORDS = {"true": 1.0, "false": 0.0}
_SHOWN = 3


@dataclass(frozen=True)
class Reviewed:
    """One row that a person decided about; ``where`` names file and line."""

    where: str
    dataset: str
    source: str
    content: str
    row: int
    key: str
    given: float | None
    label: float
    by: str
    comment: str
    at: str


def read_reviews(root: DataRoot, spec: ModelSpec, paths: Sequence[str] | None) -> list[Reviewed]:
    """All decided rows of the files; rows without an answer are passed over.

    ``corrected_label`` is a label, or ``keep`` to confirm the given one.

    :raises DataError: naming files and lines that can't be understood; a file of another model.
    """
    found: list[Reviewed] = []
    problems: list[str] = []
    for path in _paths(root, spec) if paths is None else paths:
        for number, row in enumerate(_rows(path, root.read_bytes(path)), 2):
            where = f"{path} line {number}"
            answer = {name: _cell(row, name) for name in (*_NEEDED, "reviewed_at")}
            if not answer["corrected_label"]:
                continue
            try:
                found.append(_reviewed(where, answer, spec))
            except ValueError as error:
                problems.append(f"{where}: {error}")
    refuse(problems)
    return found


def refuse(problems: Sequence[str]) -> None:
    """Stop before anything is written. :raises DataError: with the first of the problems, if there are any."""
    if problems:
        raise DataError(
            "the review can't be applied, and nothing of it is",
            given=some(problems, _SHOWN, "; "),
            remedy="correct the file and run again",
        )


def _paths(root: DataRoot, spec: ModelSpec) -> Iterator[str]:
    folder = spec.labels.review if spec.labels else None
    for ending in ("csv", "parquet") if folder else ():
        try:
            listed = root.list(f"{(folder or '').rstrip('/')}/*.{ending}")
        except DataError:  # no such file yet
            continue
        yield from (one.path for one in listed)


def _rows(path: str, data: bytes) -> Iterator[Mapping[str, Any]]:
    rows: Sequence[Mapping[str, Any]]
    try:
        if path.endswith(".parquet"):
            import pyarrow.parquet as pq

            table = pq.read_table(io.BytesIO(data))
            names, rows = table.column_names, table.to_pylist()
        else:
            text = data.decode("utf-8-sig")
            first = text.splitlines()[0] if text.strip() else ""
            reader = csv.DictReader(
                io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ","
            )
            rows = list(reader)
            names = list(reader.fieldnames or ())
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} is no review file", given=" ".join(str(error).split())[:200]) from None
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise DataError(
            f"{path} is no review file",
            given=f"without {', '.join(missing)}",
            expected="all columns of the exported file",
            remedy="export it again, and fill in corrected_label, reviewed_by and comment",
        )
    yield from rows


def _cell(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value).strip()


def _reviewed(where: str, answer: Mapping[str, str], spec: ModelSpec) -> Reviewed:
    """:raises ValueError: saying what is wrong."""
    if answer["dataset"].split("@")[0] != spec.name:
        raise ValueError(f"is of the data set {answer['dataset']}, not of {spec.name}")
    if not answer["reviewed_by"]:
        raise ValueError("reviewed_by is empty: a change needs a name")
    given = _label(answer["given_label"], spec) if answer["given_label"] else None
    keep = answer["corrected_label"].lower() == "keep"
    label = given if keep else _label(answer["corrected_label"], spec)
    if label is None:
        raise ValueError("there is no given label to keep")
    try:
        row = int(float(answer["row"]))
    except (ValueError, OverflowError):
        raise ValueError(f"row is no number: {answer['row']!r}") from None
    return Reviewed(
        where=where,
        dataset=answer["dataset"],
        source=answer["source"],
        content=answer["content"],
        row=row,
        key=answer["row_key"],
        given=given,
        label=label,
        by=answer["reviewed_by"],
        comment=answer["comment"],
        at=answer["reviewed_at"],
    )


def _label(text: str, spec: ModelSpec) -> float:
    try:
        number = _WORDS.get(text.lower())
        number = float(text) if number is None else number
    except ValueError:
        number = math.nan
    binary = spec.training.objective == "binary"
    if not math.isfinite(number) or (binary and number not in (0, 1)):
        raise ValueError(f"{text!r} is no label; it is {'0 or 1' if binary else 'a number'}, or keep")
    return number
