"""Links to SageMaker's console."""

from __future__ import annotations

from typing import ClassVar

from airflow_mlops.links.base import PushedLink


class TrainingJobLink(PushedLink):
    """Opens the training job in the console; the task pushes its address as XCom ``job_url``."""

    key: ClassVar[str] = "job_url"

    @property
    def name(self) -> str:
        """The text on the button."""
        return "Training job"
