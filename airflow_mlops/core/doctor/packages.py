"""The packages that are installed, against what we say we work with."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import TYPE_CHECKING, Final

from airflow_mlops.core.doctor.finding import Finding, ok, problem, warning

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OURS: Final = "airflow-mlops"
#: What each extra is for. Those that only gather others are left out.
EXTRAS: Final = {
    "gx": "suites of Great Expectations and their Data Docs",
    "xgboost": "training and serving XGBoost models",
    "evidently": "Evidently's page about drift",
    "openlineage": "lineage events to other tools",
    "amazon": "S3 and SageMaker by an Airflow connection",
    "sagemaker": "SageMaker's own container images",
    "dask": "training on several processes or machines",
    "delta": "data in Delta Lake tables",
    "polars": "data frames of Polars",
    "reproduce": "environments made from a version's lock",
    "audit": "label errors, fairness, sensitive values",
}
#: Gathers of other extras.
GATHERING: Final = frozenset({"testing", "demo", "all"})
Installed = Callable[[str], "str | None"]


def installed_version(name: str) -> str | None:
    """The version of a distribution, None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_packages(
    needed: Mapping[str, str],
    *,
    declared: Iterable[str] | None = None,
    python: str | None = None,
    installed: Installed = installed_version,
) -> Iterator[Finding]:
    """Hold the environment against our own requirements.

    :param needed: extras that this set-up does not work without, and why.
    :param declared: requirements, as a wheel lists them; without any, those of the installed airflow-mlops.
    :param python: versions of Python that are right; without any, as the installed airflow-mlops says.
    """
    from packaging.requirements import Requirement

    try:
        declared = list(requires(OURS) or ()) if declared is None else declared
        python = metadata(OURS)["Requires-Python"] if python is None else python
    except PackageNotFoundError:
        found = "airflow-mlops is imported from a folder and not installed: Airflow finds no provider and no plugin"
        yield problem("versions", found, remedy=f"pip install {OURS}")
        return
    wanted = [Requirement(text) for text in declared]
    base = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    yield from _python(python)
    wrong = [finding for one in base if (finding := _wrong(one, installed, problem))]
    yield from wrong
    if not wrong:
        airflow = installed("apache-airflow") or "not installed"
        said = f"airflow-mlops {installed(OURS)}, Airflow {airflow}, Python {platform.python_version()}"
        yield ok("versions", f"{said}; {len(base)} packages are of the versions we work with")
    yield from _extras(wanted, needed, installed)


def _python(python: str) -> Iterator[Finding]:
    from packaging.specifiers import SpecifierSet

    present = platform.python_version()
    if not SpecifierSet(python).contains(present, prereleases=True):
        yield problem("versions", f"Python {present}", python, "run Airflow with a Python that we support")


def _wrong(one: Requirement, installed: Installed, kind: Callable[..., Finding]) -> Finding | None:
    """What is wrong with an installed package, or that it is missing."""
    present = installed(one.name)
    if present is not None and one.specifier.contains(present, prereleases=True):
        return None
    found = f"{one.name} {present}" if present else f"{one.name} is not installed"
    right = f"{one.name}{one.specifier}"
    return kind("versions", found, right, f"pip install '{right}'")


def _extras(wanted: list[Requirement], needed: Mapping[str, str], installed: Installed) -> Iterator[Finding]:
    present, missing = [], []
    for extra, use in EXTRAS.items():
        parts = [one for one in wanted if _only_for(one, extra)]
        if not parts:  # on this Python there is nothing to install for it
            continue
        if any(installed(one.name) is None for one in parts):
            missing.append(f"{extra} ({use})")
            if extra in needed:
                names = ", ".join(one.name for one in parts if installed(one.name) is None)
                found = f"extra {extra} is not installed ({names}), and {needed[extra]}"
                yield problem("extras", found, use, f"pip install '{OURS}[{extra}]'")
            continue
        present.append(extra)
        for one in parts:
            if finding := _wrong(one, installed, warning):
                yield finding.model_copy(update={"check": "extras"})
    said = f"installed: {', '.join(present) or 'none'}"
    yield ok("extras", f"{said}; not installed: {', '.join(missing)}" if missing else said)


def _only_for(one: Requirement, extra: str) -> bool:
    """Whether a requirement comes with an extra, and only with it."""
    return (
        one.marker is not None
        and one.marker.evaluate({"extra": extra})
        and not one.marker.evaluate({"extra": ""})
    )
