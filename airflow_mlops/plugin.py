"""The Airflow plugin."""

from __future__ import annotations

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_mlops.links.endpoint import EndpointLink
from airflow_mlops.links.sagemaker import TrainingJobLink


class MlopsPlugin(AirflowPlugin):
    """What this package adds to Airflow's UI.

    The links name no operators here: operators name the links, so that loading the plugin imports no operator.
    """

    name = "mlops"
    operator_extra_links = [EndpointLink(), TrainingJobLink()]  # noqa: RUF012 - Airflow's class declares it so
