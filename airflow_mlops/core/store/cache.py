"""Where downloaded content is kept on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from airflow_mlops.core.errors import PlatformError


def cache_dir() -> Path:
    """The cache's folder, made when it is missing: ``$AIRFLOW_MLOPS_CACHE``, else ``~/.cache/airflow_mlops``.

    Everything in it can be removed at any time.

    :raises PlatformError: if the folder can't be made.
    """
    given = os.environ.get("AIRFLOW_MLOPS_CACHE")
    path = Path(given).expanduser().absolute() if given else Path.home() / ".cache" / "airflow_mlops"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PlatformError(
            f"cache folder {path} can't be made",
            given=error.strerror,
            remedy="set AIRFLOW_MLOPS_CACHE to a folder that can be written",
        ) from None
    return path
