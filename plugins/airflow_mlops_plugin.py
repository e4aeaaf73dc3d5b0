"""For deployments that mount this repository instead of installing it: put its ``plugins`` folder into Airflow's.

The repository's root has to be on PYTHONPATH. Where the distribution is installed its entry point brings the same
plugin, and this file stands aside: Airflow reports a plugin that is registered twice as an error.
"""

from __future__ import annotations

from importlib.metadata import entry_points

_INSTALLED = any(
    one.value.startswith("airflow_mlops.plugin:") for one in entry_points(group="airflow.plugins")
)

if not _INSTALLED:
    from airflow_mlops.plugin import MlopsPlugin

    __all__ = ["MlopsPlugin"]
