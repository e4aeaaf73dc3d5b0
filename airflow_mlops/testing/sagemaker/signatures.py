"""Who signed a request, and for which region: what AWS refuses first. The signature itself is not verified."""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_mlops.testing.sagemaker.api import ApiError

_SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/(?P<region>[^/]+)/[^/]+/aws4_request")
#: Services that a client may sign for any region.
_GLOBAL = frozenset({"sts"})


def check_signed(headers: Mapping[str, str], service: str, region: str) -> None:
    """Refuse what was not signed, or for another region than the simulator's.

    :param headers: with names in lower case.
    :raises ApiError: as AWS does, with status 403.
    """
    given = headers.get("authorization")
    if not given:
        raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    scope = _SCOPE.search(given)
    if scope is None:
        raise ApiError("IncompleteSignatureException", "Authorization header requires 'Credential'.", 403)
    if scope["region"] != region and service not in _GLOBAL:
        message = f"Credential should be scoped to a valid region, not '{scope['region']}'."
        raise ApiError("InvalidSignatureException", message, 403)
