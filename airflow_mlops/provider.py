"""What Airflow learns about this package without importing anything else of it.

The plugin is not named here: Airflow loads plugins of provider info only with ``core.lazy_discover_providers`` off, and
then reports the one of our entry point ``airflow.plugins``, which always loads, as registered twice.
"""

from __future__ import annotations

from typing import Any

#: Pages that a task has a button for.
_PAGES = ("Model", "Version", "Evaluation", "DataDocs", "Drift", "Performance")


def get_provider_info() -> dict[str, Any]:
    """The provider's description, in the form of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-mlops",
        "name": "MLOps",
        "description": "Data-centric MLOps: validate, train, release and roll back models with evidence.",
        "connection-types": [_connection_type()],
        "asset-uris": [
            {
                "schemes": [scheme],
                "handler": "airflow_mlops.assets.sanitize_uri",
                "factory": f"airflow_mlops.assets.{factory}",
                "to_openlineage_converter": "airflow_mlops.assets.convert_asset_to_openlineage",
            }
            for scheme, factory in (("mlmodel", "create_model_asset"), ("mldataset", "create_dataset_asset"))
        ],
        "extra-links": [
            "airflow_mlops.links.endpoint.EndpointLink",
            *(f"airflow_mlops.links.pages.{name}Link" for name in _PAGES),
            "airflow_mlops.links.sagemaker.TrainingJobLink",
        ],
        "notifications": ["airflow_mlops.notifications.webhook.WebhookNotifier"],
        "cli": ["airflow_mlops.cli.definition.get_mlops_cli_commands"],
        "config": {"mlops": {"description": "Options of airflow-mlops.", "options": _options()}},
    }


def _connection_type() -> dict[str, Any]:
    """The form of the ``mlops`` connection: shown by the UI without importing the hook."""
    return {
        "connection-type": "mlops",
        "hook-class-name": "airflow_mlops.hooks.mlops.MlopsHook",
        "hook-name": "MLOps",
        "ui-field-behaviour": {
            "hidden-fields": ["host", "schema", "login", "port", "extra"],
            "relabeling": {"password": "Endpoint token"},
            "placeholders": _placeholders(),
        },
        "conn-fields": {
            **_fields_of_places(),
            **_fields_of_aws_connections(),
            **_fields_of_work(),
            **_fields_of_options(),
        },
    }


def _placeholders() -> dict[str, str]:
    """What the form shows in an empty field."""
    return {
        "password": "bearer token of the endpoint; empty on loopback",
        "store": "/data/mlops/store or s3://bucket/prefix",
        "data": "/data/mlops/data or s3://bucket/prefix",
        "aws_conn_id": "aws_default",
        "data_aws_conn_id": "aws_data_reader",
        "training_aws_conn_id": "aws_trainer",
        "serving_aws_conn_id": "aws_deployer",
        "endpoint": "http://127.0.0.1:8765",
        "trainer": "local",
        "sagemaker": '{"role_arn": "arn:aws:iam::123456789012:role/mlops"}',
        "s3": '{"encryption": "aws:kms"}',
        "privacy_secret": "output of: openssl rand -hex 32",
    }


def _fields_of_places() -> dict[str, Any]:
    """Where things lie."""
    return {
        "store": _field(
            "Store",
            "Where model versions and deployment logs live: a folder, file:///path or s3://bucket/prefix. "
            "Empty: a folder below [mlops] home.",
        ),
        "data": _field(
            "Source data",
            "The root that the source of a model spec is relative to: a folder or s3://bucket/prefix. "
            "Empty: a folder below [mlops] home.",
        ),
    }


def _fields_of_aws_connections() -> dict[str, Any]:
    """Whose credentials are used on AWS, and for what."""
    return {
        "aws_conn_id": _field(
            "AWS connection", "The connection whose credentials reach s3:// (needs the extra amazon)."
        ),
        "data_aws_conn_id": _field(
            "AWS connection that reads data",
            "Reads the source data, and nothing else. Empty: the AWS connection above.",
        ),
        "training_aws_conn_id": _field(
            "AWS connection that trains",
            "Starts and follows training jobs on SageMaker, and nothing else. Empty: the AWS connection above.",
        ),
        "serving_aws_conn_id": _field(
            "AWS connection that deploys",
            "Changes and asks endpoints, transforms and the model registry on SageMaker, and nothing else. "
            "Empty: the AWS connection above.",
        ),
    }


def _fields_of_work() -> dict[str, Any]:
    """Where models are served and trained."""
    return {
        "endpoint": _field(
            "Endpoint", "Base URL of the server that airflow-mlops serve started, or the word sagemaker."
        ),
        "trainer": {
            "label": "Trainer",
            "description": "Where training runs: in the task, or as a job on SageMaker.",
            "schema": {"type": ["string", "null"], "enum": ["local", "sagemaker", None]},
        },
    }


def _fields_of_options() -> dict[str, Any]:
    """How it is done there."""
    return {
        "sagemaker": _object("SageMaker", "Roles, machines and networks there; see docs/how-to/aws.md."),
        "s3": _object("S3", "Encryption, requester pays, object lock; see docs/how-to/s3.md."),
        "privacy_secret": {
            "label": "Hash key",
            "description": "Secret key of the hashes that replace sensitive values: 16 signs or more, drawn by "
            "chance. Another key gives other hashes.",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
    }


def _field(label: str, description: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"]}}


def _object(label: str, description: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["object", "null"]}}


def _options() -> dict[str, Any]:
    return {
        "conn_id": _option("mlops_default", "The connection used where a DAG names none."),
        "home": _option(
            "{AIRFLOW_HOME}/mlops",
            "Folder of the local platform: what a connection leaves open, and everything without a connection.",
        ),
        "poll_interval": _option(
            "10",
            "Seconds between two looks of a deferred task. Not below 10: a quick return from a deferral can lose "
            "against a late message of the executor.",
            kind="float",
        ),
    }


def _option(default: str, description: str, kind: str = "string") -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": kind,
        "example": None,
        "default": default,
    }
