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
from audience.segments.values import InvalidCriteria, shown

T = TypeVar("T")

REQUIRED = {"field", "operator"}
MAX_DEPTH = 5
MAX_RULES = 200
# In all lists together: what one statement can carry on both databases.
MAX_VALUES = 10_000
SHOWN_NAMES = 30


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


class Reader:
    """Reads one tree, keeping count of what it has seen."""

    def __init__(self, workspace: Workspace, fields: Mapping[str, Field]) -> None:
        self.workspace, self.fields = workspace, fields
        self.rules = self.values = 0

    def read(self, criteria: object) -> Group:
        if not _is_group(criteria):
            raise InvalidCriteria(
                'A segment is a group of rules: {"all": [...]} where each must hold, {"any": [...]} where '
                f"one is enough. This is {shown(criteria)}."
            )
        return self._group(criteria, "", 1)

    def _group(self, raw: Any, place: str, depth: int) -> Group:
        if depth > MAX_DEPTH:
            raise InvalidCriteria(f"{place}: groups may be nested {MAX_DEPTH} deep, not deeper.")
        [(joiner, nodes)] = raw.items() if len(raw) == 1 else [(None, None)]
        if joiner not in ("all", "any") or not isinstance(nodes, list) or not nodes:
            raise InvalidCriteria(
                f'{place or "The segment"}: a group is {{"all": [...]}} or {{"any": [...]}} with at least '
                "one rule in it and nothing beside it."
            )
        return Group(joiner, tuple(self._node(node, n, place, depth) for n, node in enumerate(nodes, 1)))

    def _node(self, raw: object, number: int, parent: str, depth: int) -> Rule | Group:
        place = f"{'group' if _is_group(raw) else 'rule'} {number}{f' of {parent}' if parent else ''}"
        if _is_group(raw):
            return self._group(raw, place, depth + 1)
        self.rules += 1
        if self.rules > MAX_RULES:
            raise InvalidCriteria(f"A segment may have {MAX_RULES} rules, not more.")
        try:
            return self._rule(raw)
        except InvalidCriteria as error:
            raise InvalidCriteria(f"{place}: {error}.") from None

    def _rule(self, raw: object) -> Rule:
        if not isinstance(raw, dict) or not REQUIRED <= raw.keys() <= REQUIRED | {"value"}:
            raise InvalidCriteria(
                'a rule is {"field": ..., "operator": ..., "value": ...} and nothing beside it'
            )
        field = _named(raw["field"], self.fields, "there is no field")
        operator = _named(raw["operator"], field.operators, f"{field.name} has no operator")
        return Rule(field, operator, self._value(raw, operator))

    def _value(self, raw: dict[str, Any], operator: Operator) -> Any:
        try:
            value = operator.takes.read(self.workspace, raw.get("value"))
        except InvalidCriteria as error:
            raise InvalidCriteria(f"{raw['field']} {raw['operator']} {error}") from None
        self.values += len(value) if isinstance(value, list) else 1
        if self.values > MAX_VALUES:
            raise InvalidCriteria(f"the lists of a segment may hold {MAX_VALUES:,} values together, not more")
        return value


def _is_group(raw: object) -> bool:
    return isinstance(raw, dict) and "field" not in raw and bool(raw.keys() & {"all", "any"})


def _named(name: object, known: Mapping[str, T], complaint: str) -> T:
    if isinstance(name, str) and name in known:
        return known[name]
    rest = len(known) - SHOWN_NAMES
    names = ", ".join([*known][:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")
    raise InvalidCriteria(f"{complaint} {shown(name)}; there are {names}")
