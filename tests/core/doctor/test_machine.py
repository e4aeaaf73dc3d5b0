from __future__ import annotations

from pathlib import Path

import pytest

from airflow_mlops.core.doctor.machine import check_disk, check_uv, places_on_disk


def test_places_on_one_disk_are_one_line(tmp_path: Path) -> None:
    places = {"cache": tmp_path, "store": tmp_path / "not" / "there"}
    (found,) = check_disk(places, scarce=0, full=0)
    assert found.state == "ok"
    assert f"cache ({tmp_path}), store ({tmp_path}/not/there)" in found.found


@pytest.mark.parametrize("scarce, full, state", [(1 << 62, 0, "warning"), (1 << 62, 1 << 61, "problem")])
def test_a_disk_that_is_full(tmp_path: Path, scarce: int, full: int, state: str) -> None:
    (found,) = check_disk({"cache": tmp_path}, scarce=scarce, full=full)
    assert found.state == state
    assert "make room" in str(found.remedy)


def test_what_has_no_size_is_not_full() -> None:
    assert list(check_disk({"store": Path("/proc")})) == []


def test_the_cache_is_among_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    assert places_on_disk(store=tmp_path)["cache"] == tmp_path / "cache"


def test_without_uv_it_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one.state for one in check_uv()] == ["ok"]
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (found,) = check_uv()
    assert (found.state, "pip install uv" in str(found.remedy)) == ("warning", True)
