"""Which checks ``airflow-mlops doctor`` makes: of a store alone, or of all that a connection names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_mlops.cli.place import is_there, require_store
from airflow_mlops.core.doctor import Check, examine
from airflow_mlops.core.doctor.clock import check_clock
from airflow_mlops.core.doctor.endpoint import check_deployments, check_server
from airflow_mlops.core.doctor.leases import check_leases
from airflow_mlops.core.doctor.machine import check_disk, check_uv, places_on_disk
from airflow_mlops.core.doctor.packages import check_packages
from airflow_mlops.core.doctor.places import check_data, check_store
from airflow_mlops.core.serving.server import spool_root
from airflow_mlops.core.store.opening import folder_of

if TYPE_CHECKING:
    from airflow_mlops.core.doctor import Finding
    from airflow_mlops.core.store import Store
    from airflow_mlops.platform import Platform

#: Seconds for asking the endpoints of all models.
_DEPLOYMENTS = 30.0


def of_store(uri: str) -> Iterator[Finding]:
    """What can be looked at with a store alone; S3 is reached as the environment says.

    :raises PlatformError: if the folder is not there: a name that was mistyped.
    """
    from airflow_mlops.core.store import open_store

    require_store(uri)
    on_s3 = uri.startswith("s3://")
    needed = {"amazon": "the store is on S3"} if on_s3 else {}
    clock = Check("clock", lambda: check_clock(_s3_address(_client_of_environment) if on_s3 else {}))
    return _store_first(uri, lambda: open_store(uri), lambda usable: [clock, *_of_machine(uri, needed)])


def of_connection(conn_id: str) -> Iterator[Finding]:
    """What a connection names, this machine and Airflow; without the connection, the last two."""
    # So Airflow's own ``connections test`` finds connections in the database, too.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from airflow_mlops.hooks.doctor import api_url, check_api, check_dags, check_unseen, look_at_connection

    platform, finding = look_at_connection(conn_id)
    yield finding
    url = api_url()
    airflow = [
        Check("airflow", lambda: check_api(url)),
        Check("dags", check_dags),
        Check("dags", check_unseen),
    ]
    if platform is None:
        yield from examine([*_of_machine(None, {}), *airflow])
        return
    uri = platform.store_uri
    rest = [*_of_machine(uri, _needed(platform)), *airflow]
    yield from _store_first(uri, platform.store, lambda usable: [*_of_platform(platform, url, usable), *rest])


def _store_first(
    uri: str, opened: Callable[[], Store], others: Callable[[bool], Sequence[Check]]
) -> Iterator[Finding]:
    """The store, and then the others, so that one cause is told once.

    :param others: given whether the store can be read.
    """
    usable = is_there(uri)
    for finding in examine([Check("store", lambda: check_store(uri, opened))]):
        usable = usable and finding.state != "problem"
        yield finding
    reading = [Check("rollouts", lambda: check_leases(opened()))] if usable else []
    yield from examine([*reading, *others(usable)])


def _of_platform(platform: Platform, airflow: str, usable: bool) -> list[Check]:
    """:param usable: whether the store can be read."""
    from airflow_mlops.hooks.doctor import check_aws

    servers = {"Airflow's API server": f"{airflow}/api/v2/version"}
    if not _serves_on_sagemaker(platform):
        servers["the endpoint"] = f"{platform.endpoint_url}/ping"
    return [
        Check("aws", lambda: check_aws(platform)),
        Check(
            "data", lambda: check_data(platform.data_uri, lambda: _data_client(platform), platform.s3_options)
        ),
        Check("endpoint", lambda: _endpoint(platform, usable), limit=_DEPLOYMENTS + 15),
        Check("clock", lambda: check_clock({**_s3_address(_s3_of(platform)), **servers})),
    ]


def _endpoint(platform: Platform, usable: bool) -> Iterator[Finding]:
    """The server, and what serves, where one answers that can be held against a log."""
    if not _serves_on_sagemaker(platform):
        for finding in check_server(platform.endpoint_url, platform.token, platform.store_uri):
            usable = usable and finding.state != "problem"
            yield finding
    if usable:
        store = platform.store()
        yield from check_deployments(store, lambda model: platform.endpoint(model, store), _DEPLOYMENTS)


def _of_machine(uri: str | None, needed: dict[str, str]) -> list[Check]:
    return [
        Check("versions", lambda: check_packages(needed)),
        Check("disk", lambda: check_disk(places_on_disk(spool_root(), folder_of(uri) if uri else None))),
        Check("uv", check_uv),
    ]


def _needed(platform: Platform) -> dict[str, str]:
    """The extras that a platform does not work without, and why."""
    needed = {}
    if platform.aws is not None or platform.own_aws:
        needed["amazon"] = "the mlops connection names an AWS connection"
    elif any(uri.startswith("s3://") for uri in (platform.store_uri, platform.data_uri)):
        needed["amazon"] = "the mlops connection names a place on S3"
    return needed


def _serves_on_sagemaker(platform: Platform) -> bool:
    return "serving" in platform.purposes_on_sagemaker


def _data_client(platform: Platform) -> Any:
    """The S3 client that reads the source data."""
    aws = platform.aws_for("data")
    return aws().client("s3") if aws else platform.s3_client()


def _client_of_environment() -> Any:
    from airflow_mlops.core.aws.environment import EnvironmentAws

    return EnvironmentAws().client("s3")


def _s3_of(platform: Platform) -> Callable[[], Any] | None:
    """What makes the client of the store, or of the data; None where neither is on S3."""
    if platform.store_uri.startswith("s3://"):
        return platform.s3_client
    return (lambda: _data_client(platform)) if platform.data_uri.startswith("s3://") else None


def _s3_address(client: Callable[[], Any] | None) -> dict[str, str]:
    return {"S3": str(client().meta.endpoint_url)} if client else {}
