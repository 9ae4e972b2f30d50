"""Attacks on the whole site, as they were published against others; each through the doors that people have.

Those on one part stand with it: forged and replayed reports in delivery/test_hooks.py, languages of
templates in campaigns/test_content_liquid.py, CSV bombs in audience/imports, inner addresses in
test_egress.py, ids of other workspaces in test_workspace_wall.py and test_workspace_forms.py.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import lxml.html
import pytest
from django.db import models
from django.test import Client
from pytest_django import Settings

from audience.models import Customer, Membership, Segment, Workspace
from campaigns.models import Campaign, Sender, Template
from delivery import test_send
from tests.delivery.staff import member
from tests.factories import (
    CampaignFactory,
    CustomerFactory,
    MembershipFactory,
    SegmentFactory,
    SenderFactory,
    TemplateFactory,
    WorkspaceFactory,
)
from tests.test_workspace_wall import PUBLIC, routes, urls_of
from tests.world import World, make_world

pytestmark = pytest.mark.django_db

# --- Stored XSS: every text of every row, on every page ----------------------------------------------

# Out of an attribute of either kind, out of a text, out of a script, out of Alpine's and htmx's attributes.
XSS = "zzxss'\"`}]);--><img src=x onerror=zzxss()><script>zzxss()</script>{{zzxss}}"
# Attributes whose value a browser, Alpine or htmx runs or goes to.
RUNS = re.compile(r"^(on\w+|x-.*|@.*|:.*|hx-on.*|hx-vals|hx-vars|href|src|action|formaction|srcdoc)$")


def poison(world: World) -> None:
    """Write the attack into every column of text that can hold it, past all doors."""
    for row in world.foreign.values():
        columns = {
            field.attname: XSS[: field.max_length or 999]
            for field in row._meta.concrete_fields
            if isinstance(field, models.CharField | models.TextField)
            and not field.choices
            and not field.primary_key
            and (field.max_length or 999) >= 90
            and field.name
            not in ("password", "body", "key", "file")
            + tuple(each.name for each in row._meta.fields if each.name.startswith("sealed"))
        }
        if columns and row._meta.label != "audience.AuditEntry":
            type(row)._base_manager.filter(pk=row.pk).update(**columns)


def pages(world: World) -> Iterator[str]:
    for route in sorted(set(routes())):
        if route not in PUBLIC and "logout" not in route and "delete" not in route:
            yield from urls_of(route, world)[:1]
    campaign = world.pk(Campaign)
    yield f"/campaigns/{campaign}/why/?email=zzxss"
    yield f"/reports/campaigns/{campaign}/people/?number=audience"
    yield "/admin/search/?s=zzxss"


def unsafe(html: str) -> Iterator[str]:
    """What of the attack has become more than text."""
    for element in lxml.html.document_fromstring(html).iter():
        if not isinstance(element.tag, str):
            continue
        if (
            element.tag == "script"
            and "zzxss" in (element.text or "")
            and element.get("type") != "application/json"
        ):
            yield f"a script: {element.text}"
        for name, value in element.attrib.items():
            if "zzxss" in str(name) or name == "onerror":
                yield f"an attribute: {name}"
            elif RUNS.match(str(name)) and _runs(str(name), str(value)):
                yield f"{element.tag} {name}={value}"


def _runs(name: str, value: str) -> bool:
    """Addresses and data may hold the attack as text; what is run may not hold it at all."""
    if name in ("href", "src", "action", "formaction"):
        return value.strip().lower().startswith(("javascript:", "data:text", "zzxss"))
    if name == "srcdoc":
        return False  # of a frame without scripts; what its sandbox allows is asked below
    return "zzxss" in value and not _is_data(value)


def _is_data(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def test_no_text_of_any_row_becomes_code_on_any_page(settings: Settings, tmp_path: Path) -> None:
    world = make_world(settings, tmp_path)
    poison(world)
    client = Client()
    owner = MembershipFactory(workspace=world.other, role=Membership.Role.OWNER).user
    owner.is_superuser = True
    owner.save(update_fields=["is_superuser"])
    client.force_login(owner)
    shown, found = 0, {}
    for url in pages(world):
        response = client.get(url, follow=True)
        if "text/html" not in response.headers.get("Content-Type", "") or response.streaming:
            continue
        html = response.content.decode()
        policy_told = response.headers.get("Content-Security-Policy", "")
        # A mail is its author's work; alone on a page it stands in a sandbox.
        if not html.strip() or ("sandbox" in policy_told and "allow-scripts" not in policy_told):
            continue
        shown += "zzxss" in html
        if told := [*unsafe(html)]:
            found[url] = told
    assert found == {}
    assert shown > 30, "The attack must be on the pages, or nothing was tried."


def test_frames_that_show_mails_run_no_scripts() -> None:
    templates = Path(__file__).parents[1] / "templates"
    frames = [
        frame
        for path in templates.rglob("*.html")
        # Which other people's sites take over, to show a form of ours.
        if path != templates / "signups" / "frame_snippet.html"
        for frame in re.findall(r"<iframe[^>]*>", path.read_text())
    ]
    assert len(frames) >= 3
    for frame in frames:
        assert "sandbox" in frame
        assert "allow-scripts" not in frame and "allow-same-origin" not in frame


# --- CSRF ---------------------------------------------------------------------------------------------


def test_nothing_that_changes_something_is_done_without_a_token(settings: Settings, tmp_path: Path) -> None:
    world = make_world(settings, tmp_path)
    client = Client(enforce_csrf_checks=True)
    owner = MembershipFactory(workspace=world.other, role=Membership.Role.OWNER).user
    owner.is_superuser = True
    owner.save(update_fields=["is_superuser"])
    client.force_login(owner)
    taken = [
        url for url in pages(world) if client.post(url, {"post": "yes"}).status_code not in (403, 404, 405)
    ]
    assert taken == []


# --- Open redirects -------------------------------------------------------------------------------------

ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "https:evil.example",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("there", ELSEWHERE)
def test_nothing_leads_to_another_site(there: str) -> None:
    user = MembershipFactory().user
    user.set_password("a long pass phrase")
    user.save(update_fields=["password"])
    credentials = {"username": user.username, "password": "a long pass phrase", "next": there}
    answers = [Client().post(f"/admin/login/?next={there}", credentials)]
    client = Client()
    client.force_login(user)
    answers += [client.get("/admin/login/", {"next": there}), client.post("/admin/logout/", {"next": there})]
    for name in ("next", "url", "redirect", "return_to", "to"):
        answers += [Client().get(f"/c/forged/1?{name}={there}"), Client().get(f"/u/forged?{name}={there}")]
        answers += [client.get(f"/mailboxes/callback/?{name}={there}")]
    for answer in answers:
        # Within the site: a path, and none that browsers read as a host.
        assert re.match(r"/(?![/\\])|$", answer.headers.get("Location", "")), answer.headers["Location"]


# --- Templates -------------------------------------------------------------------------------------------

ESCAPES = [
    # Jinja2: CVE-2019-10906, CVE-2024-56326, CVE-2025-27516 and the usual walks.
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(customer) }}",
    "{% set f = ''.format %}{{ f('{0.__class__}', customer) }}",
    "{{ customer|attr('format') }}",
    "{{ self._TemplateReference__context.cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ config.items() }}",
    "{{ request.application.__globals__ }}",
    # Django.
    "{% load log %}{% get_admin_log 10 as log %}{{ log }}",
    "{% include 'admin/base.html' %}",
    "{% debug %}",
    "{{ settings.SECRET_KEY }}",
    # Twig: GHSA-9fx4-7cmj-47vg, CVE-2022-39261 and the usual filters.
    "{{ _self.env.registerUndefinedFilterCallback('system') }}{{ _self.env.getFilter('id') }}",
    "{{ ['id']|filter('system') }}",
    "{{ ['id']|map('system')|join }}",
    "{{ source('/etc/passwd') }}",
    # Sprig, as with listmonk: CVE-2025-49136.
    '{{ env "SECRET_KEY" }}',
    '{{ expandenv "$SECRET_KEY" }}',
    "{{ .Env.SECRET_KEY }}",
    '{{ template "x" . }}',
    # Liquid's own.
    "{% render '../../config/settings.py' %}",
    "{{ customer.objects }}",
    "{{ customer._meta.model }}",
    "{{ workspace.memberships.all }}",
]


@pytest.mark.parametrize("source", ESCAPES)
@pytest.mark.parametrize("place", ["subject", "body"])
def test_no_template_reads_more_than_it_is_given(source: str, place: str, settings: Settings) -> None:
    """It is refused when it is saved, or shows nothing; which of the two is the language's affair."""
    workspace = WorkspaceFactory()
    CustomerFactory(workspace=workspace)
    form = {"name": "Escape", "format": "html", "subject": "Hi", "preheader": "", "body": "<p>Hi</p>"}
    form[place] = source
    response = member(workspace).post("/admin/campaigns/template/add/", form, follow=True)
    saved = Template.objects.filter(name="Escape").first()
    shown = response.content.decode()
    if saved is not None:
        sender = SenderFactory(workspace=workspace)
        campaign = CampaignFactory(workspace=workspace, template=saved, senders=[sender])
        customer = Customer.objects.get()
        try:
            shown = test_send.build(campaign, saved, sender, "a@example.com", customer).message.decode()
        except ValueError as error:
            shown = str(error)
    for secret in (settings.SECRET_KEY, "root:x:0", "<class ", "uid=", "DJANGO_SETTINGS", "Manager object"):
        assert secret not in shown


# --- Segments ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "criteria",
    [
        '{"all":[' * 50_000 + "]}" * 50_000,
        "[" * 100_000,
        '{"all": [' + ",".join(['{"field": "email", "operator": "equals", "value": "x"}'] * 20_000) + "]}",
        '{"all": [{"field": "email", "operator": "contains", "value": "' + "(a+)+" * 1_000 + '$"}]}',
        '{"all": [{"field": "workspace__memberships__user__password", "operator": "equals", "value": "x"}]}',
        '{"all": [{"field": "attributes.x\') OR 1=1 --", "operator": "equals", "value": "x"}]}',
        '{"all": [{"field": "email", "operator": "equals", "value": 1e999}]}',
        '{"all": [{"field": "email", "operator": "equals", "value": "\\u0000"}]}',
    ],
    ids=["deep", "deeper", "wide", "redos", "relation", "sql", "infinite", "nul"],
)
def test_a_segment_that_attacks_is_refused_in_words(criteria: str) -> None:
    workspace = WorkspaceFactory()
    client = member(workspace)
    began = time.process_time()
    for url in ("/admin/audience/segment/add/", "/admin/audience/segment/preview/"):
        response = client.post(url, {"name": "Attack", "criteria": criteria})
        assert response.status_code in (200, 302, 400, 404)
    assert time.process_time() - began < 20
    for segment in Segment.objects.all():
        # Whatever was taken is harmless text.
        assert client.get(f"/admin/audience/segment/{segment.pk}/change/").status_code == 200


# --- Header injection ------------------------------------------------------------------------------

INJECTIONS = [
    "x\r\nBcc: evil@example.com",
    "x\nBcc: evil@example.com",
    "x\rBcc: e@e.example",
    "x\u2028Bcc: e",
    "x\x00y",
]


@pytest.mark.parametrize("evil", INJECTIONS)
def test_no_text_adds_a_header_to_a_mail(evil: str) -> None:
    """Past the doors, straight from the database: the builder is the last to look."""
    workspace: Workspace = WorkspaceFactory()
    Workspace.objects.filter(pk=workspace.pk).update(name=evil.replace("\x00", ""))
    sender: Sender = SenderFactory(workspace=workspace)
    Sender.objects.filter(pk=sender.pk).update(from_name=evil.replace("\x00", ""))
    customer = CustomerFactory(workspace=workspace)
    Customer.objects.filter(pk=customer.pk).update(name=evil.replace("\x00", ""))
    template = TemplateFactory(workspace=workspace, subject="{{ customer.name }} {{ workspace.name }}")
    campaign = CampaignFactory(workspace=workspace, template=template, senders=[sender])
    for row in (workspace, sender, customer):
        row.refresh_from_db()
    campaign = Campaign.objects.select_related("workspace").get(pk=campaign.pk)
    try:
        mail = test_send.build(campaign, template, sender, "a@example.com", customer)
    except ValueError:
        return
    parsed = message_from_bytes(mail.message, policy=policy.SMTP)
    assert "Bcc" not in parsed
    assert [len(parsed.get_all(name) or []) for name in ("From", "To", "Subject")] == [1, 1, 1]


@pytest.mark.parametrize("evil", INJECTIONS)
@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("/admin/campaigns/sender/add/", "from_name"),
        ("/admin/campaigns/sender/add/", "from_email"),
        ("/admin/campaigns/sender/add/", "reply_to"),
        ("/admin/campaigns/sender/add/", "host"),
        ("/admin/campaigns/template/add/", "subject"),
    ],
)
def test_every_door_refuses_line_breaks_or_takes_them_out(url: str, field: str, evil: str) -> None:
    form: dict[str, Any] = {
        "name": "New",
        "from_email": "news@acme.example",
        "transport": "smtp",
        "host": "smtp.example.com",
        "port": 587,
        "security": "starttls",
        "min_delay": 0,
        "format": "html",
        "subject": "Hi",
        "body": "<p>Hi</p>",
    }
    for prefix in ("limits", "warm_up"):
        form |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    member().post(url, form | {field: evil})
    for model in (Sender, Template):
        for row in model.objects.values():
            for value in (row.get(field),):
                assert not isinstance(value, str) or not re.search("[\r\n\x00]", value), value


# --- Ids of another workspace, in what is sent -------------------------------------------------------------


def test_no_id_in_a_form_points_into_another_workspace(tmp_path: Path, settings: Settings) -> None:
    """Each field that names a row by its number is sent the number of somebody else's."""
    world = make_world(settings, tmp_path)
    client = Client()
    client.force_login(world.user)
    own = {
        "segment": SegmentFactory(workspace=world.own),
        "template": TemplateFactory(workspace=world.own),
        "sender": SenderFactory(workspace=world.own),
        "customer": CustomerFactory(workspace=world.own),
    }
    campaign = CampaignFactory(
        workspace=world.own, template=own["template"], segment=own["segment"], senders=[own["sender"]]
    )
    foreign = {"segment": Segment, "template": Template, "sender": Sender, "customer": Customer}
    before = [*Campaign.objects.filter(pk=campaign.pk).values("segment", "template", "audience")]
    for name, model in foreign.items():
        number = world.pk(model)
        form = {"name": "X", "audience": "segment", name: number, f"sender_shares-0-{name}": number}
        for url in (
            f"/admin/campaigns/campaign/{campaign.pk}/change/",
            f"/campaigns/{campaign.pk}/send/",
            f"/campaigns/{campaign.pk}/send/audience/",
            f"/campaigns/{campaign.pk}/send/test/",
        ):
            response = client.post(url, form)
            assert response.status_code in (200, 302, 400, 403, 404, 405)
            assert b"zzforeign" not in response.content.lower(), (url, name)
    assert before == [*Campaign.objects.filter(pk=campaign.pk).values("segment", "template", "audience")]
    assert set(campaign.senders.values_list("workspace", flat=True)) == {world.own.pk}
