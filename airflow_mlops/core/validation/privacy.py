"""Sensitive data: find it in a dataset version, and do what the spec says about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.results import keep_first, read_kept
from airflow_mlops.core.validation.privacy_actions import check_columns, decide, refuse
from airflow_mlops.core.validation.privacy_finding import Finding, Findings, Protection
from airflow_mlops.core.validation.privacy_protect import check_key, rewrite

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.data import Privacy

Report = Callable[[Findings, tuple[Protection, ...]], None]
#: Rises when other values are found: then versions are looked at again.
_FORMS_VERSION = 1

__all__ = ["Protected", "find_sensitive", "protect", "sensitive_columns"]


@dataclass(frozen=True)
class Protected:
    """What became of a dataset version.

    :param version: the version to go on with: the same one, if nothing had to change.
    :param findings: what was found in the version before.
    :param done: what was done about it, in the order of the columns; nothing for ``allow``.
    """

    version: DatasetVersion
    findings: Findings
    done: tuple[Protection, ...]


def find_sensitive(
    store: Store, privacy: Privacy, version: DatasetVersion, *, progress: Progress = ignore
) -> Findings:
    """What is sensitive in a version; looked for once, then read from the store.

    :raises SpecError: for a region that is none.
    :raises PlatformError: if the libraries that know the forms are not installed.
    """
    key = _key(privacy, version)
    known = read_kept(store, key, Findings)
    if known is not None:
        return known
    from airflow_mlops.core.validation.privacy_detectors import forms_for
    from airflow_mlops.core.validation.privacy_scan import scan

    forms = forms_for(privacy.regions)
    progress(f"looking for sensitive data in {len(version.columns):,} columns of {version.rows:,} rows")
    findings = scan(store, version, forms, privacy.share)
    return keep_first(store, key, _findings(privacy, version, findings))


def protect(
    store: Store,
    spec: ModelSpec,
    version: DatasetVersion,
    *,
    key: str | None,
    by: str,
    report: Report = lambda found, done: None,
    progress: Progress = ignore,
) -> Protected:
    """Find sensitive data, and do with each column what ``spec.privacy`` says: run again, it gives the same version.

    ``drop`` and ``hash`` make a version of the same rows without the columns, or with an HMAC-SHA-256 of their values;
    the version that it is made of stays in the store. Without ``privacy`` nothing is looked for.

    :param key: the secret of the hashes, None without one.
    :param by: who asked for it.
    :param report: gets what was found and what is to be done, before a blocked column raises.
    :raises SensitiveDataFound: if a column is to be blocked.
    :raises SpecError: if ``privacy`` names an unknown column, or would take away what the model needs.
    :raises PlatformError: if a column is to be hashed and there is no key, or a short one.
    """
    privacy = spec.privacy
    if privacy is None:
        return Protected(
            version, Findings(dataset=version.ref, rows=version.rows, regions=(), share=1, findings=()), ()
        )
    check_columns(spec, version)
    if "hash" in privacy.columns.values():
        check_key(key)
    found = find_sensitive(store, privacy, version, progress=progress)
    done = decide(spec, version, found)
    report(found, done)
    refuse(found, done)
    if not any(one.action in ("drop", "hash") for one in done):
        return Protected(version, found, done)
    derived = rewrite(store, version, done, key=key, by=by)
    left = {column.name for column in derived.columns} - {one.column for one in done if one.action == "hash"}
    rest = tuple(one for one in found.findings if one.column in left)
    keep_first(store, _key(privacy, derived), _findings(privacy, derived, rest))
    return Protected(derived, found, done)


def sensitive_columns(store: Store, spec: ModelSpec, version: DatasetVersion) -> frozenset[str]:
    """Columns whose values must not be shown: those with findings, also if allowed, and those that the spec protects.

    Empty without ``privacy``: nobody asked to look.

    :raises SpecError, PlatformError: see :func:`find_sensitive`.
    """
    if spec.privacy is None:
        return frozenset()
    named = {name for name, action in spec.privacy.columns.items() if action != "allow"}
    return find_sensitive(store, spec.privacy, version).columns | named


def _findings(privacy: Privacy, version: DatasetVersion, findings: tuple[Finding, ...]) -> Findings:
    return Findings(
        dataset=version.ref,
        rows=version.rows,
        regions=privacy.regions,
        share=privacy.share,
        findings=findings,
    )


def _key(privacy: Privacy, version: DatasetVersion) -> str:
    """Where findings are kept: by the version, and by all that says what is looked for."""
    asked = json.dumps([_FORMS_VERSION, sorted(set(privacy.regions)), privacy.share])
    return f"privacy/{version.name}/{version.id}/{hashlib.sha256(asked.encode()).hexdigest()[:16]}.json"
