"""Whose a DAG is and who may use it, as its spec says: owner, team, contact, roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.registry.approval.markdown import text
from airflow_mlops.links.addresses import model_page
from airflow_mlops.spec.contact import contact_link

if TYPE_CHECKING:
    from airflow_mlops.spec import Access, ModelSpec

    #: Actions by resource, by role, as FAB's auth manager reads them:
    #: https://airflow.apache.org/docs/apache-airflow-providers-fab/stable/auth-manager/access-control.html
    Control = dict[str, dict[str, set[str]]]

_VIEW: dict[str, tuple[str, ...]] = {"DAGs": ("can_read",), "DAG Runs": ("can_read",)}
#: Whoever starts a run, clears a task or approves also edits the DAG, as FAB has it; nobody here deletes.
_RUN: dict[str, tuple[str, ...]] = {"DAGs": ("can_read", "can_edit"), "DAG Runs": ("can_read", "can_create")}


def owned_settings(spec: ModelSpec, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A template's own arguments of :class:`airflow.sdk.DAG`, with what the spec says of its owner and access.

    The arguments of the template's caller are put over the result.

    :param settings: the template's; what it says of ``default_args`` and ``tags`` wins or comes beside.
    """
    owned = dict(settings)
    team = [f"team:{spec.team}"] if spec.team else []
    owned["tags"] = ["mlops", spec.name, *team, *settings.get("tags", ())]
    owned["default_args"] = {"owner": spec.owner, **settings.get("default_args", {})}
    owned["doc_md"] = f"{str(settings.get('doc_md') or '').rstrip()}\n\n{_told(spec)}\n".lstrip()
    link = contact_link(spec.contact)
    if link:
        # Airflow takes a comma for the end of an owner.
        owned["owner_links"] = {name.strip(): link for name in spec.owner.split(",")}
    if spec.access is not None:
        owned["access_control"] = access_control(spec.access)
    return owned


def access_control(access: Access) -> Control:
    """What FAB's auth manager gives to roles on one DAG.

    Without a role it is an empty mapping, and FAB takes away what it gave before; with no mapping it would stay given.
    """
    given = {**dict.fromkeys(access.view, _VIEW), **dict.fromkeys(access.run, _RUN)}
    return {
        role: {resource: set(actions) for resource, actions in may.items()} for role, may in given.items()
    }


def described(spec: ModelSpec) -> str:
    """The description of the spec, by paragraphs. It is text: what it holds is no link, no picture and no tag."""
    paragraphs = (text(part) for part in spec.description.split("\n\n") if part.strip())
    return "\n\n".join(paragraphs)


def page_of_model(spec: ModelSpec, part: str = "") -> str:
    """A link to the page of the model, in Markdown. :param part: of the page, shown first."""
    return f"[the model's page]({model_page(spec.name, part)})"


def _told(spec: ModelSpec) -> str:
    """Owner, team and contact in a line of Markdown."""
    link = contact_link(spec.contact)
    contact = f"[{text(spec.contact)}]({link})" if link else text(spec.contact)
    parts = {"Owner": text(spec.owner), "team": text(spec.team), "contact": contact}
    return ", ".join(f"{name}: {value}" for name, value in parts.items() if value)
