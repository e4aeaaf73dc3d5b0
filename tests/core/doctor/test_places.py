from __future__ import annotations

from pathlib import Path

import pytest

from airflow_mlops.core.doctor import Check, Finding, examine
from airflow_mlops.core.doctor.places import check_data, check_store
from airflow_mlops.core.store import open_store


def store(uri: str) -> Finding:
    (found,) = examine([Check("store", lambda: check_store(uri, lambda: open_store(uri)))])
    return found


def data(uri: str) -> Finding:
    (found,) = check_data(uri, lambda: pytest.fail("no S3 here"))
    return found


def test_a_folder_is_raced_for_and_left_as_it_was(tmp_path: Path) -> None:
    found = store(str(tmp_path))
    assert found.state == "ok"
    assert "of many writers of one key one wins" in found.found
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    found = store(str(tmp_path / "a" / "b"))
    assert (found.state, (tmp_path / "a").exists()) == ("warning", False)


# Folders that not even root may write to.
@pytest.mark.parametrize("uri", ["/proc", "/proc/1/store", "/dev/null/store", "file:///proc"])
def test_a_folder_that_cannot_be_written(uri: str) -> None:
    found = store(uri)
    assert found.state == "problem"
    assert "a folder that can be written" in str(found.expected)


def test_source_data_in_a_folder(tmp_path: Path) -> None:
    assert (data(str(tmp_path)).state, data(str(tmp_path / "no")).state) == ("warning", "warning")
    (tmp_path / "a.parquet").touch()
    assert data(tmp_path.as_uri()).state == "ok"
    assert data("ftp://lake").state == "problem"
