"""What a training program finds: the folders below ``/opt/ml``, their files, and the ``SM_*`` variables.

As the XGBoost container makes them, which runs scripts with ``sagemaker-containers`` 2.8.6:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
and https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md. ``/opt/ml`` is a folder
of the host here: programs learn the folders from the variables, as they should.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OWN = (
    "sagemaker_program",
    "sagemaker_submit_directory",
    "sagemaker_enable_cloudwatch_metrics",
    "sagemaker_container_log_level",
    "sagemaker_job_name",
    "sagemaker_region",
    "sagemaker_s3_output",
    "default_user_module_name",
    "_tuning_objective_metric",
)


@dataclass(frozen=True)
class Host:
    """One machine of a job, as a folder.

    :param root: stands for ``/opt/ml``.
    :param number: from 1.
    :param count: of all machines.
    """

    root: Path
    number: int
    count: int

    @property
    def address(self) -> str:
        """Its name among the hosts: an address of loopback, so that it can be listened on and reached."""
        return _address(self.number)

    @property
    def hosts(self) -> list[str]:
        """All machines of the job."""
        return [_address(number) for number in range(1, self.count + 1)]

    @property
    def model(self) -> Path:
        """What ends up in model.tar.gz."""
        return self.root / "model"

    @property
    def output_data(self) -> Path:
        """What ends up in output.tar.gz."""
        return self.root / "output" / "data"

    @property
    def failure(self) -> Path:
        """Why it has failed."""
        return self.root / "output" / "failure"

    @property
    def code(self) -> Path:
        """The program's folder."""
        return self.root / "code"

    @property
    def config(self) -> Path:
        """The configuration files."""
        return self.root / "input" / "config"

    def channel(self, name: str) -> Path:
        """The data of a channel."""
        return self.root / "input" / "data" / name

    def checkpoints(self, request: dict[str, Any]) -> Path:
        """The folder that is synchronised with S3: ``LocalPath``, below this host's root."""
        given: str = request.get("CheckpointConfig", {}).get("LocalPath", "/opt/ml/checkpoints")
        return self.root / given.removeprefix("/opt/ml").strip("/")


def _address(number: int) -> str:
    return f"127.0.0.{number}"


def parsed(hyperparameters: dict[str, str]) -> dict[str, Any]:
    """Hyperparameters as the toolkit reads them: what is JSON is taken as JSON."""
    read: dict[str, Any] = {}
    for name, value in hyperparameters.items():
        try:
            read[name] = json.loads(value)
        except ValueError:
            read[name] = value
    return read


def arguments(hyperparameters: dict[str, Any]) -> list[str]:
    """The user's hyperparameters as command line arguments, sorted by name."""
    found: list[str] = []
    for name, value in sorted(_users(hyperparameters).items()):
        found.append(f"--{name}" if len(name) > 1 else f"-{name}")
        if isinstance(value, dict):
            found.append(",".join(f"{key}={one}" for key, one in sorted(value.items())))
        else:
            found.append("" if value is None else str(value))
    return found


def prepare(host: Host, request: dict[str, Any]) -> None:
    """Make the folders and files of ``/opt/ml/input/config``."""
    for folder in (
        host.model,
        host.output_data,
        host.config,
        host.code,
        host.root / "output" / "intermediate",
    ):
        folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Any] = {
        "hyperparameters.json": request.get("HyperParameters", {}),
        "inputdataconfig.json": _channels(request),
        "resourceconfig.json": _resources(host, request),
    }
    if "CheckpointConfig" in request:
        host.checkpoints(request).mkdir(parents=True, exist_ok=True)
        files["checkpointconfig.json"] = {
            **request["CheckpointConfig"],
            "LocalPath": str(host.checkpoints(request)),
        }
    for name, content in files.items():
        (host.config / name).write_text(json.dumps(content))


def variables(host: Host, request: dict[str, Any], region: str, arn: str) -> dict[str, str]:
    """The environment of the program, beside what every program has."""
    hyperparameters = parsed(request.get("HyperParameters", {}))
    users = _users(hyperparameters)
    channels = {name: str(host.channel(name)) for name in _channels(request)}
    values: dict[str, Any] = {
        **_facts(host, request, hyperparameters),
        "hps": users,
        "user_args": arguments(hyperparameters),
        "channels": sorted(channels),
        "training_env": {
            **_facts(host, request, hyperparameters),
            "channel_input_dirs": channels,
            "hyperparameters": users,
            "additional_framework_parameters": _framework(hyperparameters),
            "job_name": request["TrainingJobName"],
            "is_master": host.number == 1,
            "master_hostname": host.hosts[0],
        },
        **{f"channel_{name}": path for name, path in channels.items()},
        **{f"hp_{name}": value for name, value in users.items()},
    }
    return {
        **{f"SM_{name.upper()}": _text(value) for name, value in values.items()},
        **_sagemakers(host, request, region, arn),
        **{name: inside(host, value) for name, value in request.get("Environment", {}).items()},
    }


def inside(host: Host, value: str) -> str:
    """A value of the request's environment: a path below ``/opt/ml`` is one of the host's root."""
    return str(host.root) + value[len("/opt/ml") :] if value.startswith("/opt/ml") else value


def _facts(host: Host, request: dict[str, Any], hyperparameters: dict[str, Any]) -> dict[str, Any]:
    program = str(hyperparameters.get("sagemaker_program", ""))
    return {
        "hosts": host.hosts,
        "current_host": host.address,
        "network_interface_name": "lo",
        "user_entry_point": program,
        "module_name": program.removesuffix(".py"),
        "module_dir": hyperparameters.get("sagemaker_submit_directory", str(host.code)),
        "framework_module": "sagemaker_xgboost_container.training:main",
        "framework_params": _framework(hyperparameters),
        "resource_config": _resources(host, request),
        "input_data_config": _channels(request),
        "log_level": hyperparameters.get("sagemaker_container_log_level", 20),
        "num_cpus": os.cpu_count() or 1,
        "num_gpus": 0,
        "model_dir": str(host.model),
        "input_dir": str(host.root / "input"),
        "input_config_dir": str(host.config),
        "output_dir": str(host.root / "output"),
        "output_data_dir": str(host.output_data),
        "output_intermediate_dir": str(host.root / "output" / "intermediate"),
    }


def _sagemakers(host: Host, request: dict[str, Any], region: str, arn: str) -> dict[str, str]:
    """What SageMaker itself and the image set."""
    return {
        "SM_INPUT_TRAINING_CONFIG_FILE": str(host.config / "hyperparameters.json"),
        "SM_INPUT_DATA_CONFIG_FILE": str(host.config / "inputdataconfig.json"),
        "SM_CHECKPOINT_CONFIG_FILE": str(host.config / "checkpointconfig.json"),
        "SAGEMAKER_BASE_DIR": str(host.root),
        "TRAINING_JOB_NAME": request["TrainingJobName"],
        "TRAINING_JOB_ARN": arn,
        "SAGEMAKER_REGION": region,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "CURRENT_HOST": host.address,
        "HOME": str(host.root),
    }


def _users(hyperparameters: dict[str, Any]) -> dict[str, Any]:
    own = (*_OWN, "sagemaker_")
    return {name: value for name, value in hyperparameters.items() if not name.startswith(own)}


def _framework(hyperparameters: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in hyperparameters.items()
        if name.startswith("sagemaker_") and name not in _OWN
    }


def _channels(request: dict[str, Any]) -> dict[str, Any]:
    return {
        one["ChannelName"]: {
            "TrainingInputMode": one.get("InputMode", request["AlgorithmSpecification"]["TrainingInputMode"]),
            "S3DistributionType": one["DataSource"]
            .get("S3DataSource", {})
            .get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": one.get("RecordWrapperType", "None"),
            **({"ContentType": one["ContentType"]} if "ContentType" in one else {}),
        }
        for one in request.get("InputDataConfig", ())
    }


def _resources(host: Host, request: dict[str, Any]) -> dict[str, Any]:
    kind = request["ResourceConfig"].get("InstanceType", "ml.m5.xlarge")
    group = {"instance_group_name": "homogeneousCluster", "instance_type": kind, "hosts": host.hosts}
    return {
        "current_host": host.address,
        "current_instance_type": kind,
        "current_group_name": "homogeneousCluster",
        "hosts": host.hosts,
        "instance_groups": [group],
        "network_interface_name": "lo",
    }


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, sort_keys=True, separators=(",", ":"))
