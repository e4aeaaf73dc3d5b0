"""How many labelled rows are new to a champion, and how many of its rows a model may have shaped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd
import pytest

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import DataRoot, FolderRoot, open_data_root
from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.monitoring.retraining.loop import shaped_share
from airflow_mlops.core.monitoring.retraining.new_data import NewRows, new_rows
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.store import Store, open_store
from tests.core.training.world import World, make_version, spec_of

START = pd.Timestamp("2024-01-01", tz="UTC")
HALF = datetime(2024, 1, 21, tzinfo=timezone.utc)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return open_data_root(str(tmp_path))


def frame(rows: int, first: str, days: int = 10) -> pd.DataFrame:
    made = World(rows=rows).frame()
    made["ordered"] = pd.Timestamp(first, tz="UTC") + pd.to_timedelta(
        [days * place / rows for place in range(rows)], unit="D"
    ).round("s")
    return made


def write(root: DataRoot, name: str, made: pd.DataFrame) -> None:
    assert isinstance(root, FolderRoot)
    path = Path(root.uri.removeprefix("file://")) / "orders" / name
    if name.endswith(".csv"):
        made.to_csv(path, index=False)
    else:
        made.to_parquet(path, index=False, row_group_size=100)


@pytest.fixture
def look(store: Store, root: DataRoot, tmp_path: Path) -> Callable[..., NewRows | None]:
    """What is new after a version of 1200 rows of the first forty days."""
    version = make_version(store, tmp_path, World().frame(), spec_of())

    def at(first_answer: datetime | None = None, ref: DatasetRef = version.ref) -> NewRows | None:
        return new_rows(store, spec_of(), ref, root, first_answer)

    return at


def test_nothing_is_new_at_first(look: Callable[..., NewRows]) -> None:
    assert look() == NewRows(0, None, "0 new labelled rows in 0 files")


def test_labelled_rows_of_new_files_count(look: Callable[..., NewRows], root: DataRoot) -> None:
    made = frame(500, "2024-02-10")
    made["late"] = made["late"].astype("Int64")
    made.loc[:99, "late"] = pd.NA
    write(root, "more.parquet", made)
    assert look().rows == 400
    assert look().said == "400 new labelled rows in 1 file"


def test_a_file_that_has_grown(look: Callable[..., NewRows], root: DataRoot) -> None:
    write(root, "all.parquet", pd.concat([World().frame(), frame(300, "2024-02-10")]))
    assert look().rows == 300


def test_how_many_of_them_the_model_may_have_shaped(look: Callable[..., NewRows], root: DataRoot) -> None:
    write(root, "more.parquet", frame(400, "2024-02-10"))

    def share(day: str) -> float | None:
        return look(datetime.fromisoformat(f"{day}T00:00:00+00:00")).shaped

    assert share("2024-03-10") == 0
    assert share("2024-02-01") == 1
    assert share("2024-02-15") == pytest.approx(0.5, abs=0.01)
    assert look(None).shaped == 0


def test_a_file_that_is_not_whole_is_not_counted(look: Callable[..., NewRows], root: DataRoot) -> None:
    write(root, "more.parquet", frame(400, "2024-02-10"))
    path = Path(root.uri.removeprefix("file://")) / "orders" / "more.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    assert look().rows == 0


def test_rows_behind_the_window_of_the_version_are_new(store: Store, root: DataRoot, tmp_path: Path) -> None:
    make_version(store, tmp_path, World().frame(), spec_of())
    write(root, "all.parquet", World().frame())
    first = snapshot(store, root, spec_of(), until=HALF)
    found = new_rows(store, spec_of(), first.ref, root, None)
    assert found is not None
    assert found.rows == pytest.approx(600, abs=3)
    assert found.rows + first.rows == pytest.approx(1200, abs=3)


def test_rows_of_text_files_are_told_by_their_size(store: Store, root: DataRoot, tmp_path: Path) -> None:
    spec = spec_of(data={"source": "orders/*.csv", "event_time": "ordered", "label": "late"})
    (tmp_path / "orders").mkdir()
    write(root, "a.csv", frame(1000, "2024-01-01"))
    version = snapshot(store, root, spec)
    write(root, "b.csv", frame(500, "2024-02-01"))
    found = new_rows(store, spec, version.ref, root, None)
    assert found is not None
    assert found.rows == pytest.approx(500, rel=0.05)
    assert found.said.startswith("about ")


def test_the_data_before_something_was_left_out_is_what_is_known(
    store: Store, root: DataRoot, look: Callable[..., NewRows], tmp_path: Path
) -> None:
    """A derived version names other files than the source."""
    from airflow_mlops.core.data.version import DatasetVersion, Derivation, dataset_key

    taken = snapshot(store, root, spec_of())
    derived = taken.model_copy(
        update={
            "id": "e" * 24,
            "files": (),
            "derivation": Derivation(kind="quarantine", parents=(taken.ref,), by="ann", note="n"),
        }
    )
    assert isinstance(derived, DatasetVersion)
    store.create(dataset_key(derived.name, derived.id), derived.to_bytes())
    assert look(ref=derived.ref).rows == 0


def test_nobody_knows_without_a_root_a_version_or_files(store: Store, root: DataRoot, tmp_path: Path) -> None:
    version = make_version(store, tmp_path, World().frame(), spec_of())
    assert new_rows(store, spec_of(), version.ref, None, None) is None
    assert new_rows(store, spec_of(), DatasetRef(name="orders", id="gone"), root, None) is None
    (tmp_path / "orders" / "all.parquet").unlink()
    lines: list[str] = []
    assert new_rows(store, spec_of(), version.ref, root, None, lines.append) is None
    assert "no file matches" in lines[0]


# --- the loop guard ---


def first_answer_at(store: Store, at: datetime) -> None:
    entry = Deployment(action="promote", champion=1, who="ann", why="first", at=at)
    DeploymentLog(store, "orders").log.append(entry, after=0)


def test_no_model_no_loop(store: Store, tmp_path: Path) -> None:
    version = make_version(store, tmp_path, World().frame(), spec_of())
    assert shaped_share(store, "orders", version) == 0


@pytest.mark.parametrize(
    "day, share", [("2023-12-01", 1.0), ("2024-01-21", 0.5), ("2024-01-31", 0.25), ("2024-03-01", 0.0)]
)
def test_rows_of_the_time_since_the_first_answer(
    store: Store, tmp_path: Path, day: str, share: float
) -> None:
    first_answer_at(store, datetime.fromisoformat(f"{day}T00:00:00+00:00"))
    version = make_version(store, tmp_path, World().frame(), spec_of())
    assert shaped_share(store, "orders", version) == pytest.approx(share, abs=0.002)
