"""Whether this machine and its servers agree what time it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from airflow_mlops.core.doctor.finding import Finding, ok, problem, warning
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.wording import second

#: From here on S3 refuses what was signed here, with RequestTimeTooSkewed:
#: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
REFUSED = timedelta(minutes=15)
#: Leases, ground truth and captures are compared across machines: seconds don't matter to them, half a minute may.
TOLERATED = timedelta(seconds=30)
_TIMEOUT = 5.0


def check_clock(servers: Mapping[str, str]) -> Iterator[Finding]:
    """Compare this clock with the ``Date`` that servers answer with; one that can't be reached says nothing.

    :param servers: addresses by what they are in words. An answer that refuses us has a date, too.
    """
    told = 0
    for name, url in servers.items():
        skew = ahead_of(url)
        if skew is not None:
            told += 1
            yield _judged(name, skew)
    if not told:
        yield ok("clock", f"{second(utc_now())} UTC; there is no server to compare it with")


def ahead_of(url: str) -> timedelta | None:
    """By how much this clock is ahead of a server's, to half a second and the time of an answer; None if not told."""
    import httpx

    before = utc_now()
    try:
        # S3 lies beyond the proxy of the environment, if there is one; what is on this machine does not.
        answer = httpx.get(url, timeout=_TIMEOUT, trust_env=not _on_loopback(url))
        date = in_utc(parsedate_to_datetime(answer.headers["date"]))
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError):
        return None
    # The header has whole seconds, cut off: half a second more is the best guess.
    return before + (utc_now() - before) / 2 - (date + timedelta(milliseconds=500))


def _on_loopback(url: str) -> bool:
    from airflow_mlops.core.serving.server import is_loopback

    return is_loopback(urlsplit(url).hostname or "")


def _judged(name: str, skew: timedelta) -> Finding:
    seconds = abs(skew.total_seconds())
    found = f"this clock is {seconds:,.0f} s {'ahead of' if skew > timedelta(0) else 'behind'} that of {name}"
    remedy = "let NTP set the clock: timedatectl set-ntp true, or chronyc tracking to see why not"
    if abs(skew) >= REFUSED:
        return problem(
            "clock", found, f"less than {REFUSED.seconds // 60} min, beyond which S3 refuses", remedy
        )
    if abs(skew) >= TOLERATED:
        return warning(
            "clock", found, f"less than {TOLERATED.seconds} s: leases would end early or late", remedy
        )
    return ok("clock", f"agrees with that of {name}")
