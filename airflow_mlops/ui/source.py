"""Where the pages read from: the platform of the connection that ``[mlops] conn_id`` names."""

from __future__ import annotations

from typing import Annotated

from airflow.configuration import conf
from fastapi import Depends

from airflow_mlops.core.store import Store
from airflow_mlops.hooks.mlops import MlopsHook
from airflow_mlops.platform import Platform


def the_platform() -> Platform:
    """The platform. :raises MlopsError: if the connection is wrong."""
    return MlopsHook(conf.get("mlops", "conn_id", fallback="mlops_default")).get_conn()


def the_store(platform: Annotated[Platform, Depends(the_platform)]) -> Store:
    """The store of the platform."""
    return platform.store()


#: For routes, which FastAPI calls in a thread: reading a store blocks.
ReadStore = Annotated[Store, Depends(the_store)]
