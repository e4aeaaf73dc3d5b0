"""Columns that hold sensitive values, and columns that only look so. Made with a fixed seed; no value is anybody's."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable

import stdnum.luhn
from stdnum.de import idnr
from stdnum.gb import nhs

ROWS = 400
FIRST = ["James", "Mary", "Robert", "Patricia", "John", "Jennifer", "Michael", "Linda", "David", "Elizabeth"]
LAST = [
    "Smith",
    "Johnson",
    "Williams",
    "Brown",
    "Jones",
    "Garcia",
    "Miller",
    "Davis",
    "Rodriguez",
    "Martinez",
]
WORDS = [
    "the",
    "customer",
    "asked",
    "for",
    "a",
    "refund",
    "because",
    "of",
    "the",
    "delay",
    "and",
    "we",
    "answer",
]


def rng(name: str) -> random.Random:
    return random.Random(name)


def digits(r: random.Random, count: int) -> str:
    return "".join(r.choice("0123456789") for _ in range(count))


def card(r: random.Random) -> str:
    start = r.choice(["4", "51", "55", "2221", "6011"])
    body = start + digits(r, 15 - len(start))
    return body + stdnum.luhn.calc_check_digit(body)


def iban(r: random.Random) -> str:
    body = digits(r, 18)
    check = 98 - int(body + "131400") % 97
    return f"DE{check:02d}{body}"


def groups(number: str) -> str:
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4))


def idnr_of(r: random.Random) -> str:
    while True:
        body = [r.choice("123456789")] + [r.choice("0123456789") for _ in range(9)]
        if sorted(body.count(one) for one in set(body))[-2:] == [1, 2]:
            return "".join(body) + idnr.mod_11_10.calc_check_digit("".join(body))


def nhs_of(r: random.Random) -> str:
    while True:
        number = digits(r, 10)
        if nhs.is_valid(number):
            return f"{number[:3]} {number[3:6]} {number[6:]}"


def ssn(r: random.Random) -> str:
    return f"{r.randint(1, 665):03d}-{r.randint(1, 99):02d}-{r.randint(1, 9999):04d}"


def name(r: random.Random) -> str:
    return f"{r.choice(FIRST)} {r.choice(LAST)}"


def mail(r: random.Random) -> str:
    return f"{r.choice(FIRST).lower()}.{r.choice(LAST).lower()}{r.randint(1, 99)}@example.{r.choice(['org', 'com'])}"


def ip(r: random.Random) -> str:
    return r.choice([f"203.0.113.{r.randint(0, 255)}", f"192.168.{r.randint(0, 9)}.{r.randint(1, 254)}"])


def us_phone(r: random.Random) -> str:
    return f"({r.choice([212, 415, 650, 312])}) {r.randint(220, 989)}-{r.randint(0, 9999):04d}"


def text(r: random.Random, inside: str) -> str:
    words = [r.choice(WORDS) for _ in range(12)]
    words.insert(r.randint(1, 11), inside)
    return " ".join(words) + "."


#: Column -> the kind that it holds, and how a value is made.
SENSITIVE: dict[str, tuple[str, Callable[[random.Random], object]]] = {
    "contact_mail": ("email", mail),
    "comment_mail": ("email", lambda r: text(r, mail(r)) if r.random() < 0.1 else text(r, "it")),
    "c_phone_us": ("phone", us_phone),
    "reach_e164": ("phone", lambda r: f"+4930{r.randint(2000000, 9999999)}"),
    "reach_uk": ("phone", lambda r: f"020 7{r.randint(100, 999)} {r.randint(1000, 9999)}"),
    "phone": ("phone", lambda r: int(f"212{r.randint(220, 989)}{r.randint(0, 9999):04d}")),
    "comment_phone": (
        "phone",
        lambda r: text(r, f"+1 650-253-{r.randint(0, 9999):04d}") if r.random() < 0.1 else text(r, "it"),
    ),
    "pay_int": ("payment_card", lambda r: int(card(r))),
    "pay_float": ("payment_card", lambda r: float(card(r))),
    "pay_grouped": ("payment_card", lambda r: groups(card(r))),
    "comment_card": ("payment_card", lambda r: text(r, card(r)) if r.random() < 0.1 else text(r, "it")),
    "pay_mixed": ("payment_card", lambda r: card(r) if r.random() < 0.3 else "4" + digits(r, 15)),
    "bank": ("iban", iban),
    "bank_grouped": ("iban", lambda r: groups(iban(r))),
    "comment_iban": ("iban", lambda r: text(r, iban(r)) if r.random() < 0.1 else text(r, "it")),
    "us_id": ("national_id", ssn),
    "ssn": ("national_id", lambda r: int(ssn(r).replace("-", ""))),
    "de_id": ("national_id", lambda r: int(idnr_of(r))),
    "gb_id": ("national_id", nhs_of),
    "gb_nino": ("national_id", lambda r: f"JG{digits(r, 6)}{r.choice('ABCD')}"),
    "comment_ssn": ("national_id", lambda r: text(r, ssn(r)) if r.random() < 0.1 else text(r, "it")),
    "source": ("ip", ip),
    "log_line": ("ip", lambda r: f"{ip(r)} - - GET /a/b?v=1.2.3.4 200 Mozilla/5.0 Chrome/91.0.4472.124"),
    "peer_v6": ("ip", lambda r: f"2001:db8:{r.randint(0, 65535):x}::{r.randint(1, 65535):x}"),
    "last_name": ("name", lambda r: r.choice(LAST)),
    "who": ("name", name),
    "comment_name": ("name", lambda r: text(r, name(r)) if r.random() < 0.1 else text(r, "it")),
    "comment_title": ("name", lambda r: text(r, "Mrs. Okonkwo") if r.random() < 0.1 else text(r, "it")),
}

#: Columns that hold nothing, however much they look like it.
HARMLESS: dict[str, Callable[[random.Random], object]] = {
    "order_9": lambda r: r.randint(10**8, 10**9 - 1),
    "order_9_text": lambda r: digits(r, 9),
    "order_10": lambda r: digits(r, 10),
    "order_11": lambda r: digits(r, 11),
    "order_16": lambda r: r.randint(4 * 10**15, 5 * 10**15),
    "order_16_text": lambda r: digits(r, 16),
    "sequence": lambda r: 123_000_000 + r.randint(0, 9999),
    "dashed": lambda r: f"{digits(r, 3)}-{digits(r, 3)}-{digits(r, 3)}",
    "dashed_nanp": lambda r: f"{digits(r, 3)}-{digits(r, 3)}-{digits(r, 4)}",
    "dashed_4": lambda r: f"{digits(r, 4)}-{digits(r, 4)}",
    "grouped_16": lambda r: "-".join(digits(r, 4) for _ in range(4)),
    "price": lambda r: round(r.random() * 1e5, 2),
    "price_text": lambda r: f"1,{digits(r, 3)},{digits(r, 3)}.{digits(r, 2)}",
    "epoch": lambda r: 1_357_000_000 + r.randint(0, 31_536_000),
    "epoch_ms": lambda r: 1_357_000_000_000 + r.randint(0, 31_536_000_000),
    "epoch_ns": lambda r: (1_357_000_000 + r.randint(0, 31_536_000)) * 10**9,
    "stamp": lambda r: (
        f"2013{r.randint(1, 12):02d}{r.randint(1, 28):02d}"
        f"{r.randint(0, 23):02d}{r.randint(0, 59):02d}{r.randint(0, 59):02d}"
    ),
    "iso": lambda r: (
        f"2013-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}T{r.randint(0, 23):02d}:{r.randint(0, 59):02d}:00.123456"
    ),
    "day": lambda r: f"{r.randint(1, 28):02d}-{r.randint(1, 12):02d}-2013",
    "day_slash": lambda r: (
        f"{r.randint(1, 12):02d}/{r.randint(1, 28):02d}/2013 {r.randint(0, 23):02d}:{r.randint(0, 59):02d}"
    ),
    "clock": lambda r: f"{r.randint(0, 23):02d}:{r.randint(0, 59):02d}:{r.randint(0, 59):02d}",
    "flight": lambda r: f"UA{r.randint(1, 9999)}",
    "flight_id": lambda r: f"UA{r.randint(1, 9999)}-EWR-2013{digits(r, 8)}",
    "tail": lambda r: f"N{r.randint(10000, 99999)}",
    "part": lambda r: (
        f"{r.choice('ABCDEFGH')}{r.choice('ABCDEFGH')}{digits(r, 6)}{r.choice('ABCDEFGHIJKLMNOPQRSTUVWXYZ')}"
    ),
    "zip": lambda r: digits(r, 5),
    "zip_4": lambda r: f"{digits(r, 5)}-{digits(r, 4)}",
    "uuid": lambda r: str(uuid.UUID(int=r.getrandbits(128))),
    "sha": lambda r: f"{r.getrandbits(256):064x}",
    "version": lambda r: f"{r.randint(0, 9)}.{r.randint(0, 20)}.{r.randint(0, 9)}.{r.randint(0, 200)}",
    "version_text": lambda r: f"updated to v1.{r.randint(0, 9)}.3.4 from 1.2.3.4",
    "browser": lambda r: f"{r.randint(80, 120)}.0.{r.randint(4000, 5999)}.{r.randint(10, 200)}",
    "mac": lambda r: ":".join(f"{r.randint(0, 255):02x}" for _ in range(6)),
    "package": lambda r: f"lodash@4.{r.randint(0, 17)}.{r.randint(0, 30)}",
    "handle": lambda r: f"@{r.choice(FIRST).lower()}{r.randint(1, 99)}",
    "image": lambda r: f"icon{r.randint(1, 99)}@2x.png",
    "repository": lambda r: f"git@github.com:acme/repo{r.randint(1, 99)}.git",
    "isbn": lambda r: f"978-3-16-{digits(r, 6)}-{digits(r, 1)}",
    "coordinates": lambda r: f"{r.uniform(-90, 90):.6f}, {r.uniform(-180, 180):.6f}",
    "city": lambda r: r.choice(
        ["New York", "Jackson Hole", "St. Louis", "San Jose", "Los Angeles", "Salt Lake City"]
    ),
    "product_name": lambda r: r.choice(["Blue Widget", "Green Lamp", "Steel Table", "Garden Chair"]),
    "comment": lambda r: text(
        r, r.choice(["UA1545", "2013-01-05", "No. 12345", "2,300.50", "order 4711", "Grand Central"])
    ),
    "hash_like": lambda r: f"{digits(r, 4)}{r.choice('abcdef')}{digits(r, 8)}",
    "json": lambda r: f'{{"id": {r.randint(10**8, 10**9)}, "v": "1.2.{r.randint(0, 9)}"}}',
}


def column(make: Callable[[random.Random], object], name: str, rows: int = ROWS) -> list[object]:
    r = rng(name)
    return [make(r) for _ in range(rows)]
