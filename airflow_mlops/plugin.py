"""The Airflow plugin."""

from __future__ import annotations

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_mlops.links.endpoint import EndpointLink
from airflow_mlops.links.pages import (
    DataDocsLink,
    DriftLink,
    EvaluationLink,
    ModelLink,
    PerformanceLink,
    VersionLink,
)
from airflow_mlops.links.sagemaker import TrainingJobLink
from airflow_mlops.ui.mounted import PREFIX, ROUTE, MountedApp

_APP = MountedApp()
_PAGES = PREFIX.removeprefix("/")


class MlopsPlugin(AirflowPlugin):
    """What this package adds to Airflow's UI.

    The links name no operators here: operators name the links, so that loading the plugin imports no operator.
    """

    name = "mlops"
    operator_extra_links = [  # noqa: RUF012 - Airflow's class declares it so
        ModelLink(),
        VersionLink(),
        EvaluationLink(),
        DataDocsLink(),
        DriftLink(),
        PerformanceLink(),
        EndpointLink(),
        TrainingJobLink(),
    ]
    fastapi_apps = [  # noqa: RUF012
        {"name": "mlops", "app": _APP, "url_prefix": PREFIX}
    ]
    # No middleware: the place that only an API server comes by when it starts.
    fastapi_root_middlewares = [  # noqa: RUF012
        {"name": "mlops", "middleware": _APP.started}
    ]
    # Relative addresses: Airflow's page resolves them against its base URL, which may end in a path.
    external_views = [  # noqa: RUF012
        {
            "name": "Models",
            "href": f"{_PAGES}/",
            "url_route": ROUTE,
            "destination": "nav",
            "nav_top_level": True,
            "icon": f"{_PAGES}/static/models-light.svg",
            "icon_dark_mode": f"{_PAGES}/static/models-dark.svg",
        },
        {
            "name": "Model",
            "href": f"{_PAGES}/dags/{{DAG_ID}}",
            "url_route": "mlops-dag",
            "destination": "dag",
        },
        {
            "name": "Model",
            "href": f"{_PAGES}/dags/{{DAG_ID}}/runs/{{RUN_ID}}",
            "url_route": "mlops-run",
            "destination": "dag_run",
        },
    ]
