"""Take a person out of the data of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import SpecError
from airflow_mlops.operators.base import MlopsOperator, Work

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.core.erasure.finding import Columns


class EraseOperator(MlopsOperator):
    """Find a person in everything that the store holds of a model, and take the rows out.

    The person is named by the keyed hash that ``airflow-mlops erase hash`` prints, so that the id itself never comes to
    Airflow: neither into its database, nor into a log. It is made with ``privacy_secret`` of the connection.

    Returns ``{"erased", "rows", "datasets", "elsewhere", "left", "outside", "retrain", "champion", "release"}``:
    ``datasets`` by version the one with the other rows, ``release`` the ``dataset`` to trigger the release DAG with if
    the champion has to be trained again.

    :param subject: keyed hash of the person's id. (templated)
    :param reason: why, for the record. (templated)
    :param only_look: say what is there, and change nothing. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "subject", "reason", "only_look")
    #: The log of erasures, and which versions answer.
    reads = ("erasures",)

    def __init__(self, *, subject: Any, reason: Any = "", only_look: Any = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.subject = subject
        self.reason = reason
        self.only_look = only_look

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Look, and unless that was all, erase."""
        from airflow_mlops.core.erasure.finding import Columns
        from airflow_mlops.core.erasure.subject import Subject

        data = work.spec.data
        if data.subject is None:
            raise SpecError(
                f"nothing says which column of {work.spec.name} names people",
                given="a spec without data.subject",
                remedy="set data.subject in the spec",
            )
        subject = Subject.hashed(str(self.subject or ""), work.platform.privacy_secret)
        columns = Columns(data.subject, data.id)
        look = str(self.only_look).lower() in ("true", "1")
        return self._look(work, columns, subject) if look else self._erase(work, columns, subject)

    def _look(self, work: Work, columns: Columns, subject: Any) -> dict[str, Any]:
        from airflow_mlops.core.erasure.finding import find
        from airflow_mlops.core.record import utc_now

        found = find(
            work.store,
            work.spec.name,
            columns,
            subject,
            now=utc_now(),
            root=work.platform.data(),
            progress=self.progress,
        )
        for line in found.lines():
            self.progress(line)
        return {
            "erased": False,
            "rows": sum(one.rows for one in found.held),
            "datasets": {f"{one.version.name}@{one.version.id}": None for one in found.held},
            "elsewhere": found.elsewhere,
            "left": list(found.left),
            "outside": sorted({uri for one in found.held for uri in one.outside}),
            "retrain": list(found.retrain),
            "champion": found.champion,
            "release": None,
        }

    def _erase(self, work: Work, columns: Columns, subject: Any) -> dict[str, Any]:
        from airflow_mlops.core.erasure.after import erasure_lines, release_from
        from airflow_mlops.core.erasure.learned import champion_of
        from airflow_mlops.core.erasure.run import Request, erase
        from airflow_mlops.core.lineage.answering import erasure_lineage
        from airflow_mlops.core.record import utc_now

        now, model = utc_now(), work.spec.name
        request = Request(who=work.who, why=str(self.reason or ""), at=now, run=work.run)
        root = work.platform.data()
        done = erase(work.store, model, columns, subject, request, root=root, progress=self.progress)
        self.declare(lambda: erasure_lineage(model, done, work.store.uri))
        champion = champion_of(work.store, model, now)
        for line in erasure_lines(work.store, model, done, champion):
            self.progress(line)
        again = (
            release_from(work.store, model, done, champion) if champion in done.retrain and champion else None
        )
        return {
            "erased": True,
            "rows": sum(one.rows for one in done.tombstones),
            "datasets": {
                f"{one.dataset.name}@{one.dataset.id}": one.replaced_by.id if one.replaced_by else None
                for one in done.tombstones
            },
            "elsewhere": done.elsewhere,
            "left": list(done.left),
            "outside": sorted({uri for one in done.tombstones for uri in one.outside}),
            "retrain": list(done.retrain),
            "champion": champion,
            "release": again.id if again else None,
        }
