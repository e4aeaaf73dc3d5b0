"""National ids by country, as python-stdnum knows them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from airflow_mlops.core.validation.privacy_form import (
    AFTER,
    BEFORE,
    STRICT,
    Form,
    Verdict,
    by_pattern,
    passes,
)

#: How often digits that are no id pass: by one check digit, by one letter of 23, by two check digits. For ids that hold
#: a date it is the chance of digits that hold one, too: times as 20130105103000 are common in data.
_ONE, _LETTER, _TWO = 0.11, 0.045, 0.012


@dataclass(frozen=True)
class NationalId:
    """An id of persons.

    :param module: its module of ``stdnum``.
    :param shape: a regular expression, with the separators that people write.
    """

    region: str
    label: str
    module: str
    shape: str
    chance: float


def _digits(*groups: int, separators: str = r"[ .-]?") -> str:
    return separators.join(rf"\d{{{count}}}" for count in groups)


_IDS = (
    NationalId("AR", "CUIT", "ar.cuit", _digits(2, 8, 1), _ONE),
    NationalId("AT", "social insurance number", "at.vnr", _digits(4, 6), _ONE),
    NationalId("AU", "tax file number", "au.tfn", _digits(3, 3, 3), _ONE),
    NationalId("BE", "national number", "be.nn", r"\d{2}\.?\d{2}\.?\d{2}[ -]?\d{3}[ .]?\d{2}", _TWO),
    NationalId("BG", "EGN", "bg.egn", _digits(10), _ONE),
    NationalId("BR", "CPF", "br.cpf", r"\d{3}\.?\d{3}\.?\d{3}-?\d{2}", _TWO),
    NationalId("CA", "SIN", "ca.sin", _digits(3, 3, 3), _ONE),
    NationalId("CH", "AHV number", "ch.ssn", r"756\.?\d{4}\.?\d{4}\.?\d{2}", _ONE),
    NationalId("CL", "RUT", "cl.rut", r"\d{1,2}\.?\d{3}\.?\d{3}-?[\dkK]", _ONE),
    NationalId("CN", "resident id", "cn.ric", r"\d{17}[\dX]", _ONE),
    NationalId("CZ", "birth number", "cz.rc", r"\d{6}/?\d{4}", _ONE),
    NationalId("DE", "tax id (IdNr)", "de.idnr", _digits(2, 3, 3, 3), _ONE),
    NationalId("DO", "cedula", "do.cedula", _digits(3, 7, 1), _ONE),
    NationalId("EC", "CI", "ec.ci", r"\d{9}-?\d", _ONE),
    NationalId("EE", "personal id", "ee.ik", _digits(11), _ONE),
    NationalId("ES", "DNI", "es.dni", r"\d{8}[ -]?[A-Z]", _LETTER),
    NationalId("ES", "NIE", "es.nie", r"[XYZ][ -]?\d{7}[ -]?[A-Z]", _LETTER),
    NationalId("FI", "HETU", "fi.hetu", r"\d{6}[-+A]\d{3}[\dA-Y]", _LETTER),
    NationalId("FR", "NIR", "fr.nir", r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}", _TWO),
    NationalId("GB", "NHS number", "gb.nhs", _digits(3, 3, 4, separators=r"[ -]?"), _ONE),
    NationalId("GR", "AMKA", "gr.amka", _digits(11), _ONE),
    NationalId("HR", "OIB", "hr.oib", _digits(11), _ONE),
    NationalId("IE", "PPS number", "ie.pps", r"\d{7}[A-W][A-IW]?", _LETTER),
    NationalId("IL", "identity number", "il.idnr", r"\d{8}-?\d", _ONE),
    NationalId("IN", "Aadhaar", "in_.aadhaar", r"[2-9]\d{3} ?\d{4} ?\d{4}", _ONE),
    NationalId("IS", "kennitala", "is_.kennitala", r"\d{6}-?\d{4}", _ONE),
    NationalId(
        "IT",
        "codice fiscale",
        "it.codicefiscale",
        r"[A-Z]{6}[\dL-NP-V]{2}[A-EHLMPR-T][\dL-NP-V]{2}[A-Z][\dL-NP-V]{3}[A-Z]",
        0.05,
    ),
    NationalId("KR", "RRN", "kr.rrn", r"\d{6}-?\d{7}", _ONE),
    NationalId("LT", "personal code", "lt.asmens", _digits(11), _ONE),
    NationalId("MX", "CURP", "mx.curp", r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z\d]\d", _ONE),
    NationalId("NL", "BSN", "nl.bsn", _digits(4, 2, 3), _ONE),
    NationalId("NO", "birth number", "no.fodselsnummer", r"\d{6} ?\d{5}", _TWO),
    NationalId("NZ", "IRD number", "nz.ird", r"\d{2,3}-?\d{3}-?\d{3}", _ONE),
    NationalId("PL", "PESEL", "pl.pesel", _digits(11), _ONE),
    NationalId("PT", "NIF", "pt.nif", _digits(3, 3, 3), _ONE),
    NationalId("RO", "CNP", "ro.cnp", _digits(13), _ONE),
    NationalId("SE", "personal number", "se.personnummer", r"(?:\d{2})?\d{6}[-+]?\d{4}", _ONE),
    NationalId("SI", "EMSO", "si.emso", _digits(13), _ONE),
    NationalId("SK", "birth number", "sk.rc", r"\d{6}/?\d{4}", _ONE),
    NationalId("TH", "PIN", "th.pin", _digits(1, 4, 5, 2, 1), _ONE),
    NationalId("TR", "TCKN", "tr.tckimlik", _digits(11), _TWO),
    NationalId("UA", "RNTRC", "ua.rntrc", _digits(10), _ONE),
    NationalId("ZA", "id number", "za.idnr", r"\d{6} ?\d{4} ?\d{3}", _ONE),
)
#: Two letters, six digits, a letter; which letters: HMRC, National Insurance Manual, NIM39110. Of random ones 9 %.
_NINO = r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]"
_LIKE_NINO = r"[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-Z]"


def id_regions() -> frozenset[str]:
    """The countries whose ids are known."""
    return frozenset({"US", *(one.region for one in _IDS)})


def id_forms(regions: Sequence[str]) -> list[Form]:
    """The forms of the national ids of some countries; needs ``stdnum``."""
    forms = [_form(one) for one in _IDS if one.region in regions]
    if "US" in regions:
        forms += _american()
    if "GB" in regions:
        valid = passes(lambda piece: re.fullmatch(_NINO, piece) is not None)
        forms.append(
            Form("national_id", "GB NINO", by_pattern(BEFORE + _LIKE_NINO + AFTER, valid), 0.1, STRICT)
        )
    return forms


def _form(one: NationalId) -> Form:
    judge = passes(_checked(one.module))
    return Form(
        "national_id",
        f"{one.region} {one.label}",
        by_pattern(BEFORE + one.shape + AFTER, judge),
        one.chance,
        STRICT,
    )


def _american() -> list[Form]:
    """Nine digits without a check digit: an SSN is known by its dashes, or by the name of its column."""
    valid = _checked("us.ssn")

    def dashed(piece: str) -> Verdict:
        return Verdict.YES if valid(piece.replace(" ", "-")) else Verdict.NO

    return [
        Form("national_id", "US SSN", by_pattern(BEFORE + r"\d{3}([- ])\d{2}\1\d{4}" + AFTER, dashed)),
        Form(
            "national_id",
            "US SSN",
            by_pattern(BEFORE + r"\d{7,9}" + AFTER, passes(lambda piece: valid(_with_dashes(piece)))),
            hinted=True,
        ),
    ]


def _with_dashes(digits: str) -> str:
    """As an SSN is written; a number has lost its zeros."""
    digits = digits.zfill(9)
    return f"{digits[:3]}-{digits[3:5]}-{digits[5:]}"


def _checked(module: str) -> Callable[[str], bool]:
    found = import_module(f"stdnum.{module}")

    def valid(piece: str) -> bool:
        try:
            return bool(found.is_valid(piece))
        except (LookupError, ValueError):  # stdnum fails on some numbers instead of refusing them
            return False

    return valid
