"""Flows: what keeps one from being published. The editor asks here while somebody edits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.core.exceptions import ValidationError

from audience import attributes
from audience.models import Attribute, Customer, Workspace
from audience.segments import InvalidCriteria
from campaigns import content
from campaigns.flows import conditions
from campaigns.flows.problems import InvalidFlow, Problem
from campaigns.flows.reader import read
from campaigns.flows.steps import Program, Send, Step, Update
from campaigns.models import Sender, Template

# People whom every template is rendered for.
SAMPLE = 20


def problems(workspace: Workspace, document: object) -> list[Problem]:
    """What must be mended before these steps can be published; empty when they can."""
    try:
        program = read(document)
    except InvalidFlow as error:
        return error.problems
    return [*_mails(workspace, program), *_criteria(workspace, program), *_updates(workspace, program)]


def checked(workspace: Workspace, document: object) -> Program:
    """The steps as a program that can be published. Raises InvalidFlow."""
    if found := problems(workspace, document):
        raise InvalidFlow(found)
    return read(document)


def _mails(workspace: Workspace, program: Program) -> Iterator[Problem]:
    steps = list(program.of_kind(Send))
    templates = Template.objects.of(workspace).in_bulk({step.what.template for step in steps})
    senders = Sender.objects.of(workspace).in_bulk({step.what.sender for step in steps} - {None})
    people = list(Customer.objects.of(workspace).order_by("-id")[:SAMPLE])
    for step in steps:
        template = templates.get(step.what.template)
        if step.what.sender is not None and step.what.sender not in senders:
            yield Problem(step.key, "Its sender does not exist here. Choose another.")
        if template is None:
            yield Problem(step.key, "Its template does not exist here. Choose another.")
        elif message := _rendering(workspace, template, people):
            yield Problem(step.key, message)


def _rendering(workspace: Workspace, template: Template, people: Sequence[Customer]) -> str:
    """What goes wrong when a template is rendered for these people; empty when nothing does."""
    try:
        compiled = content.compile_template(
            template.format, template.subject, template.preheader, template.body
        )
    except content.ContentError as error:
        return f"The template “{template}” has an error: {error}"
    renderer = content.Renderer(compiled)
    for customer in people:
        columns = {name: getattr(customer, name) for name in content.CUSTOMER_COLUMNS}
        try:
            renderer.render(content.context(columns, workspace, "Check", "https://example.com/unsubscribe"))
        except content.RenderError as error:
            return f"The template “{template}” cannot be rendered as {customer.email}: {error}"
    return ""


def _criteria(workspace: Workspace, program: Program) -> Iterator[Problem]:
    mails = {step.key for step in program.of_kind(Send)}
    for step, criteria in program.criteria():
        try:
            asked = conditions.steps_asked_about(conditions.read(workspace, criteria))
        except InvalidCriteria as error:
            yield Problem(step.key, str(error))
            continue
        for key in asked:
            if key not in mails:
                yield Problem(step.key, f"It asks about the mail of step {key}, which sends none.")


def _updates(workspace: Workspace, program: Program) -> Iterator[Problem]:
    known = set(Attribute.objects.of(workspace).values_list("name", flat=True))
    for step in program.of_kind(Update):
        if step.what.attribute not in known:
            yield Problem(step.key, f"There is no attribute {step.what.attribute}. Choose another.")
        else:
            yield from _value(workspace, step)


def _value(workspace: Workspace, step: Step) -> Iterator[Problem]:
    try:
        stored = attributes.check(workspace, {step.what.attribute: step.what.value})
    except ValidationError as error:
        yield Problem(step.key, " ".join(error.messages))
        return
    if step.what.value is not None and stored != {step.what.attribute: step.what.value}:
        # The form knows the types; what comes in by other doors must say what it means.
        right = stored.get(step.what.attribute)
        yield Problem(step.key, f"Write the value of {step.what.attribute} as {right!r}.")
