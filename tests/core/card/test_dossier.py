"""What is gathered of a version, also when records are old, gone or broken."""

from __future__ import annotations

import json

import pytest

from airflow_mlops.core.card.dossier import Dossier, gather
from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.retention.run import Pruning, pruning_log
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.blobs import blob_key
from tests.core.card.world import DATASET, MODEL, SNAPSHOT, after, append, card, live
from tests.core.registry.world import MemoryStore, register


class Forgetful(MemoryStore):
    """A store whose objects can be lost and changed."""

    def forget(self, key: str) -> None:
        del self._objects[key]

    def spoil(self, key: str, data: bytes) -> None:
        self._objects[key] = data


@pytest.fixture
def lossy() -> Forgetful:
    store = Forgetful()
    live(store)
    return store


def test_a_whole_life(lived: Store) -> None:
    found = gather(lived, MODEL, 2)
    assert [one.role for one in found.places] == ["shadow", "canary", "champion"]
    assert [(one.until or after(0)) - one.since for one in found.places] == [
        after(1) - after(0), after(1) - after(0), after(27) - after(0),
    ]  # fmt: skip
    assert [one.proved for one in found.places] == [None, None, after(13.01)]
    assert [(one.to, one.who) for one in found.left] == [(1, "carol")]
    assert found.place is None
    assert [one.verdict.stage for one in found.verdicts] == ["shadow", "canary"]
    assert found.approvals[0].answers[0].user == "bob"
    assert "auc 0.71" in found.evidence[found.approvals[0].evidence or ""]
    assert (len(found.looks), len(found.alerts), len(found.requests), len(found.reproductions)) == (
        1,
        1,
        1,
        1,
    )
    assert [one.retrain for one in found.erasures] == [(2,)]
    assert [one.ref for one in found.trail.versions] == [DATASET, SNAPSHOT]
    assert found.validation is not None
    assert found.policy is not None
    assert found.as_of == after(60)
    assert not found.gaps
    assert Dossier.model_validate_json(found.model_dump_json()) == found


def test_another_version_has_its_own_life(lived: Store) -> None:
    found = gather(lived, MODEL, 1)
    assert [(one.since, one.until) for one in found.places] == [(after(2), after(13)), (after(40), None)]
    assert not found.left, "that a better one followed is no rollback"
    assert not found.looks
    assert not found.alerts


@pytest.mark.parametrize(
    "hours,champion,verdicts,looks,stands",
    [
        (10.2, None, 0, 0, "Registered"),
        (11.5, None, 0, 0, "In shadow"),
        (12.95, None, 2, 0, "In canary"),
        (13.5, after(13), 2, 0, "Champion"),
        (41, None, 2, 1, "Rolled back"),
    ],
)
def test_as_of_a_moment_nothing_later_is_known(
    lived: Store, hours: float, champion: object, verdicts: int, looks: int, stands: str
) -> None:
    found = gather(lived, MODEL, 2, as_of=after(hours))
    place = found.place
    assert (place.since if place and place.role == "champion" else None) == champion
    assert (len(found.verdicts), len(found.looks)) == (verdicts, looks)
    assert not found.reproductions
    assert found.as_of == after(hours)
    assert card(lived, as_of=after(hours)).verdict[0] == stands


def test_a_challenger_whose_lease_is_over_is_in_no_place(lived: Store) -> None:
    from airflow_mlops.core.card.places import places
    from airflow_mlops.core.registry.deployments import DeploymentLog

    entries = list(DeploymentLog(lived, MODEL).log.entries())[:2]
    (place,) = places(entries, 2, after(31))
    assert place.until == after(30)
    assert place.ended == "its lease was over"


def test_before_its_registration_there_is_no_dossier(lived: Store) -> None:
    with pytest.raises(RegistryError, match=r"orders:2 was not registered yet.*2024-03-01 17:00:00"):
        gather(lived, MODEL, 2, as_of=after(5))
    with pytest.raises(RegistryError, match="no version 3"):
        gather(lived, MODEL, 3)


def test_a_record_without_anything_around_it(store: Store) -> None:
    register(store)
    found = gather(store, MODEL, 1)
    assert found.trail.dataset is None
    assert [one.why for one in found.trail.gone] == ["its record is not in the store"]
    assert not found.gaps


def test_what_retention_removed_is_said(lossy: Forgetful) -> None:
    lossy.forget(f"datasets/{MODEL}/{SNAPSHOT.id}.json")
    lossy.forget(blob_key(gather(lossy, MODEL, 2).record.validation or ""))
    log = pruning_log(lossy)
    named = (f"{SNAPSHOT.name}@{SNAPSHOT.id}",)
    # an erasure names the version, too: without it, retention is to blame
    lossy.forget(f"models/{MODEL}/erasures/0000000001.json")
    append(
        log,
        Pruning(
            model=MODEL, at=after(70), dry_run=False, datasets=named, removed=1, removed_bytes=1, condemned={},
            condemned_bytes=0,
        ),
    )  # fmt: skip
    found = gather(lossy, MODEL, 2)
    assert [one.why for one in found.trail.gone] == ["removed by retention on 2024-03-04"]
    assert [(one.what, one.why) for one in found.gaps] == [
        ("result of the data tests", "not in the store any more")
    ]
    assert found.validation is None


def test_broken_and_lost_entries_are_said_and_the_rest_is_told(lossy: Forgetful) -> None:
    lossy.forget(f"models/{MODEL}/deployments/0000000002.json")
    lossy.spoil(f"models/{MODEL}/alerts/0000000001.json", b'{"nonsense": [')
    lossy.spoil(f"models/{MODEL}/reproductions/9999999999.json", b"[]")
    found = gather(lossy, MODEL, 2)
    assert [one.role for one in found.places] == ["canary", "champion"]
    assert len(found.reproductions) == 1
    said = {one.what: one.why for one in found.gaps}
    assert said["deployment log"] == "1 entries before the newest one are missing"
    assert "is not a AlertEntry" in said["log of alerts"]
    assert "9,999,999,997 entries" in said["log of reproductions"]


def test_a_changed_blob_is_said(lossy: Forgetful) -> None:
    lock = gather(lossy, MODEL, 2).record.trained.environment
    lossy.spoil(blob_key(lock), b"numpy==1\n")
    found = gather(lossy, MODEL, 2)
    assert found.environment is None
    assert [one.what for one in found.gaps] == ["lock of the environment"]


def test_times_without_a_zone_and_a_loop_of_ancestors(lossy: Forgetful) -> None:
    key = f"models/{MODEL}/deployments/0000000005.json"
    naive = json.loads(lossy.read(key))
    lossy.spoil(key, json.dumps({**naive, "at": "2024-03-03T04:00:00"}).encode())
    key = f"datasets/{MODEL}/{SNAPSHOT.id}.json"
    looped = json.loads(lossy.read(key))
    looped["derivation"] = {"kind": "join", "parents": [DATASET.model_dump()], "by": "x", "note": "a loop"}
    lossy.spoil(key, json.dumps(looped).encode())
    found = gather(lossy, MODEL, 2)
    assert [one.at for one in found.left] == [after(40)]
    assert len(found.trail.versions) == 2


def test_a_hostile_reference_is_no_key(store: Store) -> None:
    _, record = register(store)
    evil = {
        **json.loads(record.to_bytes()),
        "dataset": {"name": "../..", "id": "/etc/passwd"},
        "validation": "x",
    }
    append(
        Log(store, f"models/{MODEL}/versions", ModelVersion),
        ModelVersion.model_validate_json(json.dumps(evil)),
    )
    found = gather(store, MODEL, 2)
    assert [one.why for one in found.trail.gone] == ["its record is not in the store"]
    assert "not the hash of a blob" in found.gaps[0].why
