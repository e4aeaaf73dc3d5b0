"""Errors that teach: what was given, what was expected, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from airflow_mlops.core.gates import GateResult


class MlopsError(Exception):
    """Base of every error that a user can mend; its text is one line.

    :param problem: what is wrong, in a few words.
    :param given: what was given.
    :param expected: what would have been right.
    :param remedy: what to do now.
    """

    def __init__(
        self,
        problem: str,
        *,
        given: object = None,
        expected: object = None,
        remedy: str | None = None,
    ) -> None:
        self.problem = problem
        self.given = given
        self.expected = expected
        self.remedy = remedy
        parts = [problem]
        if given is not None:
            parts.append(f"given {given}")
        if expected is not None:
            parts.append(f"expected {expected}")
        if remedy is not None:
            parts.append(remedy)
        # Names of columns, files and fields may hold line breaks; the promise of one line is kept here for all.
        # So may values, and a NUL byte among them is no text that a database of XComs would take.
        line = " ".join("; ".join(parts).splitlines())
        super().__init__(
            "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)
        )


class SpecError(MlopsError):
    """A model spec is wrong: names the field, what was given and what is allowed."""


class PlatformError(MlopsError):
    """The platform (connection, store, endpoint) is described wrongly or can't be reached."""


class StoreError(MlopsError):
    """The store can't do what was asked."""


class KeyMissing(StoreError):
    """Nothing is stored under the key."""


class KeyExists(StoreError):
    """The key is taken: another writer was first. Nothing is ever overwritten."""


class UnsafeStore(StoreError):
    """The store lets two writers create one key, so it can't hold logs."""


class IntegrityError(StoreError):
    """Stored bytes differ from the hash that was recorded for them."""


class LogConflict(StoreError):
    """The log moved on between reading its newest entry and appending to it."""


class DataError(MlopsError):
    """Source data is missing, empty or not what the spec says."""


class DataMissing(DataError):
    """A file or an object of the source data is not there."""


class DataErased(DataMissing):
    """Rows that a dataset version pins were erased on request; the message says when, by whom, and what is left.

    :param replaced_by: ``name@id`` of the version that holds the other rows, None where there is none.
    """

    def __init__(
        self,
        problem: str,
        *,
        replaced_by: str | None = None,
        given: object = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(problem, given=given, remedy=remedy)
        self.replaced_by = replaced_by


class NoRows(DataError):
    """The source data hold no row, or none of the time that was asked for."""


class SourceUnavailable(DataError):
    """Where the data come from can't be reached now; a later try may succeed."""


class ValidationFailed(MlopsError):
    """The data failed an expectation with severity ``fail``."""


class SensitiveDataFound(ValidationFailed):
    """The data hold personal data that the spec wants blocked; its text shows examples masked only."""


class FeatureError(MlopsError):
    """The feature function is missing, fails, or returns something other than promised."""


class TrainingError(MlopsError):
    """The model can't be fitted: a parameter is unknown, or the framework refuses."""


class RequestError(MlopsError):
    """A prediction request is malformed: missing or extra features, wrong types."""


class GateFailed(MlopsError):
    """A gate refused: names the gate, the value and the limit.

    :param gates: the results of the gates that did not pass, the deciding one first.
    """

    def __init__(
        self,
        problem: str,
        *,
        gates: tuple[GateResult, ...] = (),
        given: object = None,
        expected: object = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(problem, given=given, expected=expected, remedy=remedy)
        self.gates = gates


class RegistryError(MlopsError):
    """A model version does not exist or can't be registered."""


class NotApproved(MlopsError):
    """People were asked about a version and did not say yes: one said no, nobody answered, or nobody was asked."""


class DeploymentConflict(MlopsError):
    """Another release holds the challenger's place."""


class RolloutHeld(DeploymentConflict):
    """Somebody holds the rollout where it is: nothing moves on before it is resumed.

    :param stage: where the challenger is.
    :param version: the challenger.
    """

    def __init__(
        self,
        problem: str,
        *,
        stage: Literal["shadow", "canary"],
        version: int,
        given: object = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(problem, given=given, remedy=remedy)
        self.stage = stage
        self.version = version


class DeploymentFailed(MlopsError):
    """The endpoint does not serve what was asked of it.

    :param versions: those that the endpoint says it can't load; empty where it is not a version's fault.
    """

    def __init__(
        self,
        problem: str,
        *,
        versions: tuple[int, ...] = (),
        given: object = None,
        expected: object = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(problem, given=given, expected=expected, remedy=remedy)
        self.versions = versions


class DeploymentRolledBack(DeploymentFailed):
    """The endpoint went back to its old configuration by itself."""


class DeploymentPending(MlopsError):
    """The endpoint is still changing to what was asked for: wait, then ask again."""


class EndpointError(MlopsError):
    """The endpoint can't be reached or refused a request."""


class ServiceUnavailable(EndpointError):
    """A service of the platform is overloaded, out of machines or can't be reached now; a later try may succeed."""
