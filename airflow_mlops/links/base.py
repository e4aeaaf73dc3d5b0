"""A link whose address the task itself pushed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from airflow.sdk import BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class PushedLink(BaseOperatorLink):
    """Base of the links: the address is the XCom ``key`` of the same task.

    Airflow asks for it in the worker when the task ends and keeps the answer, so the UI runs none of this.
    An operator offers a link by naming it in its ``operator_extra_links``.
    """

    key: ClassVar[str]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address, or an empty string (a button that can't be pressed) while there is none to browse."""
        address = pushed_value(ti_key, self.key)
        # A report in a folder or on S3 has no address that a browser may open, and javascript: must never be one.
        if not isinstance(address, str) or urlsplit(address).scheme not in ("http", "https"):
            return ""
        return address


def pushed_value(ti_key: TaskInstanceKey, key: str) -> object:
    """What the task pushed under ``key``; None while it has not."""
    return XCom.get_value(ti_key=ti_key, key=key)
