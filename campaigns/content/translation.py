"""Liquid's parse tree as the source of one Python function, for programs (program.py).

What people use all the time is translated. A node that is not, is rendered by Liquid itself, and so is the
outermost loop around it, since Python alone knows what the loop's names stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from liquid.ast import BlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import Filter, FilteredExpression
from liquid.builtin.expressions.primitive import IntegerLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.comment_tag import CommentNode
from liquid.builtin.tags.decrement_tag import DecrementNode
from liquid.builtin.tags.echo_tag import EchoNode
from liquid.builtin.tags.for_tag import BreakNode, ContinueNode, ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.increment_tag import IncrementNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.expression import Expression

from campaigns.content.expressions import CONSTANTS, Expressions, Loop, Untranslatable
from campaigns.content.liquid import LOOP_LIMIT, OUTPUT_LIMIT, Script
from campaigns.content.pieces import Form, chain, memoised

Lines = list[str]

# Chains of filters that remember what they made of short values, and how many of them.
CHAINS_KEPT = 20
RESULTS_KEPT = 1000
# What an iteration takes of the room at least, so that the room ends before the loops' limit is passed.
ITERATION = OUTPUT_LIMIT // LOOP_LIMIT
IN_TIME = "if clock() > alarm: raise Uncommon"
ROOM_LEFT = "if room < 0: raise Uncommon"


class Translation:
    """`source`, and the `names` that it refers to."""

    def __init__(self, script: Script, form: Form) -> None:
        nodes = list(script.descendants())
        self._form = form
        self._expressions = Expressions(
            script.env,
            assigned=script.assigned(),
            counters=frozenset(
                node.name for node in nodes if isinstance(node, IncrementNode | DecrementNode)
            ),
        )
        # Where one loop goes on from where another ended, Liquid must run all of them.
        self._loops_are_apart = not any(
            isinstance(node, ForNode) and node.expression.offset for node in nodes
        )
        self._chains: dict[str, str] = {}
        self._labels = 0
        self._delegates = False
        self.names = self._expressions.names
        body = self._statements(script.nodes, silent=False)
        self.source = "\n".join(
            ["def run(data, alarm):", *_indented([*self._opening(), *body, *self._end()])]
        )

    def _opening(self) -> Lines:
        aside = ["aside = Aside(data)", "assigned = aside.context.locals"]
        return [
            "pieces = []",
            "put = pieces.append",
            f"room = {OUTPUT_LIMIT}",
            *(aside if self._delegates else ["assigned = {}"]),
            *self._expressions.prologue,
        ]

    def _end(self) -> Lines:
        spent = [f"room -= aside.spent({ITERATION})", ROOM_LEFT] if self._delegates else []
        return [*spent, "return pieces"]

    def _statements(self, nodes: Iterable[Node], *, silent: bool) -> Lines:
        """The nodes one after the other; `silent` without their text, as Liquid treats blank blocks."""
        lines: Lines = []
        text = ""
        for node in nodes:
            if isinstance(node, ContentNode):
                text += "" if silent else node.text
            elif not isinstance(node, CommentNode):
                lines += [*self._constant(text), *self._statement(node)]
                text = ""
        return [*lines, *self._constant(text)] or ["pass"]

    def _block(self, block: BlockNode) -> Lines:
        return _indented(self._statements(block.nodes, silent=block.blank))

    def _constant(self, text: str) -> Lines:
        if not text:
            return []
        piece = self._form.constant(text)
        if self._expressions.loops:
            self._expressions.loops[-1].weight += len(piece)
        return [f"put({self.names.add(piece)})"]

    def _statement(self, node: Node) -> Lines:
        try:
            translate = _STATEMENTS.get(type(node))
            if translate is None:
                raise Untranslatable
            return translate(self, node)
        except Untranslatable:
            if self._expressions.loops:
                raise
            self._delegates = True
            return [f"put(constant(aside.render({self.names.add(node)})))"]

    def _output(self, node: OutputNode) -> Lines:
        expression = node.expression
        if not isinstance(expression, FilteredExpression) or not expression.filters:
            return [f"put(value({self._expressions.value(expression)}))"]
        left = self._expressions.value(expression.left)
        if left.isidentifier() and [used.name for used in expression.filters] == ["default"]:
            filled = self._expressions.value(expression)
            return [f"put(value({left} if type({left}) is str and {left} else {filled}))"]
        chained = self._chain(expression.filters)
        if chained:
            return [IN_TIME, f"put({chained}({left}))"]
        return [IN_TIME, f"put(value({self._expressions.value(expression)}))"]

    def _chain(self, filters: Sequence[Filter]) -> str:
        """The name of the filters as one function that remembers its results; empty if that cannot be."""
        key = " | ".join(map(str, filters))
        if key in self._chains:
            return self._chains[key]
        # A date can be another one tomorrow.
        if len(self._chains) == CHAINS_KEPT or any(used.name == "date" for used in filters[1:]):
            return ""
        try:
            steps = self._expressions.steps(filters)
        except Untranslatable:
            return ""
        encode = memoised(chain(steps, self._form.value), RESULTS_KEPT)
        self._chains[key] = self.names.add(encode)
        return self._chains[key]

    def _assign(self, node: AssignNode) -> Lines:
        name = self.names.add(str(node.name))
        value = self._expressions.value(node.expression)
        expression = node.expression
        if (
            isinstance(expression, FilteredExpression)
            and not expression.filters
            and type(expression.left) in CONSTANTS
        ):
            return [f"assigned[{name}] = {value}"]
        return [IN_TIME, f"new = {value}", "room -= weight(new)", ROOM_LEFT, f"assigned[{name}] = new"]

    def _if(self, node: IfNode) -> Lines:
        return self._branches(self._expressions.truth(node.condition), node)

    def _unless(self, node: UnlessNode) -> Lines:
        return self._branches(f"not {self._expressions.truth(node.condition)}", node)

    def _branches(self, condition: str, node: IfNode | UnlessNode) -> Lines:
        lines = [f"if {condition}:", *self._block(node.consequence)]
        for other in node.alternatives:
            lines += [f"elif {self._expressions.truth(other.expression)}:", *self._block(other.block)]
        return [*lines, "else:", *self._block(node.default)] if node.default else lines

    def _case(self, node: CaseNode) -> Lines:
        """As Liquid does, every `when` that matches is rendered, once per match, and `else` after none."""
        label = self._label()
        lines = [f"matched{label} = 0"]
        for block in node.blocks:
            if isinstance(block, MultiExpressionBlockNode):
                lines += self._when(block, label)
            else:
                lines += [f"if not matched{label}:", *self._block(block)]
        return lines

    def _when(self, block: MultiExpressionBlockNode, label: str) -> Lines:
        choice = block.expression
        matches = [self._expressions.equal(choice.left, other) for other in choice.expressions]
        inner = self._block(block.block)
        if len(matches) == 1:
            return [f"if {matches[0]}:", f" matched{label} = 1", *inner]
        return [
            f"matches{label} = {' + '.join(matches)}",
            f"matched{label} += matches{label}",
            f"for match{label} in range(matches{label}):",
            *inner,
        ]

    def _for(self, node: ForNode) -> Lines:
        expression, label = node.expression, self._label()
        loop = Loop(str(expression.identifier), f"item{label}", f"index{label}", f"length{label}")
        if not self._loops_are_apart or expression.reversed or expression.identifier == "forloop":
            raise Untranslatable
        iterable = self._expressions.value(expression.iterable)
        items = self.names.add(expression._to_iter)
        body = self._body(node.block, loop)
        lines = [
            f"items{label}, {loop.length} = first_of({items}, {iterable}, {self._limit(expression.limit)})",
            f"if {loop.length}:",
            f" room -= {loop.length} * {max(loop.weight, ITERATION)}",
            f" {ROOM_LEFT}",
            f" {loop.index} = -1",
            f" for {loop.item} in items{label}:",
            *_indented(body, 2),
        ]
        return [*lines, "else:", *self._block(node.default)] if node.default else lines

    def _body(self, block: BlockNode, loop: Loop) -> Lines:
        self._expressions.loops.append(loop)
        try:
            inner = self._block(block)
        finally:
            self._expressions.loops.pop()
        if loop.interrupted:
            inner = [" try:", *_indented(inner), " except ContinueLoop: continue", " except BreakLoop: break"]
        return [IN_TIME, f"{loop.index} += 1", *(line[1:] for line in inner)]

    def _limit(self, limit: Expression | None) -> str:
        if limit is None:
            return "None"
        if isinstance(limit, IntegerLiteral) and limit.value > 0:
            return self.names.add(limit.value)
        raise Untranslatable

    def _break(self, node: BreakNode) -> Lines:
        return self._interrupt("BreakLoop")

    def _continue(self, node: ContinueNode) -> Lines:
        return self._interrupt("ContinueLoop")

    def _interrupt(self, kind: str) -> Lines:
        # By an exception, as Liquid does: Python's break would end the loop that a `when` is.
        self._expressions.loops[-1].interrupted = True
        return [f"raise {kind}"]

    def _label(self) -> str:
        self._labels += 1
        return str(self._labels)


def _indented(lines: Iterable[str], levels: int = 1) -> Lines:
    return [" " * levels + line for line in lines]


_STATEMENTS: Mapping[type, Callable[..., Lines]] = {
    OutputNode: Translation._output,
    EchoNode: Translation._output,
    AssignNode: Translation._assign,
    IfNode: Translation._if,
    UnlessNode: Translation._unless,
    CaseNode: Translation._case,
    ForNode: Translation._for,
    BreakNode: Translation._break,
    ContinueNode: Translation._continue,
}
