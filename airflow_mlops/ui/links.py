"""Addresses: of these pages, and of Airflow's own, wherever Airflow is reached below (``[api] base_url``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.links.addresses import path_of_model, path_of_stored, path_of_version, segment
from airflow_mlops.ui.mounted import PREFIX, ROUTE

if TYPE_CHECKING:
    from fastapi import Request


@dataclass(frozen=True)
class Links:
    """Addresses for one request, or for a place that has none.

    :param airflow: the path that Airflow is reached below, without a slash at its end: empty, or ``/airflow``.
    :param here: the path of these pages.
    """

    airflow: str = ""
    here: str = PREFIX

    @classmethod
    def of(cls, request: Request) -> Links:
        """Those for the answer to a request: Airflow's server knows what it is reached below."""
        here = str(request.scope.get("root_path", "")).rstrip("/")
        return cls(here.removesuffix(PREFIX), here)

    @classmethod
    def below(cls, base_url: str) -> Links:
        """Those for a place without a request. :param base_url: ``[api] base_url``, may be empty."""
        base = base_url.rstrip("/")
        return cls(base, f"{base}{PREFIX}")

    def models(self) -> str:
        """The list of all models."""
        return f"{self.here}/"

    def model(self, model: str) -> str:
        """The page of a model."""
        return f"{self.here}/{path_of_model(model)}"

    def version(self, model: str, version: int) -> str:
        """The page of a version."""
        return f"{self.here}/{path_of_version(model, version)}"

    def stored(self, model: str, kind: str, digest: str, of: str | int = "") -> str:
        """A stored report. :param of: what names it: the number of a version or a look."""
        return f"{self.here}/{path_of_stored(model, kind, digest, of)}"

    def static(self, name: str) -> str:
        """A script or a style sheet."""
        return f"{self.here}/static/{name}"

    def framed(self, path: str) -> str:
        """One of these pages within Airflow's navigation. :param path: what the other methods gave."""
        return f"{self.airflow}/plugin/{ROUTE}{path.removeprefix(self._origin)}"

    def dag(self, dag_id: str) -> str:
        """Airflow's page of a DAG; its button "Trigger" opens the form."""
        return f"{self.airflow}/dags/{segment(dag_id)}"

    def run(self, dag_id: str, run_id: str) -> str:
        """Airflow's page of a run."""
        return f"{self.dag(dag_id)}/runs/{segment(run_id)}"

    def required_actions(self, dag_id: str | None = None, run_id: str | None = None) -> str:
        """Airflow's page of what people are asked: in a run, in any run of a DAG, or anywhere."""
        if dag_id is None:
            return f"{self.airflow}/required_actions"
        return f"{self.run(dag_id, run_id) if run_id else self.dag(dag_id)}/required_actions"

    @property
    def _origin(self) -> str:
        """Scheme and host, where ``airflow`` has them: Airflow names a framed page by its path alone."""
        scheme, colon, rest = self.airflow.partition("://")
        return f"{scheme}{colon}{rest.partition('/')[0]}" if colon else ""
