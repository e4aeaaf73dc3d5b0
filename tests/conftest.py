"""What holds for every test: no telemetry, an Airflow home of its own, and in CI no silent skips."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

CI = os.environ.get("CI", "").lower() == "true"


def _isolate() -> None:
    """Set the environment before anything imports Airflow, Great Expectations or Evidently.

    Each worker of pytest-xdist has a home, and so a database, of its own.
    """
    for name in [one for one in os.environ if one.startswith(("AIRFLOW__", "AIRFLOW_CONN_", "AWS_"))]:
        if name != "AWS_CA_BUNDLE":
            del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="airflow-mlops-tests-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    (home / "dags").mkdir()
    os.environ.update(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            # a developer's own AWS account is no place for tests
            "AWS_CONFIG_FILE": str(home / "no-aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "no-aws-credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            # Great Expectations, Evidently, and what Evidently uses to call home
            "GX_ANALYTICS_ENABLED": "False",
            "DO_NOT_TRACK": "1",
            "EVIDENTLY_DISABLE_TELEMETRY": "1",
            "ITERATIVE_DO_NOT_TRACK": "1",
        }
    )


_isolate()

# A slow machine is no bug, and the same code gets the same examples every time.
settings.register_profile(
    "everywhere", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("everywhere")


@pytest.fixture(autouse=True)
def _own_lookout() -> None:
    """What the triggers of a process share for a minute is that of one test only."""
    if looking := sys.modules.get("airflow_mlops.triggers.looking"):
        looking._forget()


class _Tracks(LoadScopeScheduling):
    """Two workers for the end-to-end tests: the story of the demo, in its order, and all that share another Airflow.

    xdist's own groups (``--dist loadgroup``) have no effect under pytest 9.2: they are written into a field of a test
    that nobody reads any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "story" if nodeid.startswith("tests/e2e/demo/") else "others"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Two tracks for ``--dist loadgroup``, xdist's own schedulers otherwise."""
    return _Tracks(config, log) if config.getoption("dist") == "loadgroup" else None


def _fail_instead(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure that says why it is one."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: {reason}\nWith CI=true a skip is a failure: nothing may go untested."


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, fail each test that would be skipped; an expected failure stays one."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        _fail_instead(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI, fail each module that would be skipped as a whole."""
    report = yield
    if CI and report.skipped:
        _fail_instead(report)
    return report
