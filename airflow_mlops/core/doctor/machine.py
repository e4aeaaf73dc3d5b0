"""This machine: room on its disks, and the tools that are called."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from airflow_mlops.core.doctor.finding import Finding, of_error, ok, problem, warning
from airflow_mlops.core.doctor.places import standing
from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.store.cache import cache_dir
from airflow_mlops.core.wording import size

#: Captures may wait up to this on the disk of an endpoint server.
SCARCE = 1_000_000_000
#: Below this a download of a model or a data file fails sooner than later.
FULL = 100_000_000


def places_on_disk(spool: Path | None = None, store: Path | None = None) -> dict[str, Path]:
    """Folders of this machine that fill up, by what they are.

    :param spool: of captures on their way to the store.
    :param store: a store in a folder.
    :raises PlatformError: if the folder of the cache can't be made.
    """
    places = {"cache": cache_dir(), "temporary files": Path(tempfile.gettempdir())}
    places |= {"captures on their way": spool} if spool else {}
    return {**places, "store": store} if store else places


def check_disk(places: Mapping[str, Path], scarce: int = SCARCE, full: int = FULL) -> Iterator[Finding]:
    """Look how much is free; places on one file system are told of together.

    :param scarce: bytes below which it is a warning.
    :param full: bytes below which it is a problem.
    """
    together: dict[int, list[str]] = {}
    free: dict[int, int] = {}
    for name, path in places.items():
        there = standing(path)
        device = there.stat().st_dev
        usage = shutil.disk_usage(there)
        if usage.total:  # a file system of the kernel has no size
            together.setdefault(device, []).append(f"{name} ({path})")
            free[device] = usage.free
    for device, names in together.items():
        found = f"{size(free[device])} free for {', '.join(names)}"
        remedy = "make room, or set AIRFLOW_MLOPS_CACHE and AIRFLOW_MLOPS_SPOOL to a larger disk"
        if free[device] < full:
            yield problem("disk", found, size(full), remedy)
        elif free[device] < scarce:
            yield warning("disk", found, size(scarce), remedy)
        else:
            yield ok("disk", found)


def check_uv() -> Iterator[Finding]:
    """Look for uv, which makes the environment of an old version."""
    from airflow_mlops.core.reproduction.locked import find_uv

    try:
        command = find_uv()
    except PlatformError as error:
        yield of_error("uv", error).model_copy(update={"state": "warning"})
        return
    yield ok("uv", f"{' '.join(command)}: versions can be built again in their own environment")
