"""Detectors of e-mail addresses, payment cards, IBANs, national ids, IP addresses, phone numbers and names."""

from __future__ import annotations

import ipaddress
import random
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from airflow_mlops.core.errors import PlatformError, SpecError
from airflow_mlops.core.validation.privacy_form import (
    AFTER,
    BEFORE,
    STRICT,
    Form,
    Piece,
    Verdict,
    by_pattern,
    passes,
)
from airflow_mlops.core.validation.privacy_ids import id_forms, id_regions
from airflow_mlops.core.validation.privacy_names import name_forms

_ALIASES = {"UK": "GB", "EL": "GR"}


def forms_for(regions: Sequence[str]) -> list[Form]:
    """All forms that are looked for, in the order in which they may claim a piece of text.

    :param regions: countries (ISO 3166, two letters) whose phone numbers and national ids are looked for.
    :raises SpecError: for a region that is none.
    :raises PlatformError: if the libraries are not installed.
    """
    try:
        import faker  # noqa: F401
        import phonenumbers
        import stdnum  # noqa: F401
    except ImportError:
        raise PlatformError(
            "finding sensitive data needs phonenumbers, python-stdnum and Faker",
            remedy="pip install 'airflow-mlops[audit]'",
        ) from None
    known = id_regions() | phonenumbers.SUPPORTED_REGIONS
    for region in regions:
        if region not in known:
            near = _ALIASES.get(region.upper()) or (region.upper() if region.upper() in known else None)
            raise SpecError(
                "privacy.regions names no country",
                given=region,
                expected=f"close: {near}" if near else "codes of ISO 3166, e.g. US, GB, DE",
            )
    return [
        Form("email", "e-mail", _emails),
        *_ibans(),
        *_cards(),
        *id_forms(regions),
        *_ips(),
        *_phones(regions),
        *name_forms(regions),
    ]


_EMAIL = re.compile(
    r"[^\s@<>\"'(),:;\[\]\\|/=]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+([^\W\d_]{2,24})(?![\w@-]|:\w)"
)
_FILES = frozenset({"png", "jpg", "jpeg", "gif", "svg", "webp"})


def _emails(text: str) -> Iterator[Piece]:
    """Around each @, so that long texts without one cost nothing. ``git@host.org:path`` and ``a@2x.png`` are none."""
    at = text.find("@")
    while at >= 0:
        start = max(0, at - 64)
        match = next((one for one in _EMAIL.finditer(text, start, at + 256) if one.end() > at), None)
        if match and match.start() < at and match[1].lower() not in _FILES:
            yield match.start(), match.end(), Verdict.YES
        at = text.find("@", max(at + 1, match.end() if match else 0))


def _ibans() -> list[Form]:
    from stdnum import iban

    start = re.compile(BEFORE + r"[A-Z]{2}\d{2}(?=[ -]?[A-Z\d])", re.IGNORECASE)

    def find(text: str) -> Iterator[Piece]:
        for match in start.finditer(text):
            for end, piece in _longer(text, match.start(), 15, 34):
                if iban.is_valid(piece):
                    yield match.start(), end, Verdict.YES
                    break

    return [Form("iban", "IBAN", find)]


def _longer(text: str, start: int, least: int, most: int) -> Iterator[tuple[int, str]]:
    """Growing pieces of letters and digits from ``start``, grouped by a space or dash, that end where a word does."""
    signs: list[str] = []
    place = start
    while place < len(text) and len(signs) < most:
        sign = text[place]
        if sign.isalnum():
            signs.append(sign)
            ends = place + 1 == len(text) or not (text[place + 1].isalnum() or text[place + 1] == "_")
            if ends and len(signs) >= least:
                yield place + 1, "".join(signs)
        elif sign not in " -" or not text[place - 1].isalnum():
            return
        place += 1


#: Issuer prefixes, and the lengths of their numbers (ISO/IEC 7812; the issuers' own ranges).
_ISSUERS = (
    (re.compile(r"4"), (13, 16, 19)),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    (re.compile(r"3[47]"), (15,)),
    (re.compile(r"6011|64[4-9]|65|62"), (16, 17, 18, 19)),
    (re.compile(r"352[89]|35[3-8]"), (16, 17, 18, 19)),
    (re.compile(r"30[0-5]|36|3[89]"), (14,)),
    (re.compile(r"5018|5020|5038|6304|6759|676[123]"), (12, 13, 14, 15, 16, 17, 18, 19)),
)


def _cards() -> list[Form]:
    """A Luhn digit lets one number in ten pass: digits in groups are believed, bare ones only where nearly all pass."""
    from stdnum import luhn

    def judge(piece: str) -> Verdict | None:
        number = re.sub(r"[ -]", "", piece)
        issued = any(start.match(number) and len(number) in lengths for start, lengths in _ISSUERS)
        if not issued or len(set(number)) == 1:
            return None
        return Verdict.MAYBE if luhn.is_valid(number) else Verdict.NO

    grouped = r"(?:\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})"
    return [
        Form("payment_card", "payment card", by_pattern(BEFORE + grouped + AFTER, judge), 0.1, 0.1),
        Form("payment_card", "payment card", by_pattern(BEFORE + r"\d{12,19}" + AFTER, judge), 0.1, STRICT),
    ]


def _ips() -> list[Form]:
    """Four numbers are a version (1.2.3.4) as well as an address: see :func:`_judge_ipv4`."""
    dotted = r"(?:(?<=://)|(?<![\w.,/+-]))\d{1,5}\.\d{1,5}\.\d{1,5}\.\d{1,5}(?![\w-]|\.\d)"
    colons = r"(?<![\w:.])(?:[0-9A-Fa-f]{1,4}:|::)[0-9A-Fa-f:]{2,40}(?:\.\d{1,3}){0,3}(?![\w:])"
    return [
        Form("ip", "IPv4", by_pattern(dotted, _judge_ipv4), 0.25, 0.3),
        Form("ip", "IPv4", by_pattern(dotted, passes(_is_ipv4)), hinted=True),
        Form("ip", "IPv6", by_pattern(colons, _judge_ipv6)),
    ]


def _judge_ipv4(piece: str) -> Verdict | None:
    """Versions start low and seldom have a part of three digits; addresses mostly have one, and start with 10 or more.

    So ``MAYBE`` is what starts with 10 or more and has such a part; all else is ``NO``, and speaks for versions.
    """
    if not _is_ipv4(piece):
        return Verdict.NO
    parts = [int(one) for one in piece.split(".")]
    return Verdict.MAYBE if parts[0] >= 10 and max(parts) >= 100 else Verdict.NO


def _is_ipv4(piece: str) -> bool:
    try:
        ipaddress.IPv4Address(piece)
    except ValueError:
        return False
    return True


def _judge_ipv6(piece: str) -> Verdict | None:
    try:
        ipaddress.IPv6Address(piece)
    except ValueError:
        return None
    groups = [one for one in piece.split(":") if one]
    return Verdict.YES if len(groups) >= 3 else None


def _phones(regions: Sequence[str]) -> list[Form]:
    """With a +, grouped as in North America, or with the 0 of a trunk call; bare digits only where a name hints."""
    import phonenumbers

    def valid_in(*where: str | None) -> Callable[[str], bool]:
        return lambda piece: any(_is_phone(phonenumbers, piece, region) for region in where)

    forms = [
        _phone(r"\+[1-9]\d{0,2}(?:[ ./()-]{0,2}\d){5,13}", valid_in(None), 0.2, 0.21),
    ]
    american = [one for one in regions if phonenumbers.country_code_for_region(one) == 1]
    trunk = [
        one
        for one in regions
        if getattr(phonenumbers.PhoneMetadata.metadata_for_region(one), "national_prefix", None) == "0"
    ]
    if american:
        shape = r"(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}"
        forms.append(_phone(shape, valid_in(*american), 0.4, STRICT))
    for region in trunk:
        shape = r"(?!\d{2}[/ -]\d{2}[/ -]\d{4})(?:\(0\d{1,5}\) ?|0\d{1,5}[ /-])\d(?:[ -]?\d){3,9}"
        chance = _trunk_chance(region)
        if chance < 1.0:
            forms.append(_phone(shape, valid_in(region), chance, STRICT))
    bare = r"\(?\d(?:[ ./()-]{0,2}\d){6,14}"
    forms.append(
        Form("phone", "phone", by_pattern(BEFORE + bare + AFTER, passes(valid_in(*regions))), hinted=True)
    )
    return forms


@cache
def _trunk_chance(region: str) -> float:
    """How many digits after a 0 are a phone number of a country by chance, at the length where most are; 1: nearly all.

    Some numbering plans are open: in Austria almost any digits are valid. Drawn with a fixed seed.
    """
    import phonenumbers

    draw = random.Random(0)  # noqa: S311 - no secret
    shares = []
    for length in range(7, 12):
        tried = ["0" + "".join(draw.choices("0123456789", k=length)) for _ in range(100)]
        shares.append(sum(_is_phone(phonenumbers, one, region) for one in tried) / len(tried))
    margin = 0.1
    return max(shares) + margin if max(shares) + margin < 0.95 else 1.0


def _phone(shape: str, valid: Callable[[str], bool], chance: float, level: float) -> Form:
    return Form("phone", "phone", by_pattern(BEFORE + shape + AFTER, passes(valid)), chance, level)


def _is_phone(library: Any, piece: str, region: str | None) -> bool:
    try:
        return bool(library.is_valid_number(library.parse(piece, region)))
    except library.NumberParseException:
        return False
