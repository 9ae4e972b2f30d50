"""A brand in daily use at the size that the targets speak of: what each page of the site has to show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any

from tests.bench import ledger, people
from tests.bench.rules import RULE_SETS
from tests.bench.world import TEMPLATE, World

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from audience.models import Workspace
    from campaigns.models import Campaign, Flow, Template

CUSTOMERS, CAMPAIGNS, MAILS = 1_000_000, 100, 10_000_000
# What there is besides, in one brand, and grows with it.
AUDIT_ENTRIES, REPORTS = 200_000, 100_000
# Of everything that is made by hand.
MADE = 30
# A mail, a wait, and a second mail for who has not clicked; with the wait before the last.
FIRST, WAIT, ASKED, SECOND, LONG_WAIT, LAST, EXIT = range(1, 8)


@dataclass(frozen=True)
class Brand:
    """Who asks for its pages, the ids of what they are asked about, by name, and its campaigns that ended."""

    workspace: Workspace
    manager: User
    owner: User
    staff: User
    ids: dict[str, int]
    ended: list[int]
    # What counting all of it for the reports took.
    counting_seconds: float


@cache
def found(world: World) -> Brand:
    """Write it all, and count it once as the roll-up does; measurements of one world share it."""
    from analytics import roll_up

    people.customers(world.scaled(CUSTOMERS), opted_in=85, zones=people.ZONES)
    workspace = world.workspace()
    ids = _made_by_hand(world, workspace)
    ended = ledger.campaigns(world, CAMPAIGNS)
    ledger.fill(ended, max(world.scaled(MAILS), CAMPAIGNS * 20))
    ids |= {"ended": ended[len(ended) // 2], "latest": ended[-1]}
    ids |= _running(world) | _flow(world, workspace)
    ids |= _drafts(workspace, ids)
    _trail(world)
    _sums()
    begun = perf_counter()
    roll_up.run()
    seconds = perf_counter() - begun
    people.run("VACUUM ANALYZE")
    return Brand(workspace, *_team(workspace), ids | _picked(), ended, seconds)


# --- What people made ------------------------------------------------------------------------------


def _made_by_hand(world: World, workspace: Workspace) -> dict[str, int]:
    """Segments with their indexes, templates with versions, senders, finished imports, caps."""
    from audience import segments
    from audience.models import ContactPolicy, CustomerImport, Segment
    from tests.factories import SegmentFactory, SignupFormFactory

    for name, criteria in RULE_SETS.items():
        Segment.objects.create(workspace=workspace, name=name, criteria=criteria)
    for number in range(MADE):
        SegmentFactory(workspace=workspace, name=f"Everybody {number}")
    segments.keep_indexes()
    for number in range(MADE):
        imported = CustomerImport.objects.create(
            workspace=workspace, name=f"customers-{number}.csv", file="/gone.csv", status="completed"
        )
    ContactPolicy.objects.create(workspace=workspace, cap_mails=3)
    named = Segment.objects.get(name="big spenders, or loyal and recent")
    template = _templates(workspace)
    ids = {"segment": named.pk, "template": template.pk, "import": imported.pk}
    sender = [world.sender(25, name=f"Sender {n}") for n in range(MADE)][-1]
    forms = [SignupFormFactory(workspace=workspace, sender=sender) for _ in range(MADE)]
    return ids | {"sender": sender.pk, "signupform": forms[-1].pk, "workspace": workspace.pk}


def _templates(workspace: Workspace) -> Template:
    from campaigns import attachments, images, templates
    from tests.campaigns.pictures import png

    body = TEMPLATE.read_text()
    for number in range(MADE):
        made = templates.create(
            workspace, f"News {number}", templates.Sources("mjml", "{{ customer.name }}, news", "", body)
        )
        images.keep(workspace, f"picture-{number}.png", png(number + 1, 4))
    attachments.attach(made, "terms.txt", b"Terms")
    return made


def _flow(world: World, workspace: Workspace) -> dict[str, int]:
    """A flow with everybody in it: half on the way, a quarter at its end, a quarter left."""
    from campaigns import lifecycle
    from campaigns.flows import publishing
    from campaigns.models import Flow, Template

    template = Template.objects.filter(workspace=workspace).latest("pk")
    for number in range(MADE):
        flow = Flow.objects.create(workspace=workspace, name=f"Welcome {number}", steps=_steps(template.pk))
    publishing.publish(flow)
    campaign = _on_flow(world, flow, "Welcome everybody")
    lifecycle.activate(campaign)
    _enter(campaign, flow)
    _mails(campaign, "campaigns_enrollment e JOIN audience_customer c ON c.id = e.customer_id WHERE step = 2")
    people.run("UPDATE campaigns_flowrun SET entered_at = now()")
    return {"flow": flow.pk, "flow_campaign": campaign.pk, "flow_draft": _on_flow(world, flow, "Again").pk}


def _enter(campaign: Campaign, flow: Flow) -> None:
    """Everybody's place, and the sums of the steps."""
    people.run(
        """
        INSERT INTO campaigns_enrollment (campaign_id, version_id, customer_id, key, step, state, due_at,
            entered_at, ended_at, reason, path)
        SELECT %(campaign)s, %(version)s, id, 'start', step, state, now() + id %% 1000 * interval '1 minute',
            now() - interval '3 days', CASE WHEN state <> 'waiting' THEN now() END,
            CASE WHEN state = 'left' THEN 'refused' ELSE '' END,
            jsonb_build_array(jsonb_build_object('at', now(), 'step', 1, 'did', 'mail'))
        FROM audience_customer JOIN (VALUES (0, %(wait)s, 'waiting'), (1, %(long)s, 'waiting'),
            (2, %(exit)s, 'finished'), (3, %(asked)s, 'left')) AS place (turn, step, state)
            ON id %% 4 = turn""",
        {"campaign": campaign.pk, "version": flow.versions.get().pk, "wait": WAIT, "long": LONG_WAIT,
         "exit": EXIT, "asked": ASKED},
    )  # fmt: skip
    people.run(
        'INSERT INTO campaigns_stepsum (campaign_id, step, passed, "left")'
        " SELECT campaign_id, s, count(*) FILTER (WHERE step > s), count(*) FILTER (WHERE step = s AND"
        " state = 'left') FROM campaigns_enrollment, generate_series(1, 7) AS s GROUP BY 1, 2"
    )


def _steps(template: int) -> list[dict[str, Any]]:
    clicked = {"all": [{"field": "mail.clicked", "operator": "since_step", "value": FIRST}]}
    mail = {"kind": "send", "template": template}
    return [
        mail | {"key": FIRST},
        {"key": WAIT, "kind": "wait", "for": {"days": 2, "at": "09:00"}},
        {"key": ASKED, "kind": "condition", "criteria": clicked, "yes": [], "no": [mail | {"key": SECOND}]},
        {"key": LONG_WAIT, "kind": "wait", "for": {"days": 5, "at": "09:00"}},
        mail | {"key": LAST},
        {"key": EXIT, "kind": "exit"},
    ]


def _on_flow(world: World, flow: Flow, name: str) -> Campaign:
    campaign = world.campaign(world.sender(25, name=name))
    campaign.name, campaign.flow, campaign.template = name, flow, None
    campaign.save(update_fields=["name", "flow", "template"])
    return campaign


def _team(workspace: Workspace) -> tuple[User, User, User]:
    """A manager, an owner and somebody of the site's staff; there are more of them."""
    from tests.factories import MembershipFactory, UserFactory

    for _ in range(MADE):
        MembershipFactory(workspace=workspace, role="editor")
    manager, owner = (MembershipFactory(workspace=workspace, role=role).user for role in ("manager", "owner"))
    return manager, owner, UserFactory(is_superuser=True)


# --- Campaigns in each state -----------------------------------------------------------------------


def _running(world: World) -> dict[str, int]:
    """One on its way, one paused, one that waits for its start, one that failed."""
    from campaigns import lifecycle
    from campaigns.models import Campaign

    found = {}
    for name in ("running", "paused", "scheduled", "failed"):
        campaign = world.campaign(world.sender(25, name=f"Of {name}"))
        campaign.name = f"The {name} one"
        campaign.start_date = campaign.created_at.date() + timedelta(days=5) if name == "scheduled" else None
        campaign.save(update_fields=["name", "start_date"])
        lifecycle.activate(campaign)
        if name == "paused":
            lifecycle.pause(campaign)
        if name in ("running", "paused"):
            most = max(world.scaled(MAILS) // CAMPAIGNS, 20)
            _mails(campaign, f"(SELECT 0 AS id) e, audience_customer c ORDER BY c.id LIMIT {most}")
        found[name] = campaign.pk
    Campaign.objects.filter(pk=found["failed"]).update(status="failed", result="All e-mail sends failed")
    return found


def _mails(campaign: Campaign, whom: str) -> None:
    """Mails to customers `c` at places `e` in a flow: half sent today, half queued, a few of unknown fate."""
    people.run(
        f"""
        INSERT INTO delivery_sendlog (workspace_id, campaign_id, step, customer_id, sender_id, email,
            mailbox_provider, status, attempts, due_at, sent_at, enrollment_id)
        SELECT c.workspace_id, %(campaign)s, 1, c.id, %(sender)s, c.email, 'other',
            CASE WHEN c.id %% 8 < 4 THEN 'sent' WHEN c.id %% 1000 = 999 THEN 'unknown' ELSE 'queued' END, 1,
            now(), CASE WHEN c.id %% 8 < 4 THEN now() END, e.id
        FROM {whom}""",  # noqa: S608 - made of constants
        {"campaign": campaign.pk, "sender": campaign.senders.get().pk},
    )


def _drafts(workspace: Workspace, ids: dict[str, int]) -> dict[str, int]:
    """Ready ones to a segment and to everybody by their own clocks, an automation, and a bare one."""
    from campaigns import drafts
    from campaigns.models import Campaign
    from tests.factories import CampaignFactory

    about = {"workspace": workspace, "template_id": ids["template"]}
    tomorrow = Campaign.objects.get(pk=ids["running"]).created_at.date() + timedelta(days=1)
    found = {
        "draft": CampaignFactory(**about, segment_id=ids["segment"]),
        "to_all": CampaignFactory(
            **about, segment=None, audience="all_subscribed", clock="customer", start_date=tomorrow,
            start_time=time(9),
        ),
        "automation": CampaignFactory(workspace=workspace, template=None, segment=None, flow_id=ids["flow"]),
        "bare": drafts.begin(workspace),
    }  # fmt: skip
    drafts.automate(found["automation"], start="event", event="order_placed")
    return {name: campaign.pk for name, campaign in found.items()}


# --- What came of it, and the trail of it all ------------------------------------------------------


def _trail(world: World) -> None:
    """Consents, suppressions, orders, the audit log, and the reports of providers as they came in."""
    people.run(
        "INSERT INTO audience_consentrecord (workspace_id, customer_id, email, channel, granted, source,"
        " evidence) SELECT workspace_id, id, email, 'email', subscribed, 'import', 'The shop'"
        " FROM audience_customer"
    )
    people.run(
        "INSERT INTO audience_suppression (workspace_id, email, reason, note) SELECT workspace_id, email,"
        " CASE WHEN id % 3 = 0 THEN 'hard_bounce' ELSE 'unsubscribe' END, '' FROM audience_customer"
        " WHERE id % 50 = 0"
    )
    people.run(
        "INSERT INTO audience_customerevent (workspace_id, customer_id, name, properties, key, at)"
        " SELECT workspace_id, id, 'order_placed', '{\"total\": 20}', 'order:' || id, now()"
        " FROM audience_customer"
    )
    people.run(
        "INSERT INTO audience_auditentry (workspace_id, action, actor_name, door, thing, thing_id, name)"
        " SELECT workspace_id, 'changed', 'ada', '/', 'campaigns.template', id, 'News' FROM audience_customer"
        " LIMIT %s",
        [world.scaled(AUDIT_ENTRIES)],
    )
    people.run(
        "INSERT INTO delivery_inbound (workspace_id, sender_id, service, headers, body, digest, processed_at,"
        " error) SELECT c.workspace_id, s.id, 'postmark', '{}', '{}', c.id, now(), ''"
        " FROM audience_customer c, (SELECT max(id) AS id FROM campaigns_sender) s LIMIT %s",
        [world.scaled(REPORTS)],
    )


def _sums() -> None:
    """What the engine counts as it goes, of rows that were written beside it."""
    people.run(
        """
        INSERT INTO delivery_progress (campaign_id, cursor, filled_at, matched, sent, failed, suppressed,
            cancelled, unknown)
        SELECT campaign_id, max(customer_id), now(), count(*), count(*) FILTER (WHERE status = 'sent'),
            count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'suppressed'), 0,
            count(*) FILTER (WHERE status = 'unknown')
        FROM delivery_sendlog GROUP BY campaign_id ON CONFLICT (campaign_id) DO UPDATE SET
            cursor = excluded.cursor, filled_at = now(), matched = excluded.matched, sent = excluded.sent,
            unknown = excluded.unknown"""
    )
    people.run(
        "INSERT INTO delivery_senderday (sender_id, day, sent, bounced, complained) SELECT sender_id,"
        " CAST(sent_at AS date), count(*), 0, 0 FROM delivery_sendlog WHERE status = 'sent' GROUP BY 1, 2"
    )
    people.run(
        "UPDATE campaigns_campaign c SET activated_at = began, finished_at = ended FROM (SELECT campaign_id,"
        " min(due_at) AS began, max(sent_at) AS ended FROM delivery_sendlog GROUP BY 1) AS l"
        " WHERE l.campaign_id = c.id AND c.status = 'completed'"
    )


def _picked() -> dict[str, int]:
    """Somebody who got a hundred mails and is in the flow."""
    from audience.models import Customer

    return {"customer": Customer.objects.order_by("pk")[11].pk}
