"""Worked example: a DAG that puts real flights where ``flight_delay.release`` looks for them."""

from __future__ import annotations

from airflow.sdk import DAG, Param, task

with DAG(
    "flight_delay.ingest",
    description="Put months of real flights below the data root",
    tags=["mlops", "flight_delay"],
    doc_md="Writes one Parquet file for each month. Then trigger `flight_delay.release`.",
    params={
        "first": Param(1, type="integer", minimum=1, maximum=12, title="First month of 2013"),
        "last": Param(6, type="integer", minimum=1, maximum=12, title="Last month of 2013"),
    },
):

    @task
    def ingest(params: dict[str, int]) -> list[str]:
        """Write the months that the form names; needs the ``demo`` extra."""
        from airflow_mlops.demo.flights import deliver_months
        from airflow_mlops.hooks.mlops import MlopsHook

        return deliver_months(range(params["first"], params["last"] + 1), MlopsHook().get_conn())

    ingest()
