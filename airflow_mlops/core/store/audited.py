"""Which records stand in the audit log, and in which of its chains.

Audited is what a person or a policy decided, and what a decision rests on: data, models, traffic, policies, verdicts.

Not audited are

- blobs: their name is their hash, and an audited record that needs one names it;
- what comes in by the second, and is evidence only through a verdict that is audited: captures, ground truth, answers
  with their labels, predictions, quarantined rows;
- notices and caches, which can be made again: alerts, arrivals, pictures, importance, usual values of a monitor;
- what is staged for AWS and removed again.
"""

from __future__ import annotations

from typing import Final, Literal

#: What a record is about.
Kind = Literal["data", "model", "traffic", "policy", "decision", "access"]

#: ``models/<model>/<part>/...``
OF_MODEL: Final[dict[str, Kind]] = {
    "approval_steps": "decision",
    "approvals": "decision",
    "deployments": "traffic",
    "erasures": "data",
    "mirror": "model",
    "monitoring": "decision",
    "policy": "policy",
    "refused": "decision",
    "releases": "decision",
    "replays": "decision",
    "reproductions": "model",
    "retraining": "decision",
    "verdicts": "decision",
    "versions": "model",
}
#: Of these, what is kept under a name of its own: their numbers are those of versions, and need not be without gaps.
NOT_LOGS: Final = ("refused", "replays", "verdicts")
#: ``models/<model>/<part>/...`` that is not audited, so that nothing is left out by oversight.
NOT_OF_MODEL: Final = ("alerts", "answers", "importance", "pictures", "predictions", "progress", "usual")
#: ``endpoints/<model>/<part>/...``: what the endpoint was proved to serve, and its changes on the way there.
OF_ENDPOINT: Final[dict[str, Kind]] = {"changes": "traffic", "served": "traffic"}
#: ``<place>/<data set>/...``; data sets ``<model>`` and ``<model>__<join>`` belong to the model.
OF_DATASET: Final[dict[str, Kind]] = {"datasets": "data", "pins": "data", "privacy": "data"}
#: ``<place>/...`` of no model.
OF_STORE: Final[dict[str, Kind]] = {"retention": "data"}

#: Where all chains are.
AUDIT: Final = "audit"
#: The chain of what belongs to no model.
STORE_CHAIN: Final = f"{AUDIT}/store"


def model_chain(model: str) -> str:
    """The chain of a model's records."""
    return f"{AUDIT}/models/{model}"


def chain_of(key: str) -> str | None:
    """The chain in which a record must stand, None for what is not audited."""
    found = _found(key)
    return found[0] if found else None


def kind_of(key: str) -> Kind | None:
    """What an audited record is about, None for what is not audited."""
    found = _found(key)
    return found[1] if found else None


def _found(key: str) -> tuple[str, Kind] | None:
    place, *names = key.split("/")
    if place in OF_STORE and names:
        return STORE_CHAIN, OF_STORE[place]
    if place in OF_DATASET and len(names) > 1:
        return model_chain(names[0].partition("__")[0]), OF_DATASET[place]
    parts = {"models": OF_MODEL, "endpoints": OF_ENDPOINT}.get(place, {})
    if len(names) > 2 and names[1] in parts:
        return model_chain(names[0]), parts[names[1]]
    return None


def prefixes_of(chain: str) -> tuple[str, ...]:
    """Where the records of a chain lie; below some of them are also those of others (see :func:`chain_of`)."""
    if chain == STORE_CHAIN:
        return tuple(f"{place}/" for place in OF_STORE)
    model = chain.removeprefix(f"{AUDIT}/models/")
    return (
        *(f"models/{model}/{part}/" for part in OF_MODEL),
        *(f"endpoints/{model}/{part}/" for part in OF_ENDPOINT),
        *(f"{place}/{model}{end}" for place in OF_DATASET for end in ("/", "__")),
    )
