"""A platform from the fields of a connection, or local; what it opens; what it never prints."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_mlops.core.aws.s3_options import S3Options
from airflow_mlops.core.errors import MlopsError, PlatformError, SpecError
from airflow_mlops.core.registry.deployments import NOTHING
from airflow_mlops.core.serving.base import Endpoint
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.store.s3 import S3Store
from airflow_mlops.platform import DEFAULT_ENDPOINT, FIELDS, OBJECTS, Platform, Purpose

HOME = Path("/home/of/mlops")


def test_local_is_below_its_home() -> None:
    platform = Platform.local(HOME)
    assert platform.store_uri == str(HOME / "store")
    assert platform.data_uri == str(HOME / "data")
    assert platform.endpoint_url == DEFAULT_ENDPOINT == "http://127.0.0.1:8765"
    assert platform.token is None


def test_what_a_connection_leaves_open_is_local() -> None:
    assert Platform.from_fields({}, home=HOME) == Platform.local(HOME)
    assert Platform.from_fields({"store": "", "data": None, "trainer": ""}, home=HOME) == Platform.local(HOME)
    platform = Platform.from_fields({"store": "s3://b/p", "endpoint": "https://models:8765/"}, home=HOME)
    assert platform.store_uri == "s3://b/p"
    assert platform.endpoint_url == "https://models:8765"
    assert platform.data_uri == str(HOME / "data")


@pytest.mark.parametrize(
    "fields, says",
    [
        (
            {"stores": "s3://b", "bucket": "b"},
            "mlops connection has an unknown field; given bucket, stores; expected store, data, aws_conn_id",
        ),
        (
            {"trainer": "spark"},
            "mlops connection names an unknown trainer; given spark; expected local, sagemaker",
        ),
        (
            {"trainer": "sagemaker", "store": "s3://b/p"},
            "SageMaker needs an AWS connection; given no aws_conn_id; set field aws_conn_id",
        ),
        ({"sagemaker": "[]"}, "sagemaker of the mlops connection is no JSON object; given '[]'"),
        ({"s3": "AES256"}, "s3 of the mlops connection is no JSON object; given 'AES256'"),
        ({"sagemaker": "{"}, "sagemaker of the mlops connection is no JSON object; given '{'"),
        (
            {"endpoint": "models:8765"},
            "endpoint of the mlops connection is no address; given models:8765; expected",
        ),
        ({"endpoint": "http://"}, "endpoint of the mlops connection is no address"),
        ({"endpoint": "ftp://models"}, "endpoint of the mlops connection is no address"),
        ({"endpoint": "http://[models"}, "endpoint of the mlops connection is no address"),
    ],
)
def test_wrong_fields_are_named(fields: dict[str, str], says: str) -> None:
    with pytest.raises(PlatformError) as caught:
        Platform.from_fields(fields, home=HOME)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in OBJECTS])
@pytest.mark.parametrize("value", [7, 0, False, True, 1.5, ["s3://b"], [], {"uri": "s3://b"}])
def test_a_value_that_is_no_text_is_refused(name: str, value: object) -> None:
    with pytest.raises(PlatformError) as caught:
        Platform.from_fields({name: value}, home=HOME)
    shown = type(value).__name__ if name == "privacy_secret" else repr(value)
    assert str(caught.value) == (
        f"{name} of the mlops connection is no text; given {shown}; expected text; "
        "write it in quotes in the extra of the connection"
    )


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("value", [7, 0, False, True, [], ["role"]])
def test_a_value_that_is_no_object_is_refused(name: str, value: object) -> None:
    with pytest.raises(PlatformError, match=f"{name} of the mlops connection is no JSON object; given "):
        Platform.from_fields({name: value}, home=HOME)


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_may_be_left_empty(name: str) -> None:
    for empty in ("", None):
        assert Platform.from_fields({name: empty}, home=HOME) == Platform.local(HOME)


def test_a_secret_that_is_no_text_is_not_shown() -> None:
    with pytest.raises(PlatformError) as caught:
        Platform.from_fields({"privacy_secret": 4711471147114711}, home=HOME)
    assert "4711" not in str(caught.value)


def test_sagemaker_needs_a_store_on_s3() -> None:
    with pytest.raises(PlatformError, match="given store /home/of/mlops/store; expected s3://bucket/prefix"):
        Platform.from_fields({"endpoint": "sagemaker"}, home=HOME, aws=lambda: pytest.fail("not asked"))


def test_settings_of_sagemaker_come_as_an_object_or_as_the_json_of_the_form() -> None:
    fields = {"store": "s3://b/p", "endpoint": "sagemaker"}
    settings = {"hosting": {"instances": 2}, "models": {"orders": {"hosting": {"instances": 5}}}}
    for given in (settings, json.dumps(settings)):
        platform = Platform.from_fields({**fields, "sagemaker": given}, home=HOME, aws=lambda: "aws")  # type: ignore[arg-type, return-value]
        assert platform.endpoint_url == "sagemaker"
        aws, read = platform.require_aws("serving")
        assert (aws, read.hosting.instances, read.of_model("orders").hosting.instances) == ("aws", 2, 5)


def test_options_of_s3_reach_the_store_and_the_data_root(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    for name in ("airflow_mlops.core.store.open_store", "airflow_mlops.core.data.source.open_data_root"):
        monkeypatch.setattr(name, lambda uri, client, options: given.append((uri, client, options)))
    fields = {"store": "s3://b/p", "data": "s3://d", "s3": {"encryption": "AES256"}}
    platform = Platform.from_fields(fields, home=HOME, s3=lambda: "client")
    platform.store()
    platform.data()
    assert given == [(uri, "client", S3Options(encryption="AES256")) for uri in ("s3://b/p", "s3://d")]


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"role": "x"}, "role: unknown field; did you mean role_arn?"),
        ({"role_arn": "mlops"}, "role_arn: given 'mlops'"),
        ({"training": {"max_wait": "2d"}}, "training: max_wait is for spot training"),
        ({"models": {"orders": {"hosting": {"instance": 3}}}}, "hosting.instance: unknown field"),
    ],
)
def test_wrong_settings_of_sagemaker_are_named(settings: dict[str, object], says: str) -> None:
    with pytest.raises(SpecError) as caught:
        Platform.from_fields({"sagemaker": settings}, home=HOME)
    assert says in str(caught.value)


def test_the_token_is_not_shown() -> None:
    platform = Platform.from_fields({}, home=HOME, token="s3cret", s3=lambda: "client")
    assert platform.token == "s3cret"
    shown = f"{platform!r} {platform} {[platform]}"
    assert "s3cret" not in shown
    assert "client" not in shown


def test_a_password_in_the_address_of_the_endpoint_is_refused_without_showing_it() -> None:
    with pytest.raises(PlatformError, match="as password of the mlops connection") as caught:
        Platform.from_fields({"endpoint": "http://me:s3cret@models:8765"}, home=HOME)
    assert "s3cret" not in str(caught.value)


def test_a_platform_can_not_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Platform.local(HOME).token = "t"


def test_it_opens_folders(tmp_path: Path) -> None:
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "a" / "1.csv").write_text("x\n1\n")
    platform = Platform.local(tmp_path)
    store = platform.store()
    assert isinstance(store, FolderStore)
    store.create("k", b"v")
    assert platform.store().read("k") == b"v"
    assert [file.path for file in platform.data().list("a/*.csv")] == ["a/1.csv"]


def test_the_s3_client_is_made_only_where_something_is_on_s3(tmp_path: Path) -> None:
    made: list[str] = []

    def client() -> Any:
        made.append("client")
        return "the client"

    platform = Platform(store_uri="s3://b/p", data_uri=str(tmp_path), s3=client)
    assert made == []
    platform.data()
    assert made == []
    assert isinstance(platform.store(), S3Store)
    assert made == ["client"]


def test_the_endpoint_is_that_of_the_model(tmp_path: Path) -> None:
    platform = Platform(
        store_uri=str(tmp_path), data_uri=str(tmp_path), endpoint_url="http://127.0.0.1:1", token="s3cret"
    )
    endpoint = platform.endpoint("orders")
    assert isinstance(endpoint, Endpoint)
    assert endpoint.url == "http://127.0.0.1:1/endpoints/orders/invocations"
    assert "s3cret" not in repr(endpoint)
    assert NOTHING.number == 0


def test_a_store_that_can_not_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for uri in (str(tmp_path / "file"), "gs://bucket/prefix", "s3://"):
        with pytest.raises(MlopsError) as caught:
            Platform(store_uri=uri, data_uri=str(tmp_path)).store()
        assert len(str(caught.value).splitlines()) == 1


PURPOSES: tuple[Purpose, ...] = ("data", "training", "serving")


class Ways:
    """AWS connections that note who was asked for, and for what."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def to(self, name: str) -> Callable[[], Any]:
        def way() -> Any:
            self.asked.append(name)
            return SimpleNamespace(name=name, client=lambda service: f"{service} of {name}")

        return way

    def platform(self, *own: Purpose, **fields: str) -> Platform:
        """Everything on AWS, with connections of their own for some purposes."""
        given = {
            "store": "s3://b/p",
            "data": "s3://d",
            "endpoint": "sagemaker",
            "trainer": "sagemaker",
            **fields,
        }
        return Platform.from_fields(
            given,
            home=HOME,
            s3=lambda: self.to("all")().client("s3"),
            aws=self.to("all"),
            own_aws={purpose: self.to(purpose) for purpose in own},
        )


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The client that each URI was opened with."""
    clients: dict[str, Any] = {}

    def note(uri: str, client: Any, options: Any) -> Any:
        clients[uri] = client
        return SimpleNamespace(uri=uri)

    for name in ("airflow_mlops.core.store.open_store", "airflow_mlops.core.data.source.open_data_root"):
        monkeypatch.setattr(name, note)
    return clients


def test_each_purpose_goes_by_its_own_connection(opened: dict[str, Any]) -> None:
    platform = Ways().platform(*PURPOSES)
    platform.store()
    platform.data()
    assert opened == {"s3://b/p": "s3 of all", "s3://d": "s3 of data"}
    training, endpoint = platform.training("orders"), platform.endpoint("orders")
    assert training is not None
    assert training._aws.name == "training"  # type: ignore[attr-defined]
    assert endpoint._aws.name == "serving"  # type: ignore[attr-defined]


def test_without_one_of_its_own_a_purpose_goes_by_the_connection_for_all(opened: dict[str, Any]) -> None:
    ways = Ways()
    platform = ways.platform()
    platform.data()
    assert opened == {"s3://d": "s3 of all"}
    assert [platform.require_aws(purpose)[0].name for purpose in PURPOSES] == ["all"] * 3  # type: ignore[attr-defined]
    assert set(ways.asked) == {"all"}


@pytest.mark.parametrize(
    "use, asked",
    [
        (lambda platform: platform.data(), {"data"}),
        (lambda platform: platform.store(), {"all"}),
        (lambda platform: platform.training("orders"), {"all", "training"}),
        (lambda platform: platform.endpoint("orders"), {"all", "serving"}),
    ],
)
def test_no_other_connection_is_asked_for(opened: dict[str, Any], use: Any, asked: set[str]) -> None:
    """Who trains needs no right to deploy: a connection that is not used may be missing."""
    ways = Ways()
    platform = ways.platform(*PURPOSES)
    assert ways.asked == []
    use(platform)
    assert set(ways.asked) == asked


def test_training_alone_needs_no_connection_for_all() -> None:
    fields = {"store": "s3://b/p", "trainer": "sagemaker"}
    ways = Ways()
    Platform.from_fields(fields, home=HOME, own_aws={"training": ways.to("training")})
    with pytest.raises(PlatformError, match="SageMaker needs an AWS connection; given no aws_conn_id"):
        Platform.from_fields(fields, home=HOME, own_aws={"serving": ways.to("serving")})
