from __future__ import annotations

from pathlib import Path

import pytest

from airflow_mlops.core.data.glob import fixed_prefix, path_matches
from airflow_mlops.core.data.source import FolderRoot, open_data_root
from airflow_mlops.core.errors import DataError, PlatformError


def _fill(folder: Path, *names: str) -> FolderRoot:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return FolderRoot(folder)


@pytest.mark.parametrize(
    "glob,expected",
    [
        ("flights/*.parquet", ["flights/a.parquet", "flights/b.parquet"]),
        ("flights/**/*.parquet", ["flights/2013/01/c.parquet", "flights/a.parquet", "flights/b.parquet"]),
        ("**/c.parquet", ["flights/2013/01/c.parquet"]),
        ("fl*/20??/*/*.parquet", ["flights/2013/01/c.parquet"]),
        ("flights/[b-z].parquet", ["flights/b.parquet"]),
        ("flights/a.parquet", ["flights/a.parquet"]),
    ],
)
def test_globs_on_a_folder_and_on_keys_mean_the_same(data: Path, glob: str, expected: list[str]) -> None:
    names = [
        "flights/a.parquet",
        "flights/b.parquet",
        "flights/.tmp.parquet",
        "flights/2013/01/c.parquet",
        "d.csv",
    ]
    names.append("flights/.hidden/e.parquet")
    root = _fill(data, *names)
    assert [one.path for one in root.list(glob)] == expected
    assert sorted(name for name in names if path_matches(name.split("/"), glob.split("/"))) == expected
    assert root.list(glob)[0].size == len(expected[0])


def test_fixed_prefix_of_a_glob() -> None:
    assert fixed_prefix(("a", "b*", "c")) == ("a",)
    assert fixed_prefix(("a", "b", "c.parquet")) == ("a", "b")
    assert fixed_prefix(("*.parquet",)) == ()


def test_no_match_names_root_glob_and_what_is_there(data: Path) -> None:
    root = _fill(data, "flights/a.csv", "weather.csv")
    with pytest.raises(DataError) as caught:
        root.list("flights/*.parquet")
    text = str(caught.value)
    assert root.uri in text
    assert "flights/*.parquet" in text
    assert "flights/a.csv" in text
    assert "\n" not in text
    with pytest.raises(DataError, match=r"flights/, weather\.csv"):
        root.list("trains/*.parquet")


def test_missing_root_and_unknown_scheme(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a folder"):
        open_data_root(str(tmp_path / "nowhere")).list("*.csv")
    with pytest.raises(PlatformError, match="gs://bucket"):
        open_data_root("gs://bucket/data")


@pytest.mark.parametrize(
    "path", ["../secret.csv", "/etc/passwd.csv", "a/../../secret.csv", "a//b.csv", "~/x.csv", ""]
)
def test_paths_that_could_leave_the_root_are_refused(data: Path, path: str) -> None:
    (data.parent / "secret.csv").write_text("secret")
    for call in (FolderRoot(data).read_bytes, FolderRoot(data).list):
        with pytest.raises(DataError, match="could leave"):
            call(path)


def test_links_that_leave_the_root_are_refused_and_not_skipped(data: Path) -> None:
    outside = data.parent / "outside"
    outside.mkdir()
    (outside / "x.csv").write_text("x")
    root = _fill(data, "in/a.csv")
    (data / "in" / "b.csv").symlink_to(outside / "x.csv")
    for call in (
        lambda: root.list("in/*.csv"),
        lambda: root.list("**/*.csv"),
        lambda: root.read_bytes("in/b.csv"),
    ):
        with pytest.raises(DataError, match=r"in/b\.csv leads out"):
            call()
    (data / "in" / "b.csv").unlink()
    (data / "link").symlink_to(outside)
    for glob in ("link/*.csv", "*/x.csv", "**/*.csv"):
        with pytest.raises(DataError, match="link leads out"):
            root.list(glob)


def test_links_inside_the_root_are_followed_but_not_into_loops(data: Path) -> None:
    root = _fill(data, "real/a.csv")
    (data / "alias").symlink_to(data / "real")
    (data / "real" / "loop").symlink_to(data)
    assert [one.path for one in root.list("alias/*.csv")] == ["alias/a.csv"]
    assert [one.path for one in root.list("**/*.csv")] == ["real/a.csv"]
    linked = data.parent / "linked"
    linked.symlink_to(data)
    assert FolderRoot(linked).read_bytes("real/a.csv") == b"real/a.csv"


def test_fetch_appears_whole(data: Path, tmp_path: Path) -> None:
    root = _fill(data, "a.csv")
    root.fetch("a.csv", tmp_path / "to" / "copy.csv")
    assert (tmp_path / "to" / "copy.csv").read_text() == "a.csv"
    with pytest.raises(DataError, match=r"b\.csv is missing"):
        root.fetch("b.csv", tmp_path / "to" / "none.csv")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["copy.csv"]
