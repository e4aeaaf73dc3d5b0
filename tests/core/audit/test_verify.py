"""Each kind of tampering in a small real store is found and named."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from itertools import combinations
from pathlib import Path

import pytest

from airflow_mlops.core.audit import AuditReport, adopt, head, verify
from airflow_mlops.core.data.erasures import Erasure, Tombstone, erasure_log
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import RegistryError, SpecError
from airflow_mlops.core.record import Record, utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.retention.run import prune
from airflow_mlops.core.store import Item, Log, Store, open_store
from airflow_mlops.core.store.audited import chain_of
from airflow_mlops.core.store.blobs import blob_key, put_bytes
from airflow_mlops.core.store.chain import entry_key, note_removal
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.store.results import keep_first
from airflow_mlops.spec import Retention
from tests.core.audit.world import AT, CHAIN, MODEL, build, taken
from tests.core.registry.world import register, trained


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store that is whole."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_MLOPS_CACHE", str(folder / "cache"))
        build(open_store(str(folder / "store")), folder / "data")
    return folder / "store"


@pytest.fixture
def place(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(built, tmp_path / "store"))


@pytest.fixture
def store(place: Path) -> Store:
    return open_store(str(place))


def kinds(report: AuditReport) -> list[tuple[str, str]]:
    return [(one.kind, one.place) for one in report.findings]


def only(store: Store, **options: object) -> tuple[str, str, str]:
    """The only finding: kind, place and words."""
    (found,) = verify(store, MODEL, **options).findings  # type: ignore[arg-type]
    return found.kind, found.place, found.said


def key_of(store: Store, prefix: str) -> str:
    return next(iter(store.list(prefix))).key


def edit(place: Path, key: str) -> None:
    path = place / key
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"ann"', b'"eve"') if b'"ann"' in data else data + b" ")


def test_a_store_that_nobody_touched_is_whole(store: Store) -> None:
    report = verify(store, expect=head(store))
    assert report.whole
    assert not report.notes
    assert [one.chain for one in report.chains] == [CHAIN, "audit/store"]
    assert report.chains[0].entries == 2 * report.records == 18
    # per version: rows, model and page; and code, environment and the spec of both
    assert report.blobs == 9
    assert report.blob_bytes > 0
    assert report.reason.startswith("whole: 18 entries, 9 records and 9 blobs")
    assert verify(store, MODEL, expect=report.chains[0].head).whole
    assert f"18:{report.chains[0].head.partition(':')[2]}" == head(store, MODEL)


def test_an_edited_entry_is_named(store: Store, place: Path) -> None:
    edit(place, entry_key(CHAIN, 7))
    kind, where, said = only(store)
    assert (kind, where) == ("edited entry", entry_key(CHAIN, 7))
    assert said == f"{CHAIN}: entry 7 was edited: entry 8 follows other bytes"


def test_an_entry_that_is_none_any_more_is_named(store: Store, place: Path) -> None:
    (place / entry_key(CHAIN, 8)).write_bytes(b"\xff")
    found = kinds(verify(store, MODEL))
    assert ("edited entry", entry_key(CHAIN, 8)) in found
    assert not [one for one in found if one[0] == "missing entry"]


def test_a_gap_is_named(store: Store, place: Path) -> None:
    for number in (6, 8, 9):
        (place / entry_key(CHAIN, number)).unlink()
    said = [one.said for one in verify(store, MODEL).findings if one.kind == "missing entry"]
    assert said == [f"{CHAIN}: entry 6 is missing", f"{CHAIN}: entries 8 to 9 are missing"]


def test_reordered_entries_are_named(store: Store, place: Path) -> None:
    swap(place, entry_key(CHAIN, 5), entry_key(CHAIN, 6))
    found = kinds(verify(store, MODEL))
    assert found == [("moved entry", entry_key(CHAIN, number)) for number in (5, 6, 7)]


def test_a_removed_tail_needs_the_head_that_was_noted(store: Store, place: Path) -> None:
    noted = head(store, MODEL)
    log = DeploymentLog(store, MODEL).log
    for key in (entry_key(CHAIN, 17), entry_key(CHAIN, 18), log.key(3)):
        (place / key).unlink()
    assert verify(store, MODEL).whole, "nothing in the store knows that there was more"
    kind, _, said = only(store, expect=noted)
    assert kind == "missing entry"
    assert said == f"{CHAIN}: entries 17 to 18 are missing: 18 was noted as the newest"


def test_a_chain_that_was_made_anew_is_not_the_one_that_was_noted(
    store: Store, place: Path, tmp_path: Path
) -> None:
    noted = head(store, MODEL)
    shutil.rmtree(place)
    again = open_store(str(place))
    build(again, tmp_path / "again")
    assert verify(again, MODEL).whole
    assert only(again, expect=noted)[0] == "edited entry"


def test_an_edited_record_is_named(store: Store, place: Path) -> None:
    key = DeploymentLog(store, MODEL).log.key(2)
    edit(place, key)
    kind, where, said = only(store)
    assert (kind, where) == ("edited record", key)
    assert said.startswith(f"{key} was edited: its hash is ")


def test_two_swapped_records_are_named(store: Store, place: Path) -> None:
    log = DeploymentLog(store, MODEL).log
    swap(place, log.key(1), log.key(2))
    said = [one.said for one in verify(store, MODEL).findings]
    assert [line.partition(",")[0] for line in said] == [
        f"{log.key(1)} was edited: it has the bytes of {log.key(2)}",
        f"{log.key(2)} was edited: it has the bytes of {log.key(1)}",
    ]


@pytest.mark.parametrize("number", [2, 3])
def test_a_removed_record_is_named(store: Store, place: Path, number: int) -> None:
    key = DeploymentLog(store, MODEL).log.key(number)
    (place / key).unlink()
    assert only(store)[:2] == ("removed record", key)


def test_a_record_that_was_written_past_the_log_is_named(store: Store, place: Path) -> None:
    key = DeploymentLog(store, MODEL).log.key(4)
    (place / key).write_bytes(store.read(DeploymentLog(store, MODEL).log.key(3)))
    kind, where, said = only(store)
    assert (kind, where) == ("unknown record", key)
    assert "stands in no chain" in said


def test_a_stray_file_among_the_entries_is_named(store: Store) -> None:
    store.create(f"{CHAIN}/0000000/notes.json", b"{}")
    assert only(store)[0] == "stray entry"


def test_blobs_that_changed_or_are_missing_are_named(store: Store, place: Path) -> None:
    version = DatasetVersion.from_bytes(store.read(key_of(store, f"datasets/{MODEL}/")))
    rows = blob_key(version.files[0].sha256)
    data = bytearray((place / rows).read_bytes())
    data[40] ^= 1
    (place / rows).write_bytes(bytes(data))
    assert only(store)[:2] == ("changed blob", rows)
    (place / rows).unlink()
    kind, where, said = only(store)
    assert (kind, where) == ("missing blob", rows)
    assert said == f"{rows} is missing: datasets/{MODEL}/{version.id}.json names it"
    quick = verify(store, MODEL, deep=False)
    assert (quick.whole, quick.blobs) == (True, 0)
    assert "quick" in quick.notes[0]


@pytest.mark.parametrize("content", [b"model 1", b"<html>1</html>", b"numpy==2\n", b"def f(x): return x"])
def test_a_missing_part_of_a_model_is_named(store: Store, place: Path, content: bytes) -> None:
    where = blob_key(put_bytes(store, content))
    (place / where).unlink()
    assert only(store)[:2] == ("missing blob", where)


def test_what_a_blob_names_is_looked_at_too(store: Store, place: Path) -> None:
    rows = put_bytes(store, b"rows that broke a rule")
    result = put_bytes(store, b'{"quarantine": "%s"}' % rows.encode())
    register(store, run="r9", validation=result, trained=trained(store, "model 9"))
    assert verify(store, MODEL).whole
    (place / blob_key(rows)).unlink()
    assert only(store)[:2] == ("missing blob", blob_key(rows))


def test_a_hash_that_is_none_of_a_blob_is_not_missed(store: Store) -> None:
    class Odd(Record):
        subject: str
        artifact: str

    keep_first(store, f"models/{MODEL}/replays/1/a.json", Odd(subject="a" * 64, artifact="no hash"))
    assert verify(store, MODEL).whole


def test_what_was_erased_is_excused_and_nothing_else(store: Store, place: Path) -> None:
    version = DatasetVersion.from_bytes(store.read(key_of(store, f"datasets/{MODEL}/")))
    gone = version.files[0].sha256
    stone = Tombstone(dataset=version.ref, rows=1, blobs=(gone,))
    erasure = Erasure(subject="b" * 64, state="done", tombstones=(stone,), who="ann", why="she asked", at=AT)
    erasure_log(store, MODEL).append(erasure, after=0)
    (place / blob_key(gone)).unlink()
    assert verify(store, MODEL).whole
    (place / blob_key(put_bytes(store, b"model 0"))).unlink()
    assert only(store)[0] == "missing blob"


def test_what_retention_removed_is_excused(store: Store, tmp_path: Path) -> None:
    unused = taken(store, tmp_path / "data", 7)
    for days in (3, 4):
        prune(store, MODEL, Retention(keep="2d", grace="1d"), now=utc_now() + timedelta(days=days))
    assert not store.exists(f"datasets/{MODEL}/{unused.id}.json")
    assert not store.exists(blob_key(unused.files[0].sha256))
    report = verify(store)
    assert report.whole
    assert [one.entries for one in report.chains] == [18 + 3, 2 * 2]
    assert taken(store, tmp_path / "data", 7).id == unused.id
    assert verify(store).whole, "the same data came again"


def test_a_removal_that_was_noted_and_not_done_is_fine(store: Store) -> None:
    note_removal(store, key_of(store, f"datasets/{MODEL}/"), "retention")
    assert verify(store, MODEL).whole


def test_a_record_that_was_only_announced_is_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    create = store.create

    def dies(key: str, data: bytes) -> None:
        if not key.startswith("audit/"):
            raise KeyboardInterrupt
        create(key, data)

    with monkeypatch.context() as patch:
        patch.setattr(store, "create", dies)
        with pytest.raises(KeyboardInterrupt):
            DeploymentLog(store, MODEL).rollback(to=2, who="ann", why="x", run="r7")
    report = verify(store, MODEL)
    assert (report.whole, report.unfinished) == (True, 1)
    DeploymentLog(store, MODEL).rollback(to=2, who="ann", why="x", run="r7")
    report = verify(store, MODEL)
    assert (report.whole, report.unfinished) == (True, 0)


def test_a_store_that_is_written_meanwhile_is_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the listing of the records and the reading of the chain somebody decides something."""
    list_, log = store.list, DeploymentLog(open_store(store.uri), MODEL)

    def busy(prefix: str, start_after: str = "") -> Iterator[Item]:
        yield from list_(prefix, start_after)
        if prefix.startswith((f"pins/{MODEL}", CHAIN)):
            log.rollback(to=2, who="ann", why=prefix, run=prefix)

    monkeypatch.setattr(store, "list", busy)
    report = verify(store, MODEL)
    assert report.whole
    assert report.records > 9


def test_records_from_before_are_adopted_once(store: Store, place: Path) -> None:
    shutil.rmtree(place / "audit")
    found = {one.kind for one in verify(store, MODEL).findings}
    assert found == {"unknown record"}
    keys = adopt(store, MODEL, who="ann", why="compared with the backup of May")
    assert len(keys) == 9
    assert verify(store, MODEL).whole
    assert adopt(store, MODEL, who="ann", why="again") == ()
    edit(place, keys[0])
    assert only(store)[0] == "edited record"
    assert adopt(store, MODEL, who="ann", why="again") == (), "an edited record is not adopted"
    with pytest.raises(SpecError, match="why vouches for the records; given '  '"):
        adopt(store, MODEL, who="ann", why="  ")


def swap(place: Path, first: str, second: str) -> None:
    one, other = (place / first).read_bytes(), (place / second).read_bytes()
    (place / first).write_bytes(other)
    (place / second).write_bytes(one)


def shift(place: Path, keys: list[str], at: int) -> None:
    """Put a copy of one entry before it, and move all that follow up by one place."""
    for source, target in reversed(list(zip(keys[at:], [*keys[at + 1 :], _next(keys[-1])], strict=True))):
        shutil.copyfile(place / source, place / target)
    shutil.copyfile(place / keys[0], place / keys[at])


def _next(key: str) -> str:
    return entry_key(CHAIN, int(Path(key).stem) + 1)


def test_any_single_edit_removal_swap_or_insertion_is_found(place: Path, tmp_path: Path) -> None:
    """With the head that was noted nothing can be done to entries or records that is not seen."""
    store = FolderStore(place)
    noted, whole = head(store, MODEL), {path: path.read_bytes() for path in place.rglob("*.json")}
    keys = [path.relative_to(place).as_posix() for path in sorted(whole)]
    links, records = [k for k in keys if k.startswith("audit/")], [k for k in keys if chain_of(k)]
    assert (len(links), len(records)) == (18, 9)
    deeds: list[Callable[[], object]] = []
    for key in (*links, *records):
        deeds += [lambda key=key: edit(place, key), lambda key=key: (place / key).unlink()]
        deeds += [lambda key=key: (place / key).write_bytes(b"")]
    for group in (links, records):
        deeds += [lambda a=a, b=b: swap(place, a, b) for a, b in combinations(group, 2)]
    deeds += [lambda at=at: shift(place, links, at) for at in range(1, len(links))]
    for number, deed in enumerate(deeds):
        deed()
        assert not verify(store, MODEL, expect=noted, deep=False).whole, number
        for path in place.rglob("*.json"):
            if path not in whole:
                path.unlink()
        for path, data in whole.items():
            if not path.exists() or path.read_bytes() != data:
                path.write_bytes(data)
    assert verify(store, MODEL, expect=noted).whole


@pytest.mark.parametrize(
    "expect", ["", "5", "x:" + "0" * 64, "5:" + "g" * 64, "5:abc", "-1:" + "0" * 64, "٣:" + "0" * 64]
)
def test_a_head_that_is_none_is_refused(store: Store, expect: str) -> None:
    with pytest.raises(SpecError, match="not the head of an audit log; given"):
        verify(store, MODEL, expect=expect)


def test_a_model_that_is_not_there_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="knows nothing of a model none; expected one of orders"):
        verify(store, "none")
    empty = verify(open_store(str(tmp_path / "empty")))
    assert (empty.whole, empty.records) == (True, 0)


def test_a_log_that_has_lost_an_entry_before_it_was_audited_says_so(store: Store, place: Path) -> None:
    class Note(Record):
        at: datetime

    log = Log(store, f"models/{MODEL}/reproductions", Note)
    for number in range(3):
        log.append(Note(at=datetime.now(timezone.utc)), after=number)
    shutil.rmtree(place / "audit")
    (place / log.key(2)).unlink()
    again = open_store(str(place))
    adopt(again, MODEL, who="ann", why="they are right")
    assert only(again)[:2] == ("removed record", log.key(2))
