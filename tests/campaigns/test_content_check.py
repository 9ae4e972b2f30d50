"""What an author is told at save, which merge fields there are, and content that is frozen."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from campaigns import content
from campaigns.content import ContentError, MergeField, Problem, qr
from campaigns.models import Content
from tests.factories import AttributeFactory, CustomerFactory, TemplateFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
BODY = "<p>{{ unsubscribe_link }}</p>"


def messages(
    subject: str = "Hi", preheader: str = "", body: str = BODY
) -> list[tuple[str, int | None, str, str]]:
    workspace = AttributeFactory(name="total_spent").workspace
    found = content.check(workspace, "html", subject, preheader, body)
    return [(problem.field, problem.line, problem.message, problem.severity) for problem in found]


def test_a_good_template_has_no_problems() -> None:
    body = (
        "{% assign big = customer.total_spent | at_least: 500 %}{% for n in (1..big) %}"
        "{{ n }}{{ forloop.index }}{{ customer_name }}{{ workspace.postal_address }}{{ campaign.name }}"
        "{{ 'now' | date: '%Y' }}{{ customer[n] }}{% endfor %}"
    )
    assert messages(body=body + BODY) == []


def test_an_unknown_merge_field_is_a_warning_with_its_line_and_a_suggestion() -> None:
    assert messages(
        subject="{{ customer.nmae }}",
        preheader="{{ firstname }}",
        body=f"{{% comment %}}x{{% endcomment %}}\n{{{{ customer.total_spend }}}}{BODY}",
    ) == [
        ("subject", 1, "There is no merge field customer.nmae. Did you mean customer.name?", "warning"),
        ("preheader", 1, "There is no merge field firstname. Did you mean customer.name?", "warning"),
        (
            "body",
            2,
            "There is no merge field customer.total_spend. Did you mean customer.total_spent?",
            "warning",
        ),
    ]


def test_an_attribute_of_another_workspace_is_unknown() -> None:
    AttributeFactory(workspace=WorkspaceFactory(slug="other"), name="shoe_size")
    assert [message for *_, message, _ in messages(body="{{ customer.shoe_size }}" + BODY)] == [
        "There is no merge field customer.shoe_size. It will be empty."
    ]


def test_a_name_that_a_template_sets_itself_is_known() -> None:
    assert messages(body="{% capture a %}x{% endcapture %}{% assign b = a %}{{ a }}{{ b }}" + BODY) == []


def test_a_missing_unsubscribe_link_is_announced() -> None:
    [(field, line, message, severity)] = messages(body="<p>x</p>")
    assert (field, line, severity) == ("body", None, "warning")
    assert "a footer with one will be added" in message


def test_errors_come_first_and_stop_the_template() -> None:
    found = messages(subject="", body="{{ customer.nmae }}\n{% if x %}")
    assert [(field, line, severity) for field, line, _, severity in found] == [
        ("subject", None, "error"),
        ("body", 2, "error"),
    ]


def test_a_problem_reads_as_a_sentence_with_its_line() -> None:
    assert str(Problem("body", 3, "It is wrong.")) == "Line 3: It is wrong."
    assert str(Problem("body", None, "It is wrong.")) == "It is wrong."


def test_merge_fields_are_the_core_and_the_workspaces_attributes() -> None:
    workspace = AttributeFactory(name="last_order", type="date").workspace
    AttributeFactory(workspace=workspace, name="email", type="text")
    AttributeFactory(workspace=WorkspaceFactory(slug="other"), name="secret")
    fields = content.merge_fields(workspace)
    names = [field.name for field in fields]
    assert MergeField("customer.last_order", "Last order", "2026-01-31") in fields
    assert names.count("customer.email") == 1
    assert "customer.secret" not in names
    assert {"customer_name", "unsubscribe_link", "workspace.name"} <= set(names)


def test_every_core_field_is_in_the_context_of_a_customer() -> None:
    customer = CustomerFactory(name="Ada", attributes={"orders": 3, "email": "not this"})
    [row] = type(customer).objects.filter(pk=customer.pk).values(*content.CUSTOMER_COLUMNS)
    context = content.context(row, customer.workspace, "Spring", "https://x.example/u/1")
    context = content.with_qr_code(context, qr.of_customer(customer.workspace_id, customer.pk))
    for field in content.merge_fields(customer.workspace):
        group, _, name = field.name.partition(".")
        assert name in context[group] if name else group in context
    assert context["customer_name"] == "Ada"
    assert context["customer"]["email"] == customer.email
    assert context["customer"]["orders"] == 3


def test_a_customer_without_a_name_has_an_empty_one() -> None:
    customer = CustomerFactory()
    [row] = type(customer).objects.filter(pk=customer.pk).values(*content.CUSTOMER_COLUMNS)
    assert content.context(row, customer.workspace, "", "")["customer_name"] == ""


def test_equal_sources_freeze_to_one_content() -> None:
    template = TemplateFactory()
    frozen = content.freeze(template)
    again = content.freeze(TemplateFactory(subject=template.subject, body=template.body))
    assert frozen.pk == again.pk
    assert frozen.template == template


@pytest.mark.parametrize(
    "change", [{"subject": "Other"}, {"preheader": "Other"}, {"body": BODY}, {"format": "markdown"}]
)
def test_every_change_of_a_template_freezes_to_other_content(change: dict[str, str]) -> None:
    template = TemplateFactory()
    frozen = content.freeze(template)
    for name, value in change.items():
        setattr(template, name, value)
    assert content.freeze(template).pk != frozen.pk


def test_workspaces_do_not_share_content() -> None:
    assert content.freeze(TemplateFactory()).pk != (
        content.freeze(TemplateFactory(workspace=WorkspaceFactory(slug="other"))).pk
    )


def test_frozen_content_outlives_its_template_and_its_edits() -> None:
    template = TemplateFactory(subject="First")
    frozen = content.freeze(template)
    template.subject = "Second"
    template.save(update_fields=["subject"])
    template.delete()
    frozen.refresh_from_db()
    assert (frozen.subject, frozen.template) == ("First", None)


def test_a_template_with_an_error_freezes_to_nothing() -> None:
    with pytest.raises(ContentError):
        content.freeze(TemplateFactory(body="{% if %}"))
    assert not Content.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_freezing_at_once_in_two_places_makes_one_content() -> None:
    template = TemplateFactory()
    start, found = threading.Barrier(2), []

    def freeze() -> None:
        start.wait()
        found.append(content.freeze(template).pk)
        connection.close()

    threads = [threading.Thread(target=freeze) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert set(found) == {Content.objects.get().pk}


def test_equal_content_is_compiled_once_a_process() -> None:
    template = TemplateFactory()
    first, again = content.freeze(template), content.freeze(template)
    assert content.encoder_for(first) is content.encoder_for(again)
    assert content.encoder_for(first) is not content.encoder_for(content.freeze(TemplateFactory(subject="x")))


@pytest.mark.django_db
def test_equal_templates_with_other_parameters_are_other_contents() -> None:
    template = TemplateFactory(body='<a href="https://s.example/">x</a>')
    plain, tagged = content.freeze(template), content.freeze(template, {"utm_source": "news"})
    assert plain.pk != tagged.pk and plain.html == tagged.html
    assert [link["url"] for link in tagged.links] == ["https://s.example/?utm_source=news"]
    assert content.freeze(template, {"utm_source": "news"}).pk == tagged.pk
    assert content.encoder_for(plain) is not content.encoder_for(plain, tracked=True)
