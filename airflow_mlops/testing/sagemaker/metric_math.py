"""CloudWatch's metric math, as far as alarms on endpoints need it: arithmetic, comparisons, FILL, IF and aggregates.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

Series = dict[datetime, float]
Value = Series | float

_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Lt: lambda a, b: float(a < b),
    ast.LtE: lambda a, b: float(a <= b),
    ast.Gt: lambda a, b: float(a > b),
    ast.GtE: lambda a, b: float(a >= b),
    ast.Eq: lambda a, b: float(a == b),
    ast.NotEq: lambda a, b: float(a != b),
}
_AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "SUM": sum,
    "MAX": max,
    "MIN": min,
    "AVG": lambda values: sum(values) / len(values),
}


def evaluate(expression: str, known: Mapping[str, Value], times: Sequence[datetime]) -> Series:
    """The values of an expression; where one of its metrics has none, neither has it.

    :param known: values by id.
    :param times: all moments there are, for FILL and for constants.
    :raises ValueError: if it is none, or uses what is not simulated.
    """
    try:
        tree = ast.parse(expression.replace("^", "**").strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"Error in expression {expression!r}: {error.msg}") from None
    value = _Evaluation(known, times).of(tree)
    return value if isinstance(value, dict) else dict.fromkeys(times, value)


class _Evaluation:
    def __init__(self, known: Mapping[str, Value], times: Sequence[datetime]) -> None:
        self._known, self._times = known, times

    def of(self, node: ast.expr) -> Value:
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return float(node.value)
        if isinstance(node, ast.Name):
            if node.id not in self._known:
                raise ValueError(f"no metric or expression has the id {node.id!r}")
            return self._known[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return _combined(operator.sub, 0.0, self.of(node.operand))
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _combined(_OPERATORS[type(node.op)], self.of(node.left), self.of(node.right))
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _OPERATORS:
            return _combined(_OPERATORS[type(node.ops[0])], self.of(node.left), self.of(node.comparators[0]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node.func.id.upper(), node.args)
        raise ValueError(f"{ast.unparse(node)!r} is not simulated in metric math")

    def _call(self, name: str, args: list[ast.expr]) -> Value:
        if name == "FILL" and len(args) == 2:
            series, otherwise = self.of(args[0]), self.of(args[1])
            if isinstance(series, dict) and isinstance(otherwise, float):
                return {at: series.get(at, otherwise) for at in self._times}
        elif name == "IF" and len(args) == 3:
            test, then, other = (self._spread(self.of(one)) for one in args)
            chosen = {at: (then if test[at] else other).get(at) for at in test}
            return {at: value for at, value in chosen.items() if value is not None}
        elif name in _AGGREGATES and len(args) == 1:
            return self._aggregate(_AGGREGATES[name], args[0])
        raise ValueError(f"{name} with {len(args)} argument(s) is not simulated in metric math")

    def _aggregate(self, combine: Callable[[Sequence[float]], float], arg: ast.expr) -> Value:
        if isinstance(arg, ast.List):
            rows = [self._spread(self.of(one)) for one in arg.elts]
            together = {at: [row[at] for row in rows if at in row] for at in self._times}
            return {at: combine(values) for at, values in together.items() if values}
        value = self.of(arg)
        if isinstance(value, dict):
            return combine(list(value.values())) if value else {}
        return value

    def _spread(self, value: Value) -> Series:
        return value if isinstance(value, dict) else dict.fromkeys(self._times, value)


def _combined(combine: Callable[[float, float], float], left: Value, right: Value) -> Value:
    if isinstance(left, dict):
        pairs = {
            at: (value, right[at] if isinstance(right, dict) else right)
            for at, value in left.items()
            if not isinstance(right, dict) or at in right
        }
    elif isinstance(right, dict):
        pairs = {at: (left, value) for at, value in right.items()}
    else:
        return combine(left, right)
    found: Series = {}
    for at, (a, b) in pairs.items():
        try:
            found[at] = combine(a, b)
        except ZeroDivisionError:
            continue
    return found
