"""The link to an endpoint."""

from __future__ import annotations

from typing import ClassVar

from airflow_mlops.links.base import PushedLink


class EndpointLink(PushedLink):
    """Opens the endpoint that the task changed; the task pushes its address as XCom ``endpoint_url``."""

    key: ClassVar[str] = "endpoint_url"

    @property
    def name(self) -> str:
        """The text on the button."""
        return "Endpoint"
