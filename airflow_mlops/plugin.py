"""The Airflow plugin."""

from __future__ import annotations

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_mlops.links.endpoint import EndpointLink
from airflow_mlops.links.sagemaker import TrainingJobLink
from airflow_mlops.ui.mounted import PREFIX, MountedApp


class MlopsPlugin(AirflowPlugin):
    """What this package adds to Airflow's UI.

    The links name no operators here: operators name the links, so that loading the plugin imports no operator.
    """

    name = "mlops"
    operator_extra_links = [EndpointLink(), TrainingJobLink()]  # noqa: RUF012 - Airflow's class declares it so
    fastapi_apps = [  # noqa: RUF012
        {"name": "mlops", "app": MountedApp(), "url_prefix": PREFIX}
    ]
    external_views = [  # noqa: RUF012
        {
            "name": "Models",
            "href": f"{PREFIX}/",
            "url_route": "models",
            "destination": "nav",
            "category": "browse",
        }
    ]
