"""Reports, Data Docs and pictures from the store, each in a sandbox of its own."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, HTTPException, Response

from airflow_mlops.core.errors import KeyMissing
from airflow_mlops.ui.access import Model
from airflow_mlops.ui.source import ReadStore
from airflow_mlops.ui.version_parts.stored import KINDS, TO_KEEP, Stored, read_stored

router = APIRouter()

#: No script, no form, no request, no origin: whatever stands in a stored page can only be looked at.
SANDBOX: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


@router.get("/models/{model}/blob/{kind}/{digest}")
def stored(
    model: Model, kind: str, digest: str, store: ReadStore, of: str | None = None, keep: bool = False
) -> Response:
    """A stored page or picture that a record of the model names.

    :param of: number of the version or the look that names it, or the reference of a validation.
    :param keep: as a file, not to be looked at here.
    :raises HTTPException: 404, if no record names it, or it is gone.
    """
    if kind not in KINDS:
        raise HTTPException(404, detail="no such kind of report")
    try:
        found = read_stored(store, model, kind, digest, of)
    except KeyMissing:
        raise HTTPException(404, detail="this report is not in the store any more") from None
    if found is None:
        raise HTTPException(404, detail=f"no record of {model} names such a report")
    return sandboxed(found, keep=keep or kind in TO_KEEP)


def sandboxed(found: Stored, *, keep: bool = False) -> Response:
    """The answer with a page that nobody here has written."""
    headers = {"Content-Security-Policy": SANDBOX, "X-Content-Type-Options": "nosniff"}
    if keep:
        headers["Content-Disposition"] = f'attachment; filename="{found.name}"'
    return Response(found.data, media_type=found.media_type, headers=headers)
