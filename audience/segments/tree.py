"""Segments: from the stored JSON to a tree whose every name and value has been checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Any, TypeVar

from django.db.models import Q

from audience.models import Workspace
from audience.segments.language import Field, Operator, Scope
from audience.segments.values import InvalidCriteria, Problem, shown

T = TypeVar("T")
# The position in each group on the way to a rule or group, counted from 0.
Path = tuple[int, ...]

REQUIRED = {"field", "operator"}
MAX_DEPTH = 5
MAX_RULES = 200
# In all lists together: what one statement can carry on both databases.
MAX_VALUES = 10_000
SHOWN_NAMES = 30
# Of a tree that is wrong all over; nobody mends more in one go.
MAX_PROBLEMS = 100


@dataclass(frozen=True)
class Rule:
    """One field, what is asked of it, and the value that it is compared with."""

    field: Field
    operator: Operator
    value: Any

    def q(self, scope: Scope) -> Q:
        return self.operator.condition(scope, self.value)

    def each(self, leaf: Callable[[Rule], Q]) -> Q:
        return leaf(self)

    def words(self) -> str:
        return f"{self.field.label} {self.operator.words} {self.operator.takes.show(self.value)}".rstrip()


@dataclass(frozen=True)
class Group:
    """Rules and groups of which all, or any, must hold."""

    joiner: str
    nodes: tuple[Rule | Group, ...]

    def q(self, scope: Scope) -> Q:
        return self.each(lambda rule: rule.q(scope))

    def each(self, leaf: Callable[[Rule], Q]) -> Q:
        """The tree as one condition, with what `leaf` makes of each rule."""
        return reduce(and_ if self.joiner == "all" else or_, (node.each(leaf) for node in self.nodes))

    def rules(self) -> Iterator[Rule]:
        """Every rule of the tree."""
        for node in self.nodes:
            if isinstance(node, Rule):
                yield node
            else:
                yield from node.rules()

    def words(self) -> str:
        conjunction = " and " if self.joiner == "all" else " or "
        return conjunction.join(self._part(node) for node in self.nodes)

    def _part(self, node: Rule | Group) -> str:
        plain = isinstance(node, Rule) or len(node.nodes) == 1 or len(self.nodes) == 1
        return node.words() if plain else f"({node.words()})"


class _Refused(Exception):
    """What is wrong with one rule: at length, and as it is said beside the rule."""

    def __init__(self, message: str, beside: str) -> None:
        super().__init__(message)
        self.beside = beside


class Reader:
    """Reads one tree, keeping count of what it has seen and of what is wrong with it."""

    def __init__(self, workspace: Workspace, fields: Mapping[str, Field]) -> None:
        self.workspace, self.fields = workspace, fields
        self.rules = self.values = 0
        self.first = ""
        self.problems: list[Problem] = []

    def read(self, criteria: object) -> Group:
        """The tree. Raises InvalidCriteria with all that is wrong, once everything has been read."""
        if not _is_group(criteria):
            message = (
                'A segment is a group of rules: {"all": [...]} where each must hold, {"any": [...]} where '
                f"one is enough. This is {shown(criteria)}."
            )
            raise InvalidCriteria(message, [Problem((), message if criteria else "Add a rule.")])
        group = self._group(criteria, (), "")
        if group is None or self.problems:
            raise InvalidCriteria(self.first, self.problems)
        return group

    def _group(self, raw: Any, path: Path, place: str) -> Group | None:
        if len(path) >= MAX_DEPTH:
            self._wrong(path, f"{place}: groups may be nested {MAX_DEPTH} deep, not deeper.")
            return None
        [(joiner, nodes)] = raw.items() if len(raw) == 1 else [(None, None)]
        if joiner not in ("all", "any") or not isinstance(nodes, list) or not nodes:
            message = (
                f'{place or "The segment"}: a group is {{"all": [...]}} or {{"any": [...]}} with at least '
                "one rule in it and nothing beside it."
            )
            self._wrong(path, message, "Add a rule." if nodes == [] else "")
            return None
        read = [self._node(node, (*path, number), place) for number, node in enumerate(nodes)]
        return Group(joiner, tuple(node for node in read if node is not None))

    def _node(self, raw: object, path: Path, parent: str) -> Rule | Group | None:
        kind = "group" if _is_group(raw) else "rule"
        place = f"{kind} {path[-1] + 1}{f' of {parent}' if parent else ''}"
        if _is_group(raw):
            return self._group(raw, path, place)
        self.rules += 1
        if self.rules > MAX_RULES:
            message = f"A segment may have {MAX_RULES} rules, not more."
            raise InvalidCriteria(self.first or message, [*self.problems, Problem((), message)])
        try:
            return self._rule(raw)
        except _Refused as refused:
            self._wrong(path, f"{place}: {refused}.", refused.beside)
            return None

    def _wrong(self, path: Path, message: str, beside: str = "") -> None:
        """Note what is wrong and read on; whoever builds a tree wants to hear it all at once."""
        self.first = self.first or message
        self.problems.append(Problem(path, beside or message))
        if len(self.problems) == MAX_PROBLEMS:
            raise InvalidCriteria(self.first, self.problems)

    def _rule(self, raw: object) -> Rule:
        if not isinstance(raw, dict) or not REQUIRED <= raw.keys() <= REQUIRED | {"value"}:
            message = 'a rule is {"field": ..., "operator": ..., "value": ...} and nothing beside it'
            raise _Refused(message, _sentence(message))
        field = _named(raw["field"], self.fields, "there is no field", "Choose what is asked about.")
        operator = _named(
            raw["operator"], field.operators, f"{field.name} has no operator", "Choose how it is asked."
        )
        return Rule(field, operator, self._value(raw, operator))

    def _value(self, raw: dict[str, Any], operator: Operator) -> Any:
        given = raw.get("value")
        try:
            value = operator.takes.read(self.workspace, given)
        except InvalidCriteria as error:
            beside = operator.takes.ask if _is_left_out(given) else _sentence(str(error))
            raise _Refused(f"{raw['field']} {raw['operator']} {error}", beside) from None
        self.values += len(value) if isinstance(value, list) else 1
        if self.values > MAX_VALUES:
            message = f"the lists of a segment may hold {MAX_VALUES:,} values together, not more"
            raise _Refused(message, _sentence(message))
        return value


def rules_in(criteria: object) -> Iterator[dict[str, Any]]:
    """What a tree of criteria has as rules with a field's name, be it valid or not, and however deep."""
    waiting = [criteria]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if isinstance(node.get("field"), str):
                yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _is_group(raw: object) -> bool:
    return isinstance(raw, dict) and "field" not in raw and bool(raw.keys() & {"all", "any"})


def _is_left_out(value: object) -> bool:
    """Whether a value is still to come, as a form has it while somebody fills it in."""
    return value in (None, "", []) or (isinstance(value, list) and None in value)


def _sentence(message: str) -> str:
    return f"{message[:1].upper()}{message[1:]}."


def _named(name: object, known: Mapping[str, T], complaint: str, ask: str) -> T:
    if isinstance(name, str) and name in known:
        return known[name]
    rest = len(known) - SHOWN_NAMES
    names = ", ".join([*known][:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")
    beside = ask if name in (None, "") else _sentence(f"{complaint} {shown(name)}")
    raise _Refused(f"{complaint} {shown(name)}; there are {names}", beside)
