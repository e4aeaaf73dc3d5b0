"""What a version needs before it meets live requests."""

from __future__ import annotations

from airflow_mlops.core.errors import NotApproved
from airflow_mlops.core.registry.approvals import approval_log
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store


def require_approval(store: Store, model: str, version: int, run: str) -> None:
    """Make sure that a version may meet live requests: where its spec asks people, they have said yes.

    What was said in this run counts, else the last word in any run; that nobody had to be asked only in this run,
    because that depends on the champion of its time.

    :raises NotApproved: if they have not, or nobody was asked.
    """
    if Registry(store, model).get(version).spec.get("approval") is None:
        return
    entries = [one for _, one in approval_log(store, model).entries() if one.version == version]
    mine = [one for one in entries if one.run == run]
    decisive = next(reversed(mine or entries), None)
    if decisive is None:
        raise NotApproved(
            f"nobody was asked about version {version} of {model}, though its spec wants approval",
            remedy="put ApproveOperator before the rollout, as the release template does",
        )
    if decisive.outcome == "approved" or (decisive.outcome == "not_needed" and mine):
        return
    raise NotApproved(
        f"version {version} of {model} is not approved",
        given=decisive.reason,
        remedy="a new release asks again",
    )
