"""A version built again in a fresh environment, which uv really makes from the recorded lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_mlops.core.training.environment import installed
from tests.core.reproduction.world import Registered

pytestmark = pytest.mark.e2e


def test_the_same_bytes_come_out_of_a_fresh_environment(
    registered: Registered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as many threads as nobody trained with
    lines: list[str] = []
    found = registered.reproduce(place="locked", progress=lines.append)
    assert found.outcome == "identical", found.reason
    assert (found.place, found.environment) == ("locked", ())
    (made,) = (tmp_path / "cache" / "environments").iterdir()
    there = installed([str(path) for path in made.glob("lib/python3*/site-packages")])
    assert there.keys() < installed().keys(), "what training needs, and nothing else of this environment"
    assert all(installed()[name] == version for name, version in there.items())
    assert not {"airflow-mlops", "apache-airflow", "pytest"} & there.keys()
    assert any(line.startswith("environment from the lock") and "as recorded" in line for line in lines)


def test_a_lock_that_can_not_be_installed_any_more_is_named(registered: Registered) -> None:
    registered.relock(lambda text: text.replace("\npandas==", "\npandas==999."))
    found = registered.reproduce(place="locked")
    assert found.outcome == "impossible"
    assert found.reason.startswith("the environment of the lock can't be installed any more"), found.reason
    assert "pandas==999." in found.reason
