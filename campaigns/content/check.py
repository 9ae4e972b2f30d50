"""What to tell an author when a template is saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from audience.models import Workspace
from campaigns.content import liquid
from campaigns.content.compiler import compile_template, names_unsubscribe_link
from campaigns.content.fields import merge_fields
from campaigns.content.problems import ContentError, Field, Problem, SourceError
from campaigns.content.source import joined, split

# Liquid's own names, and the properties of an event that starts a flow, which only the event knows.
BUILT_IN = frozenset({"now", "today", "forloop", "event"})
# Groups of merge fields; by themselves they say nothing.
GROUPS = frozenset({"customer", "workspace", "campaign"})


def check(workspace: Workspace, format: str, subject: str, preheader: str, body: str) -> list[Problem]:
    """Every problem of a template's sources: errors that keep it from being used, then warnings.

    Writes nothing.
    """
    try:
        compile_template(format, subject, preheader, body)
        errors = []
    except ContentError as error:
        errors = error.problems
    known = [field.name for field in merge_fields(workspace)]
    sources: list[tuple[Field, str]] = [("subject", subject), ("preheader", preheader), ("body", body)]
    warnings = [problem for field, source in sources for problem in _unknown_fields(field, source, known)]
    if not any(problem.field == "body" for problem in errors) and not names_unsubscribe_link(body):
        message = "There is no {{ unsubscribe_link }}; a footer with one will be added."
        warnings.append(Problem("body", None, message, "warning"))
    return errors + warnings


def _unknown_fields(field: Field, source: str, known: Sequence[str]) -> Iterator[Problem]:
    """A warning for each name that no customer will have, at its first use."""
    try:
        script = liquid.parse(source, liquid.TEXT)
        read = joined(split(source))
    except SourceError:
        return
    seen = set(known)
    for uses in script.analyze().globals.values():
        for variable in uses:
            name = _name(variable.segments)
            if name and name not in seen:
                seen.add(name)
                line = read.count("\n", 0, variable.span.index) + 1
                yield Problem(field, line, _unknown(name, known), "warning")


def _name(segments: Sequence[object]) -> str:
    """The merge field that a path reads; empty for Liquid's own names and where only a render can tell."""
    root, rest = segments[0], segments[1:2]
    if root in BUILT_IN:
        return ""
    if root not in GROUPS:
        return str(root)
    return f"{root}.{rest[0]}" if rest and isinstance(rest[0], str) else ""


def _unknown(name: str, known: Sequence[str]) -> str:
    """Suggest the field whose last word is closest, of the same group if the author names one."""
    group, _, word = name.rpartition(".")
    words = {field.rpartition(".")[2]: field for field in reversed(known) if field.startswith(group)}
    close = get_close_matches(word, words, 1)
    hint = f"Did you mean {words[close[0]]}?" if close else "It will be empty."
    return f"There is no merge field {name}. {hint}"
