"""Platform: WHERE a model lives and runs. Built from one Airflow connection, or local without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import urlsplit

from airflow_mlops.core.errors import PlatformError

if TYPE_CHECKING:
    from airflow_mlops.core.aws.s3_options import S3Options
    from airflow_mlops.core.aws.session import Aws
    from airflow_mlops.core.aws.settings import SageMaker
    from airflow_mlops.core.data.query import QueryRunner
    from airflow_mlops.core.data.source import DataRoot
    from airflow_mlops.core.serving.base import Endpoint
    from airflow_mlops.core.store import Store
    from airflow_mlops.core.training.sagemaker.jobs import SageMakerTraining

DEFAULT_ENDPOINT = "http://127.0.0.1:8765"
#: What may go by an AWS connection of its own, in the field ``<purpose>_aws_conn_id``.
Purpose = Literal["data", "training", "serving"]
AWS_FIELDS: dict[Purpose, str] = {purpose: f"{purpose}_aws_conn_id" for purpose in get_args(Purpose)}
#: The field that nobody may see.
HIDDEN = "privacy_secret"
FIELDS = (
    *("store", "data", "aws_conn_id", *AWS_FIELDS.values()),
    *("endpoint", "trainer", "sagemaker", "s3", HIDDEN),
)
TRAINERS = ("local", "sagemaker")
#: Fields that are objects.
OBJECTS = ("sagemaker", "s3")
#: What stands in the field ``endpoint`` instead of an address.
SAGEMAKER = "sagemaker"


@dataclass(frozen=True)
class Platform:
    """Where one deployment of the lifecycle runs.

    :param store_uri: folder or ``s3://bucket/prefix`` of the store.
    :param data_uri: root below which the spec's ``source`` lies; a folder or ``s3://bucket/prefix``.
    :param endpoint_url: base URL of the local endpoint server, or ``sagemaker``.
    :param token: bearer token of the endpoint; never printed.
    :param trainer: where training runs.
    :param privacy_secret: key of the hashes of sensitive values; never printed.
    :param s3: makes a boto3 S3 client; called only when a URI is on S3.
    :param aws: the clients of an AWS connection; called only when SageMaker is used.
    :param own_aws: those of other connections, for purposes that have one: reading the source data, training jobs, and
        all that serves (endpoints, transforms, the model registry). Called only when that is done.
    :param sagemaker: machines, roles and networks there.
    :param s3_options: encryption, locks and who pays, for what is written to S3 and read from it.
    :param query: runs SQL on a named connection, for specs with ``data.query``.
    """

    store_uri: str
    data_uri: str
    endpoint_url: str = DEFAULT_ENDPOINT
    token: str | None = field(default=None, repr=False)
    trainer: str = "local"
    privacy_secret: str | None = field(default=None, repr=False)
    s3: Callable[[], Any] | None = field(default=None, repr=False, compare=False)
    aws: Callable[[], Aws] | None = field(default=None, repr=False, compare=False)
    own_aws: Mapping[Purpose, Callable[[], Aws]] = field(default_factory=dict, repr=False, compare=False)
    sagemaker: SageMaker | None = None
    s3_options: S3Options | None = None
    query: QueryRunner | None = field(default=None, repr=False, compare=False)

    @classmethod
    def local(cls, home: Path) -> Platform:
        """A platform in a folder: store, data and cache below ``home``."""
        return cls(store_uri=str(home / "store"), data_uri=str(home / "data"))

    @classmethod
    def from_fields(
        cls,
        fields: Mapping[str, Any],
        *,
        home: Path,
        token: str | None = None,
        s3: Callable[[], Any] | None = None,
        aws: Callable[[], Aws] | None = None,
        own_aws: Mapping[Purpose, Callable[[], Aws]] | None = None,
        query: QueryRunner | None = None,
    ) -> Platform:
        """A platform from the fields of an ``mlops`` connection; what is not given is local, below ``home``.

        :raises PlatformError: for an unknown field or trainer, a value that is no text, an endpoint that is no address,
            or SageMaker without what it needs.
        :raises SpecError: if a field of ``sagemaker`` is wrong.
        """
        unknown = set(fields) - set(FIELDS)
        if unknown:
            raise PlatformError(
                "mlops connection has an unknown field",
                given=", ".join(sorted(unknown)),
                expected=", ".join(FIELDS),
            )
        given = _texts(fields)
        trainer = given.get("trainer", "local")
        if trainer not in TRAINERS:
            raise PlatformError(
                "mlops connection names an unknown trainer", given=trainer, expected=", ".join(TRAINERS)
            )
        default = cls.local(home)
        platform = cls(
            store_uri=given.get("store", default.store_uri),
            data_uri=given.get("data", default.data_uri),
            endpoint_url=SAGEMAKER
            if given.get("endpoint") == SAGEMAKER
            else _address(given.get("endpoint", DEFAULT_ENDPOINT)),
            token=token,
            trainer=trainer,
            privacy_secret=given.get(HIDDEN),
            s3=s3,
            aws=aws,
            own_aws=own_aws or {},
            sagemaker=_settings(fields.get("sagemaker")),
            s3_options=_s3_options(fields.get("s3")),
            query=query,
        )
        for purpose in platform.purposes_on_sagemaker:
            platform._require_way(purpose)
        return platform

    @property
    def on_sagemaker(self) -> bool:
        """Whether models are trained or served there."""
        return bool(self.purposes_on_sagemaker)

    @property
    def purposes_on_sagemaker(self) -> tuple[Purpose, ...]:
        """What is done there."""
        places: dict[Purpose, str] = {"training": self.trainer, "serving": self.endpoint_url}
        return tuple(purpose for purpose, place in places.items() if place == SAGEMAKER)

    def store(self) -> Store:
        """Open the store."""
        from airflow_mlops.core.store import open_store

        return open_store(self.store_uri, self._s3_for(self.store_uri), self.s3_options)

    def data(self) -> DataRoot:
        """Open the root of the source data."""
        from airflow_mlops.core.data.source import open_data_root

        own = self.own_aws.get("data")
        on_s3 = self.data_uri.startswith("s3://")
        client = own().client("s3") if own and on_s3 else self._s3_for(self.data_uri)
        return open_data_root(self.data_uri, client, self.s3_options)

    def endpoint(self, model: str, store: Store | None = None) -> Endpoint:
        """The endpoint of a model. :param store: of this platform, if it is open already."""
        store = store or self.store()
        if self.endpoint_url == SAGEMAKER:
            from airflow_mlops.core.serving.sagemaker.endpoint import SageMakerEndpoint

            aws, settings = self.require_aws("serving")
            return SageMakerEndpoint(aws, settings.of_model(model), model, store)
        from airflow_mlops.core.serving.local import LocalEndpoint

        return LocalEndpoint(self.endpoint_url, model, store, token=self.token)

    def training(self, model: str) -> SageMakerTraining | None:
        """Where the jobs that train a model run; None where it is trained in the task itself."""
        if self.trainer != SAGEMAKER:
            return None
        from airflow_mlops.core.training.sagemaker.jobs import SageMakerTraining

        aws, settings = self.require_aws("training")
        return SageMakerTraining(
            aws,
            settings.of_model(model),
            model,
            self.store(),
            self.data_uri,
            environment=self.s3_options.to_environment() if self.s3_options else None,
        )

    def require_aws(self, purpose: Purpose) -> tuple[Aws, SageMaker]:
        """What work on SageMaker needs: clients and settings.

        :raises PlatformError: if the connection names no AWS connection, or the store is not on S3.
        """
        from airflow_mlops.core.aws.settings import SageMaker

        return self._require_way(purpose)(), self.sagemaker or SageMaker()

    def aws_for(self, purpose: Purpose) -> Callable[[], Aws] | None:
        """The clients for a purpose: of its own connection, or of the one for all."""
        return self.own_aws.get(purpose, self.aws)

    def _require_way(self, purpose: Purpose) -> Callable[[], Aws]:
        from airflow_mlops.core.aws.on_s3 import require_on_s3

        aws = self.aws_for(purpose)
        if aws is None:
            raise PlatformError(
                "SageMaker needs an AWS connection",
                given="no aws_conn_id",
                remedy="set field aws_conn_id of the mlops connection, e.g. to aws_default",
            )
        require_on_s3(self.store_uri)
        return aws

    def s3_client(self) -> Any:
        """A boto3 S3 client: of the connection, or from boto3's own environment without one."""
        from airflow_mlops.core.aws.environment import EnvironmentAws

        return self.s3() if self.s3 else EnvironmentAws().client("s3")

    def _s3_for(self, uri: str) -> Any:
        return self.s3_client() if uri.startswith("s3://") else None


def _empty(value: Any) -> bool:
    """Whether a field is left open; 0 and false are values, and wrong ones."""
    return value is None or value in ("", {})


def _texts(fields: Mapping[str, Any]) -> dict[str, str]:
    """The fields that are text, without the empty ones.

    :raises PlatformError: for a value of another kind, which JSON may hold; that of a secret is not shown.
    """
    texts = {name: value for name, value in fields.items() if name not in OBJECTS and not _empty(value)}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise PlatformError(
                f"{name} of the mlops connection is no text",
                given=type(value).__name__ if name == HIDDEN else repr(value)[:80],
                expected="text",
                remedy="write it in quotes in the extra of the connection",
            )
    return texts


def _settings(given: Any) -> SageMaker | None:
    if _empty(given):
        return None
    from airflow_mlops.core.aws.settings import SageMaker

    return SageMaker(**_object("sagemaker", given, '{"role_arn": "arn:aws:iam::123456789012:role/mlops"}'))


def _s3_options(given: Any) -> S3Options | None:
    if _empty(given):
        return None
    from airflow_mlops.core.aws.s3_options import S3Options

    return S3Options(**_object("s3", given, '{"encryption": "aws:kms"}'))


def _object(name: str, given: Any, example: str) -> Mapping[str, Any]:
    """A field that is an object, or its JSON as the connection form gives it."""
    import json

    try:
        fields = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        fields = None
    if not isinstance(fields, Mapping):
        raise PlatformError(
            f"{name} of the mlops connection is no JSON object",
            given=repr(given)[:80],
            expected=f"e.g. {example}",
        )
    return fields


def _address(url: str) -> str:
    """The base URL of an endpoint, checked: it stands in logs and lineage, so it holds no password."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable, parts = False, None
    if parts and "@" in parts.netloc:
        raise PlatformError(
            "endpoint of the mlops connection holds a name or password",
            expected=f"e.g. {DEFAULT_ENDPOINT}",
            remedy="give the token as password of the mlops connection",
        )
    if not usable:
        raise PlatformError(
            "endpoint of the mlops connection is no address",
            given=url,
            expected=f"e.g. {DEFAULT_ENDPOINT}, or {SAGEMAKER}",
        )
    return url.rstrip("/")
