"""A part of a mail (subject, HTML or text) compiled once to a Python function that writes it in pieces.

It means exactly what Liquid makes of the same source. Where it would not, because a limit is near or a
value is odd, it raises, and the ordinary rendering decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any, cast

from liquid import Markup, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions.logical import _contains, _eq, _le, _lt, is_truthy
from liquid.context import builtin
from liquid.exceptions import BreakLoop, ContinueLoop, ResourceLimitError

from campaigns.content.filters import weight
from campaigns.content.liquid import Budget, Context, Output, Script
from campaigns.content.pieces import Form, Piece, Uncommon
from campaigns.content.translation import Translation

# Seconds: a thousand times what a mail takes, and a fraction of what the ordinary rendering may.
PATIENCE = 0.05

Run = Callable[[Mapping[str, object], float], list[Piece]]


class Program:
    """One compiled source. Safe to run from several threads.

    `run(data, alarm)` gives the pieces for one recipient and may raise anything; `alarm` is the time of
    perf_counter when it gives up. `source` is what was compiled, empty if nothing could be.
    """

    def __init__(self, script: Script, form: Form) -> None:
        try:
            translation = Translation(script, form)
            self.source = translation.source
            self.run = _compiled(self.source, _runtime(script, form) | translation.names.values)
        except (SyntaxError, RecursionError, MemoryError, ValueError):
            # Nested more deeply than Python takes it, or text that ends within a line break.
            self.source, self.run = "", _give_up


def _compiled(source: str, names: dict[str, object]) -> Run:
    code = compile(source, "<template>", "exec", dont_inherit=True)
    exec(code, names)  # noqa: S102 - fixed fragments and numbers only, whatever the template says
    return cast(Run, names["run"])


def _give_up(data: Mapping[str, object], alarm: float) -> list[Piece]:
    raise Uncommon


def _runtime(script: Script, form: Form) -> dict[str, object]:
    """What the source of a program may call, beside what its template brings."""
    still = RenderContext(script)
    return {
        "__builtins__": {"dict": dict, "range": range, "str": str, "type": type},
        "Aside": partial(Aside, script),
        "BreakLoop": BreakLoop,
        "ContinueLoop": ContinueLoop,
        "Uncommon": Uncommon,
        "always_true": frozenset({str, int, float, Markup, dict, list}),
        "at_most": _le,
        "changing": builtin,
        "clock": perf_counter,
        "constant": form.constant,
        "contains": _contains,
        "equal": _eq,
        "find": partial(_find, still.get_item),
        "first_of": partial(_first_of, still),
        "in_time": _in_time,
        "is_true": is_truthy,
        "less": _lt,
        "numbers": frozenset({int, float}),
        "strings": frozenset({str, Markup}),
        "token": None,
        "value": form.value,
        "weight": weight,
    }


def _find(
    get_item: Callable[[Any, Any], object], value: object, keys: tuple[object, ...], undefined: object
) -> object:
    """What is at `keys` within a value, as Context.get does."""
    for key in keys:
        try:
            value = get_item(value, key)
        except (KeyError, TypeError, IndexError):
            return undefined
    return value


def _first_of(
    still: RenderContext,
    to_iter: Callable[..., tuple[Iterator[object], int]],
    value: object,
    limit: int | None,
) -> tuple[Iterator[object], int]:
    """The items of a loop, and their number."""
    if type(value) is range or type(value) is list:
        items, length = iter(value), len(value)
    else:
        items, length = to_iter(value, still)
    if limit is None or limit >= length:
        return items, length
    return islice(items, limit), limit


def _in_time(alarm: float) -> bool:
    if perf_counter() > alarm:
        raise Uncommon
    return True


class Aside:
    """Liquid itself, for the nodes of one run that are not translated. They share its variables."""

    __slots__ = ("context", "_output")

    def __init__(self, script: Script, data: Mapping[str, object]) -> None:
        self.context = Context(script, data, Budget(PATIENCE))
        self.context.scope.push({"partial": False})
        self._output = Output()

    def render(self, node: Node) -> str:
        self._output.seek(0)
        self._output.truncate()
        try:
            node.render(self.context, self._output)
        except ResourceLimitError as error:
            raise Uncommon from error
        return self._output.getvalue()

    def spent(self, iteration: int) -> int:
        """The room that loops and variables took."""
        return self.context.iterations * iteration + self.context.assigned
