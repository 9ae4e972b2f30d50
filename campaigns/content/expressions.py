"""Liquid's expressions as Python source, for programs (program.py).

The source holds no word of the template: whatever comes from there is a value in Names, reached by a
numbered name. What is not translated here is left to Liquid itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from liquid import Environment, Token
from liquid.builtin.expressions import (
    BooleanExpression,
    Filter,
    FilteredExpression,
    KeywordArgument,
    Nil,
    Path,
    StringLiteral,
)
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LogicalAndExpression,
    LogicalNotExpression,
    LogicalOrExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import (
    Blank,
    Empty,
    FalseLiteral,
    FloatLiteral,
    IntegerLiteral,
    RangeLiteral,
    TrueLiteral,
)
from liquid.exceptions import LiquidError
from liquid.expression import Expression
from markupsafe import Markup

from campaigns.content.pieces import Step

# Liquid's own names: `now` and `today` are another value each time; `partial` is always false.
CHANGING = frozenset({"now", "today"})
OWN = "partial"
# A dictionary has these without having such keys.
COMPUTED_KEYS = frozenset({"size", "first", "last"})
FORLOOP = {
    "index": "({0} + 1)",
    "index0": "{0}",
    "rindex": "({1} - {0})",
    "rindex0": "({1} - {0} - 1)",
    "first": "({0} == 0)",
    "last": "({0} == {1} - 1)",
    "length": "{1}",
}
# The operator between two numbers or two strings, and what compares anything.
COMPARISONS: Mapping[type, tuple[str, str]] = {
    EqExpression: ("==", "equal({0}, {1})"),
    NeExpression: ("!=", "(not equal({0}, {1}))"),
    LtExpression: ("<", "less(token, {0}, {1})"),
    GtExpression: (">", "less(token, {1}, {0})"),
    LeExpression: ("<=", "at_most({0}, {1})"),
    GeExpression: (">=", "at_most({1}, {0})"),
}
ALIKE: Mapping[type, str] = {IntegerLiteral: "numbers", FloatLiteral: "numbers", StringLiteral: "strings"}
CONSTANTS = frozenset(
    {StringLiteral, IntegerLiteral, FloatLiteral, TrueLiteral, FalseLiteral, Nil, Empty, Blank}
)


class Untranslatable(Exception):
    """What this does, only Liquid itself knows."""


class Names:
    """All that a program's source refers to, by numbered names."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def add(self, value: object) -> str:
        name = f"c{len(self.values)}"
        self.values[name] = value
        return name


@dataclass(slots=True)
class Loop:
    """A `for` that is being translated: Python's names for its item, its index and its length."""

    identifier: str
    item: str
    index: str
    length: str
    # Bytes of the template's text in one iteration.
    weight: int = 0
    interrupted: bool = False

    def attribute(self, keys: Sequence[object]) -> str:
        """What forloop.NAME is."""
        if len(keys) != 1 or not isinstance(keys[0], str) or keys[0] not in FORLOOP:
            raise Untranslatable
        return FORLOOP[keys[0]].format(self.index, self.length)


@dataclass
class Expressions:
    """Translates expressions, and keeps what they refer to."""

    environment: Environment
    # Variables of the template, and counters, which hide behind them.
    assigned: frozenset[str]
    counters: frozenset[str]
    names: Names = field(default_factory=Names)
    loops: list[Loop] = field(default_factory=list)
    # Python's names for what data holds at each path, and where they are set.
    fields: dict[tuple[object, ...], str] = field(default_factory=dict)
    prologue: list[str] = field(default_factory=list)

    def value(self, expression: Expression) -> str:
        """Python that evaluates to what the expression does. Raises Untranslatable."""
        if type(expression) in CONSTANTS:
            return self.names.add(self.constant(expression))
        translate = _VALUES.get(type(expression))
        if translate is None:
            raise Untranslatable
        return translate(self, expression)

    def constant(self, expression: Expression) -> object:
        """The value of one of CONSTANTS."""
        if isinstance(expression, StringLiteral):
            # The author's text is as good as HTML.
            return Markup(expression.value) if self.environment.autoescape else expression.value  # noqa: S704
        if isinstance(expression, Empty | Blank):
            return expression
        return getattr(expression, "value", None)

    def truth(self, expression: Expression) -> str:
        """Python that is true where Liquid takes the expression for true."""
        if isinstance(expression, BooleanExpression):
            return self.truth(expression.expression)
        if isinstance(expression, LogicalAndExpression):
            return f"({self.truth(expression.left)} and {self.truth(expression.right)})"
        if isinstance(expression, LogicalOrExpression):
            return f"({self.truth(expression.left)} or {self.truth(expression.right)})"
        if isinstance(expression, LogicalNotExpression):
            return f"(not {self.truth(expression.right)})"
        if isinstance(expression, ContainsExpression):
            both = f"{self.value(expression.left)}, {self.value(expression.right)}"
            return f"(in_time(alarm) and contains(token, {both}))"
        if type(expression) in COMPARISONS:
            return self._compared(expression)
        value = self.value(expression)
        return (
            f"(type({value}) in always_true or is_true({value}))"
            if value.isidentifier()
            else f"is_true({value})"
        )

    def equal(self, left: Expression, right: Expression) -> str:
        return self._comparison(EqExpression, left, right)

    def steps(self, filters: Iterable[Filter]) -> list[Step]:
        """The filters as functions, for a chain. Raises Untranslatable unless all arguments are constant."""
        return [self._step(used) for used in filters]

    def _step(self, used: Filter) -> Step:
        arguments: list[object] = []
        named: dict[str, object] = {}
        for argument in used.args:
            if type(argument.value) not in CONSTANTS:
                raise Untranslatable
            value = self.constant(argument.value)
            if isinstance(argument, KeywordArgument):
                named[argument.name] = value
            else:
                arguments.append(value)
        return self.environment.filters[used.name], arguments, named

    def _compared(self, expression: Expression) -> str:
        return self._comparison(type(expression), expression.left, expression.right)  # type: ignore[attr-defined]

    def _comparison(self, kind: type, left: Expression, right: Expression) -> str:
        operator, general = COMPARISONS[kind]
        this, that = self.value(left), self.value(right)
        compared = general.format(this, that)
        if type(right) in ALIKE and this.isidentifier():
            return f"({this} {operator} {that} if type({this}) in {ALIKE[type(right)]} else {compared})"
        return compared

    def _filtered(self, expression: FilteredExpression) -> str:
        computed = self._computed(expression)
        if computed is not None:
            return self.names.add(computed)
        value = self.value(expression.left)
        for used in expression.filters or []:
            function = self.names.add(self.environment.filters[used.name])
            arguments = [value, *(self._argument(argument) for argument in used.args)]
            value = f"{function}({', '.join(arguments)})"
        return value

    def _computed(self, expression: FilteredExpression) -> object:
        """What filters make of a constant, which is the same for everybody; None: only each run can tell."""
        filters = expression.filters or []
        # A date can be another one tomorrow.
        if type(expression.left) not in CONSTANTS or any(used.name == "date" for used in filters):
            return None
        value = self.constant(expression.left)
        try:
            for function, arguments, named in self.steps(filters):
                value = function(value, *arguments, **named)
        except (Untranslatable, LiquidError):
            return None
        return value

    def _argument(self, argument: object) -> str:
        value = self.value(argument.value)  # type: ignore[attr-defined]
        if isinstance(argument, KeywordArgument):
            return f"**{{{self.names.add(argument.name)}: {value}}}"
        return value

    def _range(self, expression: RangeLiteral) -> str:
        make = self.names.add(expression._make_range)
        return f"{make}({self.value(expression.start)}, {self.value(expression.stop)})"

    def _path(self, path: Path) -> str:
        """Names are looked up as Liquid does: in loops, among variables, in data."""
        root, *keys = path.path
        if not isinstance(root, str):
            raise Untranslatable
        for loop in reversed(self.loops):
            if root == "forloop":
                return loop.attribute(keys)
            if root == loop.identifier:
                return self._within(loop.item, keys, path)
        if root in self.counters or root == OWN:
            raise Untranslatable
        if root in self.assigned:
            before = self._field((root,), path.token)
            return self._within(f"assigned.get({self.names.add(root)}, {before})", keys, path)
        if root in CHANGING:
            return self._within(f"changing[{self.names.add(root)}]", keys, path)
        if any(isinstance(key, Path) for key in keys):
            return self._within(self._field((root,), path.token), keys, path)
        return self._field((root, *keys), path.token)

    def _within(self, value: str, keys: Sequence[str | int | Path], path: Path) -> str:
        if not keys:
            return value
        parts = [self._path(key) if isinstance(key, Path) else self.names.add(key) for key in keys]
        undefined = self._undefined(path.path[0], path.token)
        return f"find({value}, ({', '.join(parts)},), {undefined})"

    def _field(self, path: tuple[object, ...], token: Token) -> str:
        """The name of what data holds at a path, which is looked up once, before anything is written."""
        if path not in self.fields:
            found = self._lookup(path, self._undefined(path[0], token), token)
            name = self.fields[path] = f"v{len(self.fields)}"
            self.prologue.append(f"{name} = {found}")
        return self.fields[path]

    def _lookup(self, path: tuple[object, ...], undefined: str, token: Token) -> str:
        root, *keys = path
        if not keys:
            return f"data.get({self.names.add(root)}, {undefined})"
        group = self._field((root,), token)
        parts = [self.names.add(key) for key in keys]
        found = f"find({group}, ({', '.join(parts)},), {undefined})"
        if len(keys) == 1 and keys[0] not in COMPUTED_KEYS:
            return f"{group}.get({parts[0]}, {undefined}) if type({group}) is dict else {found}"
        return found

    def _undefined(self, root: object, token: Token) -> str:
        return self.names.add(self.environment.undefined(str(root), token=token))


_VALUES: Mapping[type, Callable[..., str]] = {
    FilteredExpression: Expressions._filtered,
    Path: Expressions._path,
    RangeLiteral: Expressions._range,
}
