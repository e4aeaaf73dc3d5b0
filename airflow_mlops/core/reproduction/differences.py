"""What of an environment is not as a lock says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_mlops.core.aws.requirements import distributions_of
from airflow_mlops.core.reproduction.record import Difference
from airflow_mlops.core.training.environment import Lock
from airflow_mlops.core.training.features import FeatureSource, imports_of
from airflow_mlops.core.training.program import XGBOOST
from airflow_mlops.core.wording import some

_SHOWN = 5


def needed_packages(
    lock: Lock, required: Sequence[str], source: FeatureSource | None, resampling: str | None
) -> tuple[str, ...]:
    """The packages of a lock that a training imports itself; what those need comes with them.

    :param required: by the training code.
    :param resampling: method of ``training.augmentation``.
    """
    modules = imports_of(source) if source else set()
    if resampling == "smote":
        modules = modules | {"imblearn"}
    return tuple(sorted((set(required) & lock.packages.keys()) | distributions_of(modules, lock.packages)))


def differences(lock: Lock, found: Lock, names: Iterable[str]) -> tuple[Difference, ...]:
    """Python, the platform and packages that are not as they were, in this order.

    XGBoost may come from either of its two packages, but another package is a difference.

    :param names: of packages to compare.
    """
    compared = [("python", lock.python, found.python), ("platform", lock.system, found.system)]
    compared += [(name, lock.packages.get(name), _version(name, found)) for name in sorted(set(names))]
    return tuple(
        Difference(name=name, recorded=recorded, found=there)
        for name, recorded, there in compared
        if recorded != there and not (recorded is None and name in ("python", "platform"))
    )


def in_words(found: Sequence[Difference]) -> str:
    """``numpy 2.3.1 instead of 2.4.6, ...``: the first few, and how many more."""
    told = [f"{one.name} {one.found or 'missing'} instead of {one.recorded or 'none'}" for one in found]
    return some(told, _SHOWN)


def _version(name: str, found: Lock) -> str | None:
    if name in XGBOOST and name not in found.packages:
        other = next((one for one in XGBOOST if one in found.packages), None)
        return f"{found.packages[other]} ({other})" if other else None
    return found.packages.get(name)
