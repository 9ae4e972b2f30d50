"""Liquid as templates may use it: plain data in, text out, and no way to use up a worker.

A template is written by people who may be careless and, once their account is taken, hostile. It reads
the dictionaries it is given and nothing else; loops, values, output and time are bounded.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from io import StringIO
from time import perf_counter, thread_time
from typing import Any, TextIO, cast

from liquid import BoundTemplate, Environment, RenderContext, Token
from liquid.ast import Node
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.exceptions import (
    LiquidError,
    LocalNamespaceLimitError,
    LoopIterationLimitError,
    OutputStreamLimitError,
    ResourceLimitError,
)
from liquid.expression import Expression
from liquid.undefined import UNDEFINED

from campaigns.content import filters
from campaigns.content.problems import RenderError, SourceError
from campaigns.content.source import TAGS, Piece, excerpt, joined, split

LOOP_LIMIT = 10_000
OUTPUT_LIMIT = 1_000_000
NAMESPACE_LIMIT = 1_000_000
TIME_LIMIT = 0.2


class Budget:
    """The time that one mail may take.

    It is the processor's, since a busy or suspended machine is no fault of the template. Reading that
    clock is slow, so the cheap one says when to.
    """

    __slots__ = ("_alarm", "_seconds", "_start")

    def __init__(self, seconds: float = TIME_LIMIT) -> None:
        self._seconds = seconds
        self._start = thread_time()
        self._alarm = perf_counter() + seconds

    def check(self) -> None:
        if perf_counter() > self._alarm:
            self._look_closer()

    def _look_closer(self) -> None:
        left = self._seconds - (thread_time() - self._start)
        if left <= 0:
            raise ResourceLimitError(f"more than {TIME_LIMIT * 1000:.0f} ms of work", token=None)
        self._alarm = perf_counter() + left


class Output(StringIO):
    """What a template writes, up to a limit in characters."""

    left = OUTPUT_LIMIT

    def write(self, text: str, /) -> int:
        self.left -= len(text)
        if self.left < 0:
            raise OutputStreamLimitError(f"more than {OUTPUT_LIMIT:,} characters of output", token=None)
        return StringIO.write(self, text)


class Context(RenderContext):
    """Counts what a render takes. The clock is read at every name, filter, assignment and iteration."""

    __slots__ = ("assigned", "budget", "iterations")

    def __init__(self, template: BoundTemplate, data: Mapping[str, object], budget: Budget) -> None:
        super().__init__(template, globals=data)
        self.budget = budget
        self.iterations = 0
        self.assigned = 0

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        """Resolve a path; the usual one, through plain dictionaries, without detours."""
        self.budget.check()
        try:
            value: object = self.scope[path[0]]  # type: ignore[index]
            for key in path[1:]:
                if type(value) is not dict:
                    return super().get(path, token=token, default=default)
                value = value[key]
            return value
        except (KeyError, TypeError):
            return super().get(path, token=token, default=default)

    def loop(self, namespace: Mapping[str, object], forloop: Any) -> Any:
        forloop.it = self._counted(forloop.it)
        return super().loop(namespace, forloop)

    def _counted(self, items: Iterator[object]) -> Iterator[object]:
        for item in items:
            self.raise_for_loop_limit()
            self.iterations += 1
            self.budget.check()
            yield item

    def raise_for_loop_limit(self, length: int = 1) -> None:
        if self.iterations + length > LOOP_LIMIT:
            raise LoopIterationLimitError(f"more than {LOOP_LIMIT:,} loop iterations", token=None)

    def filter(self, name: str, token: Token | None) -> filters.Filter:
        self.budget.check()
        return super().filter(name, token)

    def assign(self, key: str, val: Any) -> None:
        self.budget.check()
        self.assigned += filters.weight(val) - filters.weight(self.locals.get(key, ""))
        if self.assigned > NAMESPACE_LIMIT:
            raise LocalNamespaceLimitError(
                f"more than {NAMESPACE_LIMIT:,} characters in variables", token=None
            )
        self.locals[key] = val

    def cycle(self, key: object, length: int) -> int:
        # Liquid keeps every key, and a key holds the values that are cycled through.
        return super().cycle(hash(key), length)

    def get_buffer(self, buf: TextIO | None = None) -> StringIO:
        return Output()


class Script(BoundTemplate):
    """A parsed source. Safe to render from several threads."""

    def run(self, data: Mapping[str, object], budget: Budget) -> str:
        """Render for one recipient. Raises RenderError."""
        context = Context(self, data, budget)
        output = Output()
        try:
            self.render_with_context(context, output)
        except LiquidError as error:
            raise RenderError(_where(error)) from error
        except Exception as error:  # whatever a value made Liquid do, it is this recipient's failure
            raise RenderError(f"The template failed: {error}.") from error
        return output.getvalue()

    def expressions(self) -> Iterator[Expression]:
        """Every expression of the template, outermost first."""
        for node in self.descendants():
            for expression in node.expressions():
                yield from _with_children(expression)

    def descendants(self) -> Iterator[Node]:
        """Every node of the template, outermost first."""
        return _with_descendants(self.nodes, RenderContext(self))

    def assigned(self) -> frozenset[str]:
        """The names of its own variables."""
        return frozenset(
            node.name for node in self.descendants() if isinstance(node, AssignNode | CaptureNode)
        )


class Engine(Environment):
    """Liquid with our tags, our filters and no loader. `html`: escape what data holds."""

    template_class = Script

    def __init__(self, *, html: bool) -> None:
        super().__init__(autoescape=html)

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=False)
        self.tags = {name: tag for name, tag in self.tags.items() if name in TAGS | PSEUDO_TAGS}
        self.filters = filters.filters(self)


# How the parser names plain text, outputs and what it does not know.
PSEUDO_TAGS = frozenset({"content", "output", "illegal"})
HTML = Engine(html=True)
TEXT = Engine(html=False)


def parse(source: str, engine: Engine) -> Script:
    """Parse `source` as text for `engine`. Raises SourceError with the line of the fault."""
    pieces = split(source)
    try:
        script = cast(Script, engine.from_string(joined(pieces)))
    except LiquidError as error:
        raise SourceError(_line(error, pieces, engine), _sentence(error)) from error
    for expression in script.expressions():
        if isinstance(expression, FilteredExpression):
            _check_filters(expression, engine)
    return script


def line_of(token: Token) -> int:
    return token.source.count("\n", 0, token.start_index) + 1


def _with_descendants(nodes: Iterable[Node], context: RenderContext) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _with_descendants(node.children(context), context)


def _with_children(expression: Expression) -> Iterator[Expression]:
    yield expression
    for child in expression.children():
        yield from _with_children(child)


def _check_filters(expression: FilteredExpression, engine: Engine) -> None:
    """Refuse unknown filters and wrong numbers of arguments, which Liquid finds only when it renders."""
    for used in expression.filters or []:
        function = engine.filters.get(used.name)
        if function is None:
            raise SourceError(line_of(used.token), _unknown_filter(used.name, engine))
        named = {arg.name: None for arg in used.args if hasattr(arg, "name")}
        values = [None] * (len(used.args) - len(named) + 1)
        try:
            inspect.signature(function).bind(*values, **named)
        except TypeError as error:
            raise SourceError(line_of(used.token), f"The filter {used.name} is {error}.") from error


def _unknown_filter(name: str, engine: Engine) -> str:
    close = get_close_matches(name, engine.filters, 1)
    return f"There is no filter {name}." + (f" Did you mean {close[0]}?" if close else "")


def _line(error: LiquidError, pieces: list[Piece], engine: Engine) -> int | None:
    """The line of a syntax error. Liquid knows none where a tag ends early: try tag by tag."""
    if error.token and error.token.start_index >= 0:
        return line_of(error.token)
    for piece in pieces:
        try:
            engine.from_string(piece.text)
        except LiquidError as alone:
            if alone.message == error.message:
                return piece.line
    return None


def _sentence(error: LiquidError) -> str:
    message = str(error.message)
    names_filter = message.split(" ", 1)[0].endswith(":")
    return f"{message if names_filter else message[:1].upper() + message[1:]}."


def _where(error: LiquidError) -> str:
    """What went wrong at which tag, in words for people."""
    message = _sentence(error)
    token = error.token
    if not token or token.start_index < 0:
        return message
    start = max(token.source.rfind(opening, 0, token.start_index + 2) for opening in ("{{", "{%"))
    return f"Line {line_of(token)}, {excerpt(_tag_at(token.source, start))}: {message}"


def _tag_at(source: str, start: int) -> str:
    end = source.find("}}" if source.startswith("{{", start) else "%}", start)
    return source[start : end + 2]
