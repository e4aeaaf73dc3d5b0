"""``airflow-mlops aws``: what an account needs, what is live there, and how to get rid of it."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import PlatformError

if TYPE_CHECKING:
    from airflow_mlops.platform import Platform

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser("aws", help="plan for AWS, see what is live there, clean up")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_plan(commands)
    for name, function, what in (
        ("status", run_status, "say what is live of a model on SageMaker"),
        ("mirror", run_mirror, "bring a model's newest version to SageMaker's model registry"),
        ("teardown", run_teardown, "delete a model's endpoint, with everything that belongs to it alone"),
        ("clean", run_clean, "delete models and configurations on SageMaker that no kept version needs"),
    ):
        command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        command.add_argument("model", metavar="MODEL", help="name of the model")
        _add_connection(command)
        if name in ("teardown", "clean"):
            command.add_argument(
                "--yes",
                action="store_true",
                help="do it without asking"
                if name == "teardown"
                else "do it; without this, only say what would go",
            )
        else:
            command.add_argument("--json", action="store_true", help="print JSON")
        command.set_defaults(func=function)


def _add_plan(commands: SubParsers) -> None:
    plan = commands.add_parser(
        "plan",
        help="print what an AWS account needs: buckets, roles, log groups, connections",
        description="Print what an AWS account needs: buckets, roles with least privilege, log groups, and the "
        "connections of Airflow. From an mlops connection, or from options. Creates nothing, and asks AWS nothing.",
    )
    _add_connection(plan, default=None)
    plan.add_argument("--region", help="e.g. eu-central-1; without it, that of the connection")
    plan.add_argument("--store", metavar="URI", help="s3://bucket/prefix of the store")
    plan.add_argument(
        "--data", metavar="URI", help="s3://bucket/prefix of the source data, with a bucket of its own"
    )
    plan.add_argument("--account", default="<account>", help="12 digits")
    plan.add_argument(
        "--airflow",
        default="ec2.amazonaws.com",
        metavar="WHO",
        help="who runs Airflow: a service, or the ARN of a role or user (%(default)s)",
    )
    plan.add_argument(
        "--separate",
        action="store_true",
        help="a role and a connection for each of store, data, training and deploying; --airflow is an ARN then",
    )
    plan.add_argument(
        "--model", action="append", default=[], help="prepare its log group; may be given again"
    )
    plan.add_argument("--log-days", type=int, default=30, help="how long logs are kept (%(default)s)")
    form = plan.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--cli", action="store_true", help="print commands of the AWS CLI")
    plan.set_defaults(func=run_plan)


def _add_connection(parser: argparse.ArgumentParser, default: str | None = "mlops_default") -> None:
    parser.add_argument(
        "--conn-id",
        default=default,
        metavar="ID",
        help="the mlops connection" + (" (%(default)s)" if default else ""),
    )


def run_plan(arguments: argparse.Namespace) -> int:
    """Print the plan.

    :raises PlatformError: if neither options nor the connection say where the store is, or it is not on S3.
    """
    from airflow_mlops.core.aws.blueprint import Wish, blueprint
    from airflow_mlops.core.aws.blueprint_text import as_commands, as_text
    from airflow_mlops.core.aws.settings import SageMaker

    platform = _platform(arguments) if arguments.conn_id else None
    if arguments.cli and not arguments.account.isdigit():
        raise PlatformError(
            "commands need the account",
            given=arguments.account,
            expected="--account with 12 digits",
            remedy="aws sts get-caller-identity says it",
        )
    store = arguments.store or (platform.store_uri if platform else None)
    region = arguments.region or (platform.require_aws("serving")[0].region if platform else None)
    if store is None or region is None:
        raise PlatformError(
            "a plan needs a region and a store",
            given=f"region {region}, store {store}",
            expected="--region eu-central-1 --store s3://bucket/mlops, or --conn-id ID",
        )
    wish = Wish(
        region=region,
        store=store,
        data=arguments.data
        or (platform.data_uri if platform and platform.data_uri.startswith("s3://") else None),
        account=arguments.account,
        airflow=arguments.airflow,
        settings=(platform.sagemaker if platform else None) or SageMaker(),
        models=tuple(arguments.model),
        log_days=arguments.log_days,
        separate=arguments.separate,
    )
    plan = blueprint(wish)
    if arguments.json:
        print(json.dumps(plan, indent=2))
    else:
        print(as_commands(plan) if arguments.cli else as_text(plan))
    return 0


def run_status(arguments: argparse.Namespace) -> int:
    """Say what is live. :raises MlopsError: if the platform is not on SageMaker, or it can't be asked."""
    from airflow_mlops.core.serving.sagemaker.status import status

    aws, settings, store = _reach(arguments)
    found = status(aws, settings.of_model(arguments.model), arguments.model, store)
    if arguments.json:
        print(json.dumps(found, indent=2, default=str))
        return 0
    for name, value in found.items():
        for line in value if isinstance(value, list) else [value]:
            print(f"{name:<10} {line}")
    return 0


def run_mirror(arguments: argparse.Namespace) -> int:
    """Mirror the newest version, and what earlier failures left out. :raises MlopsError: if SageMaker refuses."""
    from airflow_mlops.core.errors import RegistryError
    from airflow_mlops.core.registry.versions import Registry
    from airflow_mlops.core.serving.sagemaker.mirroring import mirror_version

    aws, settings, store = _reach(arguments)
    newest = Registry(store, arguments.model).newest()
    if newest is None:
        raise RegistryError(f"{arguments.model} has no versions yet", remedy="release one first")
    own = settings.of_model(arguments.model)
    progress = (lambda line: None) if arguments.json else print
    arn = mirror_version(aws, own, store, arguments.model, newest[0], progress=progress)
    if arguments.json:
        print(json.dumps({"version": newest[0], "arn": arn}))
    return 0


def run_teardown(arguments: argparse.Namespace) -> int:
    """Delete the endpoint. :raises MlopsError: if SageMaker refuses."""
    from airflow_mlops.core.serving.sagemaker.teardown import Cleaner

    aws, settings, _ = _reach(arguments)
    question = f"delete the endpoint of {arguments.model} in {aws.region}? Requests to it will fail. [y/N] "
    if not arguments.yes and input(question).strip().lower() not in ("y", "yes"):
        print("nothing is deleted")
        return 0
    gone = Cleaner(aws, settings.of_model(arguments.model), arguments.model).teardown()
    for name in (*gone.configurations, *gone.models):
        print(name)
    print(f"the endpoint of {arguments.model} is deleted; the store keeps its versions and captures")
    return 0


def run_clean(arguments: argparse.Namespace) -> int:
    """Delete what nothing needs, or say it. :raises MlopsError: if SageMaker refuses."""
    from airflow_mlops.core.retention.sagemaker import clean

    aws, settings, store = _reach(arguments)
    gone = clean(aws, settings.of_model(arguments.model), arguments.model, store, dry_run=not arguments.yes)
    for name in gone:
        print(name)
    print(f"{len(gone)} {'deleted' if arguments.yes else 'would go; --yes deletes them'}")
    return 0


def _reach(arguments: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Clients, settings and store of the connection. :raises PlatformError: if it is not on SageMaker."""
    platform = _platform(arguments)
    aws, settings = platform.require_aws("serving")
    return aws, settings, platform.store()


def _platform(arguments: argparse.Namespace) -> Platform:
    """What the connection says. :raises PlatformError: if there is none."""
    # So Airflow's own ``connections test`` finds connections in the database, too.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from airflow.sdk.exceptions import AirflowNotFoundException

    from airflow_mlops.hooks.mlops import MlopsHook

    try:
        return MlopsHook(arguments.conn_id).get_conn()
    except AirflowNotFoundException:
        raise PlatformError(
            f"there is no connection {arguments.conn_id}",
            remedy="name one with --conn-id; airflow connections list shows them",
        ) from None
