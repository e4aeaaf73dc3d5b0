"""Features of the flight delay model: what is known when a ticket holder asks, and nothing later.

The endpoint runs this very file with the model, so it imports nothing but installed packages.
"""

from __future__ import annotations

import pandas as pd


def features(flights: pd.DataFrame) -> pd.DataFrame:
    """Features of scheduled flights.

    :param flights: columns departure (UTC), carrier, origin, dest, distance (miles), temp (F), humid (%),
        wind_speed (mph), precip (inches), pressure (millibars), visib (miles).
    :return: one row for each flight, in the same order.
    """
    local = flights["departure"].dt.tz_convert("America/New_York")
    return pd.DataFrame(
        {
            "minute_of_day": local.dt.hour * 60 + local.dt.minute,
            "weekday": local.dt.weekday,
            "carrier": flights["carrier"],
            "origin": flights["origin"],
            "dest": flights["dest"],
            "distance": flights["distance"],
            "temp": flights["temp"],
            "humid": flights["humid"],
            "wind_speed": flights["wind_speed"],
            "precip": flights["precip"],
            "pressure": flights["pressure"],
            "visib": flights["visib"],
        },
        index=flights.index,
    )


def features_with_departure_delay(flights: pd.DataFrame) -> pd.DataFrame:
    """A mistake that offline metrics love: the departure delay is in the data, but no live request knows it yet."""
    return features(flights).assign(dep_delay=flights["dep_delay"])
