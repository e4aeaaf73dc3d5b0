"""When files are a complete batch: listings in, batches out."""

from __future__ import annotations

import json

import pytest

from airflow_mlops.core.data.arrival import (
    MOST_BATCHES,
    Complete,
    FoundFile,
    Look,
    Rule,
)
from airflow_mlops.core.data.arrival_rules import Observer, read_manifest
from airflow_mlops.core.errors import SpecError
from airflow_mlops.spec.data import Arrival


class Shore:
    """Files that come, and one who looks at them."""

    def __init__(self, complete: Complete, glob: str = "in/**/*.csv", settle: float = 60.0) -> None:
        self.files: dict[str, FoundFile] = {}
        self.contents: dict[str, bytes] = {}
        self.known: set[int] = set()
        self.clock = 0.0
        self.at = 1000.0
        self.observer = Observer(
            glob.split("/"), Rule(complete, settle), lambda path: self.contents.get(path, b"")
        )

    def write(self, path: str, size: int = 10, stamp: str = "a", at: float | None = None) -> None:
        self.at += 1
        self.files[path] = FoundFile(path, size, stamp, self.at if at is None else at)

    def look(self, after: float = 10.0) -> Look:
        self.clock += after
        return self.observer.look(list(self.files.values()), self.known, self.clock)

    def fired(self, after: float = 10.0) -> list[list[str]]:
        """The files of each batch that is complete; they are known from then on."""
        found = self.look(after).batches
        self.known |= {mark for one in found for mark in one.marks}
        return [[file.path for file in one.files] for one in found]

    def manifest(self, path: str, stamp: str = "a", **sizes: int) -> None:
        listed = [{"path": name.replace("_", "."), "size": size} for name, size in sizes.items()]
        self.contents[path] = json.dumps({"files": listed}).encode()
        self.write(path, stamp=stamp)


def test_settled_is_a_folder_in_which_nothing_came_or_grew() -> None:
    shore = Shore("settled")
    shore.write("in/a/1.csv", 10)
    assert shore.fired() == []
    shore.write("in/a/1.csv", 20, "b")
    assert shore.fired(50) == []
    shore.write("in/a/2.csv")
    assert shore.fired(50) == []
    assert shore.fired(59) == []
    assert shore.look(1).pending == {"in/a/1.csv", "in/a/2.csv"}
    assert shore.fired(0) == [["in/a/1.csv", "in/a/2.csv"]]
    assert shore.fired(600) == []
    assert shore.look().pending == set()


def test_folders_settle_each_for_itself() -> None:
    shore = Shore("settled")
    shore.write("in/a/1.csv")
    assert shore.fired(0) == []
    shore.write("in/b/1.csv")
    assert shore.fired(60) == [["in/a/1.csv"]]
    assert shore.fired(60) == [["in/b/1.csv"]]


def test_of_a_folder_that_grows_the_new_files_are_the_batch_and_a_file_written_anew_is_new() -> None:
    shore = Shore("settled", "in/*.csv", settle=0)
    shore.write("in/1.csv")
    assert shore.fired() == [["in/1.csv"]]
    shore.write("in/2.csv")
    assert shore.fired() == [["in/2.csv"]]
    shore.write("in/1.csv", 10, "b")
    assert shore.fired() == [["in/1.csv"]]
    del shore.files["in/2.csv"]
    assert shore.fired() == []


def test_what_the_glob_does_not_take_is_no_data() -> None:
    shore = Shore("settled", "in/*.csv", settle=0)
    shore.write("in/1.txt")
    shore.write("in/deep/1.csv")
    shore.write("in/.hidden.csv")
    assert shore.fired() == []
    assert shore.look().pending == set()


def test_success_lies_at_or_above_the_files() -> None:
    shore = Shore("success")
    shore.write("in/day=1/part-0.csv")
    shore.write("in/day=1/hour=2/part-1.csv")
    shore.write("in/day=2/part-0.csv")
    assert shore.fired(600) == []
    shore.write("in/day=1/_SUCCESS", 0)
    assert shore.fired() == [["in/day=1/hour=2/part-1.csv", "in/day=1/part-0.csv"]]
    shore.write("in/_SUCCESS", 0)
    assert shore.fired() == [["in/day=2/part-0.csv"]]
    assert shore.fired() == []


def test_an_old_success_does_not_stand_for_new_files_and_somebody_is_told() -> None:
    shore = Shore("success")
    shore.write("in/part-0.csv")
    shore.write("in/_SUCCESS", 0)
    assert shore.fired() == [["in/part-0.csv"]]
    shore.write("in/part-1.csv")
    assert shore.fired() == []
    (remark,) = shore.look(60).remarks
    assert "in/part-1.csv is newer than in/_SUCCESS" in remark
    assert shore.look(60).remarks == []  # once
    shore.write("in/_SUCCESS", 0)
    assert shore.fired() == [["in/part-1.csv"]]


def test_within_one_second_of_s3_the_next_look_decides() -> None:
    shore = Shore("success")
    shore.write("in/part-0.csv", at=5)
    shore.write("in/_SUCCESS", 0, at=5)
    assert shore.fired() == []
    shore.write("in/part-1.csv", at=5)
    assert shore.fired() == []
    assert shore.fired() == [["in/part-0.csv", "in/part-1.csv"]]


def test_a_success_without_files_or_without_new_ones_is_nothing() -> None:
    shore = Shore("success")
    shore.write("in/_SUCCESS", 0)
    assert shore.fired(600) == []
    shore.write("in/a.csv")
    shore.write("in/_SUCCESS", 0)
    assert shore.fired() == [["in/a.csv"]]
    shore.write("in/_SUCCESS", 0)
    assert shore.fired(600) == []


def test_a_manifest_waits_for_all_its_files_in_their_sizes() -> None:
    shore = Shore("manifest", "in/*.csv")
    shore.manifest("in/manifest.json", a_csv=10, b_csv=20)
    assert shore.fired(600) == []
    shore.write("in/a.csv", 10)
    shore.write("in/b.csv", 19)
    shore.write("in/c.csv", 1)
    assert shore.fired(600) == []
    assert shore.look().pending == {"in/a.csv", "in/b.csv"}
    shore.write("in/b.csv", 20, "b")
    assert shore.fired() == [["in/a.csv", "in/b.csv"]]
    assert shore.fired(600) == []
    assert shore.look().pending == set()


def test_a_manifest_written_anew_counts_at_once_and_a_file_alone_when_it_has_settled() -> None:
    shore = Shore("manifest", "in/*.csv")
    shore.write("in/a.csv", 10)
    shore.write("in/b.csv", 10)
    shore.manifest("in/manifest.json", a_csv=10, b_csv=10)
    assert shore.fired() == [["in/a.csv", "in/b.csv"]]
    shore.write("in/a.csv", 10, "b")
    assert shore.fired() == []
    assert shore.fired(60) == [["in/a.csv"]]
    shore.write("in/b.csv", 11, "b")
    assert shore.fired(600) == []
    shore.manifest("in/manifest.json", "b", a_csv=10, b_csv=11)
    assert shore.fired() == [["in/b.csv"]]


def test_a_manifest_that_is_none_is_told_once_and_may_be_mended() -> None:
    shore = Shore("manifest", "in/*.csv")
    shore.write("in/a.csv", 10)
    shore.write("in/manifest.json", stamp="half")
    shore.contents["in/manifest.json"] = b'{"files": [{"pa'
    assert shore.look().remarks == []
    (remark,) = shore.look(60).remarks
    assert remark.startswith("in/manifest.json is no manifest")
    assert shore.look(60).remarks == []
    shore.manifest("in/manifest.json", "whole", a_csv=10)
    assert shore.fired() == [["in/a.csv"]]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"files": 1}',
        b'{"files": []}',
        b'{"files": ["a.csv"]}',
        b'{"files": [{"path": "../a.csv", "size": 1}]}',
        b'{"files": [{"path": "/a.csv", "size": 1}]}',
        b'{"files": [{"path": "a.csv", "size": "big"}]}',
    ],
)
def test_what_is_no_manifest_is_said_in_one_line(content: bytes) -> None:
    said = read_manifest("in/manifest.json", content)
    assert isinstance(said, str)
    assert "\n" not in said


@pytest.mark.parametrize("field, value", [("settle", "0.5s"), ("manifest", "a/b.json"), ("complete", "half")])
def test_a_rule_that_can_not_hold_is_refused(field: str, value: str) -> None:
    with pytest.raises(SpecError, match=field):
        Arrival(**{field: value})


def test_years_of_folders_are_one_event() -> None:
    shore = Shore("settled", settle=0)
    for day in range(MOST_BATCHES + 1):
        shore.write(f"in/old/day={day:02}/a.csv")
    (batch,) = shore.look().batches
    assert batch.batches == len(batch.files) == MOST_BATCHES + 1
    assert batch.id.startswith("in/old@")
    assert batch.size == 10 * (MOST_BATCHES + 1)


def test_the_end_of_a_long_listing_settles_without_the_rest() -> None:
    shore = Shore("settled")
    shore.write("in/a.csv")
    assert shore.fired(0) == []
    late = [FoundFile("in/b.csv", 1, "a", 0.0)]
    assert not shore.observer.look(late, shore.known, 40.0, whole=False).batches
    (batch,) = shore.observer.look(late, shore.known, 100.0, whole=False).batches
    assert [one.path for one in batch.files] == ["in/b.csv"]
    shore.known |= batch.marks
    assert shore.fired(100.0) == [["in/a.csv"]]
