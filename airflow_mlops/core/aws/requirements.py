"""What our code needs inside SageMaker's XGBoost container, as a ``requirements.txt`` for its pip.

The container (tag 3.0-5, Python 3.10) brings xgboost 3.0.5, pandas 2.2, numpy 2.1, pyarrow 22, PyYAML, boto3 and the
Flask server that calls ``inference.py``. It runs ``pip install . -r requirements.txt`` before a training and whenever a
server starts, so what stands here costs minutes of start and can break the container's own server. Hence:

* **Pinned** to the version in the lock is what decides a model or a prediction: ``xgboost``, ``pandas``, ``pydantic``,
  ``msgspec``, and what the feature code imports, ``duckdb`` for a statement. XGBoost has to be at least as new as the
  one that wrote the model. Whether the lock says ``xgboost-cpu`` or ``xgboost``, the container gets ``xgboost``: it is
  the same module, pip replaces the container's own one cleanly, and NCCL, which it asks for, is there already.
* **At least** a version: ``numpy`` and ``pyarrow``, so that the container keeps its own: its C extensions (scipy,
  numba, mlio) are built beside them, and neither changes a prediction.
* **Not named**: PyYAML, Flask, gunicorn, boto3 and all that the container's server stands on.
* What is pinned but does not run on the container's Python becomes **at least**, too (duckdb 2 needs Python 3.11), with
  a comment that says so: the container then takes the newest one that runs there.

No line holds an index or a host: where packages come from is for the container's pip (``PIP_INDEX_URL`` in its
environment).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata

from airflow_mlops.core.errors import PlatformError

#: Of the container; packages whose version in the lock needs a newer one are not pinned.
PYTHON = "3.10"

_XGBOOST = ("xgboost-cpu", "xgboost")
#: Names as in a lock, and the oldest versions that our code works with, as in our own package's metadata.
_OLDEST = {
    "pandas": "2.2",
    "duckdb": "1.5",
    "pydantic": "2.11",
    "msgspec": "0.19",
    "numpy": "1.26",
    "pyarrow": "16",
}
_PINNED = {"pandas", "pydantic", "msgspec"}
_AT_LEAST = {"numpy", "pyarrow"}
_LINE = re.compile(r"([a-z0-9][a-z0-9-]*)==(\S+)")


def requirements(lock: str, modules: Iterable[str] = (), *, python: str | None = PYTHON) -> str:
    """The text of ``requirements.txt``.

    :param lock: ``name==version`` lines, as :func:`~airflow_mlops.core.training.environment.environment_lock` gives
        them.
    :param modules: what is imported beside, e.g. by the feature code; modules that no package in the lock brings are
        left out.
    :param python: of the container; None, for an image of one's own, pins whatever is to be pinned.
    :raises PlatformError: if the lock has no XGBoost.
    """
    locked = locked_versions(lock)
    xgboost = next((locked[name] for name in _XGBOOST if name in locked), None)
    if xgboost is None:
        raise PlatformError(
            "the environment that trains has no XGBoost",
            remedy="pip install 'airflow-mlops[xgboost]' where the task runs, and train again",
        )
    lines = [f"xgboost=={xgboost}"]
    wanted = (distributions_of(modules, locked) | _PINNED) & locked.keys()
    for name in sorted(wanted - {*_XGBOOST, *_AT_LEAST}):
        lines += _pinned(name, locked[name], python)
    lines += [f"{name}>={_OLDEST[name]}" for name in sorted(_AT_LEAST)]
    return "\n".join(lines) + "\n"


def locked_versions(lock: str) -> dict[str, str]:
    """Versions by name, of the ``name==version`` lines of a lock."""
    matches = (_LINE.fullmatch(line.strip()) for line in lock.splitlines())
    return {match[1]: match[2] for match in matches if match}


def _pinned(name: str, version: str, python: str | None) -> list[str]:
    needs = _requires_python(name, version)
    if python is None or not needs or _runs_on(python, needs):
        return [f"{name}=={version}"]
    return [
        f"# {name} {version} needs Python {needs}",
        f"{name}>={_OLDEST[name]}" if name in _OLDEST else name,
    ]


def _requires_python(name: str, version: str) -> str:
    """Which Pythons a version runs on, as far as this machine knows: it has the same version installed."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    return str(about["Requires-Python"] or "") if about["Version"] == version else ""


def _runs_on(python: str, needs: str) -> bool:
    """Whether a specifier as ``>=3.9,<4`` lets a Python through; only its lower bounds matter here."""
    mine = _numbers(python)
    bounds = (re.fullmatch(r"(>=|>)\s*([\d.]+)", one.strip()) for one in needs.split(","))
    return all(mine >= _numbers(bound[2])[: len(mine)] for bound in bounds if bound)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.strip(".").split("."))


def distributions_of(modules: Iterable[str], locked: Mapping[str, str]) -> set[str]:
    """The packages that bring these modules; those of Python itself are left out."""
    wanted = {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names)
    same = wanted & locked.keys()
    known = _known_distributions() if wanted - same else {}
    return same | {name for module in wanted - same for name in known.get(module, ())}


@cache
def _known_distributions() -> dict[str, tuple[str, ...]]:
    """Packages by the modules that they bring, as installed here; looking takes a second."""
    found = metadata.packages_distributions()
    return {
        module: tuple(re.sub(r"[-_.]+", "-", name).lower() for name in names)
        for module, names in found.items()
    }
