"""Names of persons: by the name of a column, by a form of address, and by lists of first and last names.

A model that recognizes names would have to be downloaded at run time (spaCy, Presidio, Stanza, Flair), so lists decide:
those of Faker, which are part of its package, cover the common names of a country and no others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module

from airflow_mlops.core.validation.privacy_form import Form, Piece, Verdict
from airflow_mlops.spec.data import SensitiveKind

_WORD = r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*"
_LIKE_NAME = re.compile(rf"\s*{_WORD}\.?(?:,? {_WORD}\.?){{0,5}}\s*")
_ADDRESSED = re.compile(
    rf"(?<!\w)(?:Mr|Mrs|Ms|Miss|Mx|Herrn?|Frau|Monsieur|Madame|Mme|Señora?|Signora?)\.? "
    rf"(?:Dr\.? )?(?!(?:St|Mr|Mrs|Ms|Dr)\b)({_WORD})"
)
_PAIR = re.compile(rf"(?<![\w@.-])({_WORD})(?: [^\W\d_]\.?)?,? ({_WORD})(?![\w@])")
#: After one of these a name is that of a place.
_PLACE = re.compile(
    r"\W*(?:airport|airpark|ave|avenue|bridge|building|center|centre|county|dr|field|foundation|hall|heliport|"
    r"high|hospital|inc|international|intl|island|llc|ltd|memorial|muni|municipal|park|rd|regional|road|"
    r"school|square|st|street|straße|strasse|university|world)\b",
    re.IGNORECASE,
)


def name_forms(regions: Sequence[str]) -> list[Form]:
    """The forms of names, with the common names of some countries; needs ``faker``."""
    firsts, lasts = _lists(tuple(regions))
    return [
        Form("name", "name by its column", _like_names, hinted=True),
        Form("name", "form of address and name", _addressed),
        Form("name", "common first and last name", _pairs(firsts, lasts), 0.03, 0.05),
    ]


def _like_names(text: str) -> Iterator[Piece]:
    """The whole text, if it could be a name."""
    if len(text) <= 80 and _LIKE_NAME.fullmatch(text) and sum(map(str.isalpha, text)) >= 2:
        yield 0, len(text), Verdict.MAYBE


def _addressed(text: str) -> Iterator[Piece]:
    for match in _ADDRESSED.finditer(text):
        if match[1][0].isupper() and len(match[1]) > 1:
            yield match.start(), match.end(), Verdict.YES


def _pairs(firsts: frozenset[str], lasts: frozenset[str]) -> Callable[[str], Iterator[Piece]]:
    """First and last name, or ``Last, First``, both common, both capitalized, and no street or airport.

    Towns, firms and airports are called so, too (Charlotte Douglas), so a few among many other pairs are none.
    """

    def is_pair(first: str, last: str) -> bool:
        return first in firsts and last in lasts

    def find(text: str) -> Iterator[Piece]:
        place = 0
        while match := _PAIR.search(text, place):
            one, other = match[1], match[2]
            place = match.start(2)  # the second word may be the first of the next pair
            if not (one[0].isupper() and other[0].isupper()):
                continue
            one, other = one.casefold(), other.casefold()
            named = is_pair(one, other) or ("," in match[0] and is_pair(other, one))
            named = named and not _PLACE.match(text, match.end())
            yield match.start(), match.end(), Verdict.MAYBE if named else Verdict.NO

    return find


@cache
def _lists(regions: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """First and last names of Faker's locales of some countries, case-folded; without any those of the US."""
    from faker.config import AVAILABLE_LOCALES

    locales = [one for one in sorted(AVAILABLE_LOCALES) if one.partition("_")[2] in regions] or ["en_US"]
    firsts: set[str] = set()
    lasts: set[str] = set()
    for locale in locales:
        try:
            provider = import_module(f"faker.providers.person.{locale}").Provider
        except ImportError:
            continue  # a locale without names of persons
        for attribute in ("first_names", "first_names_male", "first_names_female"):
            firsts.update(getattr(provider, attribute, ()))
        for attribute in ("last_names", "last_names_male", "last_names_female"):
            lasts.update(getattr(provider, attribute, ()))
    short = 2
    return (
        frozenset(one.casefold() for one in firsts if len(one) > short),
        frozenset(one.casefold() for one in lasts if len(one) > short),
    )


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PERSON = _words(
    "applicant beneficiary buyer cardholder client contact customer driver employee family first full given guest "
    "holder insured last maiden member middle nurse owner passenger patient person recipient sender student subscriber "
    "sur teacher traveler traveller"
)
_HINTS: dict[SensitiveKind, frozenset[str]] = {
    "phone": _words("phone phones telephone tel mobile cellphone fax msisdn telefon handy"),
    "payment_card": _words("card pan creditcard cardnumber cardno ccnum ccn"),
    "national_id": _words("ssn nino nhs nin nir bsn cpf dni nie pesel idnr egn personnummer tin steuerid"),
    "ip": _words("ip ipv4 ipv6 ipaddress ipaddr"),
    "name": _words(
        "surname forename firstname lastname fullname vorname nachname prenom apellido apellidos cognome"
    ),
}
_PHRASES: dict[str, SensitiveKind] = {
    "national_id": "national_id",
    "social_security": "national_id",
    "tax_id": "national_id",
    "steuer_id": "national_id",
}


def hints(column: str) -> frozenset[SensitiveKind]:
    """The kinds that the name of a column speaks of: ``customerPhone`` of phone, ``last_name`` of name."""
    words = [word.casefold() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+", column)]
    joined = "_".join(words)
    found: set[SensitiveKind] = {kind for kind, known in _HINTS.items() if known.intersection(words)}
    found |= {kind for phrase, kind in _PHRASES.items() if phrase in joined}
    if "name" in words and _PERSON.intersection(words):
        found.add("name")
    return frozenset(found)
