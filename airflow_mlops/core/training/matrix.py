"""From features to the float32 matrix of the model; categories become the numbers of their levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import FeatureError
from airflow_mlops.core.training.artifact import Signature

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_FORBIDDEN = set("[]<")
#: Up to so many rows a plain loop is faster than pandas.
_SMALL = 200


def learn_categories(features: pd.DataFrame, declared: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The levels of each categorical feature, sorted: those in ``declared``, and all strings and categories.

    :raises FeatureError: if a declared one is not there, if a feature is neither number, boolean, category
        nor string (times, lists, ...), or if XGBoost can't take its name.
    """
    import pandas as pd

    declared = tuple(declared)
    missing = sorted(set(declared) - set(features.columns))
    if missing:
        raise FeatureError(
            f"features.categorical names {', '.join(missing)}",
            expected=f"features: {', '.join(features.columns)}",
        )
    levels: dict[str, tuple[str, ...]] = {}
    for name in features.columns:
        values = features[name]
        _require_name(name)
        if name in declared or _is_text(values):
            levels[name] = _levels(name, values)
        elif not pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            raise FeatureError(
                f"feature {name} is neither number, boolean, category nor string",
                given=f"dtype {values.dtype}",
                remedy="turn times into numbers in the feature function, e.g. hour and weekday",
            )
    return levels


def feature_types(signature: Signature) -> list[str]:
    """XGBoost's feature types: ``c`` for categorical, ``q`` for quantitative."""
    return ["c" if name in signature.categories else "q" for name in signature.features]


def frame_matrix(features: pd.DataFrame, signature: Signature) -> NDArray[np.float32]:
    """The matrix (rows x features, float32) of a feature frame; missing values and unknown levels are NaN.

    :raises FeatureError: if the features are not those of the signature, or a value is infinite or no number.
    """
    import numpy as np

    require_features(tuple(features.columns), signature)
    matrix = np.empty((len(features), len(signature.features)), dtype=np.float32)
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused below
        for place, name in enumerate(signature.features):
            levels = signature.categories.get(name)
            column = features[name]
            matrix[:, place] = _numbers(name, column) if levels is None else _codes(column, levels)
    _require_finite(matrix, signature)
    return matrix


def require_features(names: tuple[str, ...], signature: Signature) -> None:
    """Refuse other features, or another order of them, than those of the training. :raises FeatureError: then."""
    if names != signature.features:
        raise FeatureError(
            "features differ from those of the training",
            given=", ".join(map(str, names))[:300],
            expected=", ".join(signature.features)[:300],
        )


class RowEncoder:
    """Features as plain values, straight to the matrix: no frame. Safe for many threads.

    Gives the same as :func:`frame_matrix` of their frame.

    :param keys: where a row has each feature: names in the rows of a request (those of the inputs, without any), or
        places in tuples.
    """

    def __init__(self, signature: Signature, keys: Iterable[Any] | None = None) -> None:
        self._signature = signature
        self._columns: list[tuple[Any, Callable[[Any], float]]] = [
            (key, _encoder(signature.categories.get(name)))
            for name, key in zip(signature.features, keys or signature.features, strict=True)
        ]

    def __call__(self, rows: Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]]) -> NDArray[np.float32]:
        """The matrix (rows x features, float32) of rows.

        :raises FeatureError: if a number is beyond float32.
        """
        import numpy as np

        wide = np.array(
            [[encode(row[key]) for key, encode in self._columns] for row in rows], dtype=np.float64
        )
        with np.errstate(over="ignore"):
            matrix = wide.astype(np.float32)
        _require_finite(matrix, self._signature)
        return matrix


def level_text(value: Any) -> str:
    """The level of a category as text: ``true`` and ``false`` for booleans, no point in whole numbers."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return "true" if value else "false"
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)


@lru_cache(maxsize=1024)
def _encoder(levels: tuple[str, ...] | None) -> Callable[[Any], float]:
    """From a value to its number; kept, since a request has too little time to build the table of its levels."""
    if levels is None:
        return _number
    codes = {level: float(code) for code, level in enumerate(levels)}

    def encode(value: Any) -> float:
        return codes.get(level_text(value), math.nan) if _can_be_level(value) else math.nan

    return encode


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _is_text(values: pd.Series) -> bool:
    import pandas as pd

    return isinstance(values.dtype, (pd.CategoricalDtype, pd.StringDtype)) or pd.api.types.is_object_dtype(
        values.dtype
    )


def _levels(name: str, values: pd.Series) -> tuple[str, ...]:
    import pandas as pd

    try:
        present = list(pd.unique(values.dropna()))
    except TypeError:  # lists and the like have no hash
        present = [value for value in values if isinstance(value, Iterable)][:1]
    wrong = [value for value in present if not _can_be_level(value)]
    if wrong:
        raise FeatureError(
            f"feature {name} holds something that can't be a category",
            given=f"{type(wrong[0]).__name__} {wrong[0]!r}"[:120],
            expected="strings, numbers or booleans",
        )
    if len({isinstance(value, str) for value in present}) > 1:
        raise FeatureError(f"feature {name} mixes strings and numbers", expected="one type in a column")
    return tuple(level_text(value) for value in sorted(present))


def _can_be_level(value: Any) -> bool:
    if isinstance(value, (str, bool)) or type(value).__name__ in ("bool_", "bool"):
        return True
    try:
        return math.isfinite(value)
    except (TypeError, OverflowError):
        return False


def _codes(values: pd.Series, levels: tuple[str, ...]) -> NDArray[np.float32]:
    import numpy as np
    import pandas as pd

    encode = _encoder(levels)
    if len(values) <= _SMALL:
        return np.array([encode(value) for value in values], dtype=np.float32)
    places, present = pd.factorize(values)
    # Missing values have place -1: the last one of the table.
    table = np.array([*(encode(value) for value in present), math.nan], dtype=np.float32)
    return table[places]


def _numbers(name: str, values: pd.Series) -> NDArray[np.float64]:
    import numpy as np

    try:
        numbers: NDArray[np.float64] = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return numbers
    except (TypeError, ValueError) as error:
        raise FeatureError(
            f"feature {name} is not a number as in the training",
            given=f"dtype {values.dtype}: {error}"[:200],
        ) from None


def _require_finite(matrix: NDArray[np.float32], signature: Signature) -> None:
    import numpy as np

    infinite = np.isinf(matrix)
    if infinite.any():
        name = signature.features[int(np.argmax(infinite.any(axis=0)))]
        raise FeatureError(
            f"feature {name} is infinite, or beyond the range of float32",
            given=f"{int(infinite.any(axis=1).sum())} such rows",
            expected="finite numbers, NaN for what is missing",
        )


def _require_name(name: str) -> None:
    if _FORBIDDEN & set(name):
        raise FeatureError(
            f"feature {name!r} has a name that XGBoost refuses", expected="names without [ ] <"
        )
