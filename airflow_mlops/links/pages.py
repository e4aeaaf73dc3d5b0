"""Links to our own pages: of the model, of a version, of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow.sdk import BaseOperatorLink

from airflow_mlops.links.addresses import is_address, model_page
from airflow_mlops.links.base import pushed_value
from airflow_mlops.spec.given import fields_given

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class PageLink(BaseOperatorLink):
    """Base of the links to our pages: the address is the XCom ``key`` of the same task.

    It is relative to Airflow's base URL, against which Airflow's pages resolve it.
    """

    key: ClassVar[str]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address, or an empty string (a button that can't be pressed) while there is none."""
        address = pushed_value(ti_key, self.key)
        return str(address) if is_address(address) else ""


class ModelLink(BaseOperatorLink):
    """Opens the page of the task's model. The spec names it, so there is a page also when the task failed."""

    @property
    def name(self) -> str:
        """The text on the button."""
        return "Model"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address; an empty string where the task never came to its spec."""
        name = fields_given(operator).get("name")
        address = model_page(str(name)) if name else ""
        return address if is_address(address) else ""


class VersionLink(PageLink):
    """Opens the page of the version that the task is about: the one it registered, judged, promoted or went back to."""

    key: ClassVar[str] = "version_page"

    @property
    def name(self) -> str:
        """The text on the button."""
        return "Model version"


class EvaluationLink(PageLink):
    """Opens the report of the evaluation, also where a gate failed."""

    key: ClassVar[str] = "evaluation_page"

    @property
    def name(self) -> str:
        """The text on the button."""
        return "Evaluation report"


class DataDocsLink(PageLink):
    """Opens the Data Docs of the validation, also where it failed."""

    key: ClassVar[str] = "data_docs_page"

    @property
    def name(self) -> str:
        """The text on the button."""
        return "Data Docs"


class DriftLink(PageLink):
    """Opens the drift of the model by feature and time."""

    key: ClassVar[str] = "drift_page"

    @property
    def name(self) -> str:
        """The text on the button."""
        return "Drift"


class PerformanceLink(PageLink):
    """Opens the report of the champion's performance; the model's performance over time where there is none."""

    key: ClassVar[str] = "performance_page"

    @property
    def name(self) -> str:
        """The text on the button."""
        return "Performance report"
