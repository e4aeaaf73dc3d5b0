"""``airflow-mlops labels``: the review file of a label audit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.place import add_store
from airflow_mlops.cli.writing import writing
from airflow_mlops.core.errors import PlatformError, SpecError

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

_FORMATS = {".csv": "csv", ".parquet": "parquet"}


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser("labels", help="take out the review file of a label audit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    export = commands.add_parser(
        "export",
        help="write the rows whose labels are likely wrong to a file",
        description="Write the review file of a label audit. Fill in corrected_label (a label, or keep), reviewed_by "
        "and comment, and put the file into labels.review below the data root.",
    )
    export.add_argument("model", metavar="MODEL", help="the model's name")
    export.add_argument("ref", metavar="REF", help="the audit: ref of the task audit_labels")
    add_store(export)
    export.add_argument("--out", required=True, type=Path, metavar="FILE", help="a .csv or .parquet file")
    export.set_defaults(func=run_export)


def run_export(arguments: argparse.Namespace) -> int:
    """Write the file; one that is there is not overwritten, since it may hold a person's work.

    :raises MlopsError: if there is no such audit, it is of another model, or the file can't be written.
    """
    from airflow_mlops.core.labels.audit import explain
    from airflow_mlops.core.labels.record import LabelAudit
    from airflow_mlops.core.store import open_store
    from airflow_mlops.core.store.blobs import get_bytes
    from airflow_mlops.core.store.results import recall

    out: Path = arguments.out
    if out.suffix not in _FORMATS:
        raise SpecError("--out", given=out, expected="a file that ends in .csv or .parquet")
    store = open_store(arguments.store)
    result = recall(store, arguments.ref, LabelAudit)
    if result.model != arguments.model:
        raise SpecError("audit is of another model", given=arguments.model, expected=result.model)
    data = get_bytes(store, getattr(result, _FORMATS[out.suffix]))
    with writing(out):
        try:
            with out.open("xb") as file:
                file.write(data)
        except FileExistsError:
            raise PlatformError(
                f"{out} is there already", remedy="choose another name; it may hold a review"
            ) from None
    print(f"{out}: {result.file_rows:,} rows of {result.dataset.name}@{result.dataset.id}; {explain(result)}")
    return 0
