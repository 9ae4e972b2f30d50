from __future__ import annotations

import threading
from datetime import date, time, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from audience.audiences import Audience
from campaigns import drafts, lifecycle, readiness
from campaigns.models import Campaign, CampaignTransition, Sender
from tests.factories import (
    CampaignFactory,
    FlowFactory,
    SegmentFactory,
    SenderFactory,
    TemplateFactory,
    UserFactory,
    WorkspaceFactory,
)

Status = Campaign.Status

ACTIONS = {
    "activate": lambda c: lifecycle.activate(c),
    "pause": lambda c: lifecycle.pause(c),
    "resume": lambda c: lifecycle.resume(c),
    "complete": lambda c: lifecycle.complete(c),
    "cancel": lambda c: lifecycle.cancel(c),
    "fail": lambda c: lifecycle.fail(c, "No sender is left."),
    "reopen": lambda c: lifecycle.reopen(c, UserFactory(), "2 unknown mails are sent again."),
}
# Written out by hand: the table in the code is what is under test.
ALLOWED = {
    ("activate", Status.DRAFT): Status.ACTIVE,
    ("pause", Status.ACTIVE): Status.PAUSED,
    ("resume", Status.PAUSED): Status.ACTIVE,
    ("complete", Status.ACTIVE): Status.COMPLETED,
    ("complete", Status.PAUSED): Status.COMPLETED,
    ("cancel", Status.ACTIVE): Status.CANCELLED,
    ("cancel", Status.PAUSED): Status.CANCELLED,
    ("fail", Status.ACTIVE): Status.FAILED,
    ("fail", Status.PAUSED): Status.FAILED,
    ("reopen", Status.COMPLETED): Status.ACTIVE,
    ("reopen", Status.FAILED): Status.ACTIVE,
}
REFUSED = [(a, s) for a in ACTIONS for s in Status if (a, s) not in ALLOWED]


def campaign_in(status: Status) -> Campaign:
    campaign = CampaignFactory()
    Campaign.objects.filter(pk=campaign.pk).update(status=status)
    campaign.refresh_from_db()
    return campaign


@pytest.mark.django_db
@pytest.mark.parametrize(("action", "before"), ALLOWED)
def test_allowed_action_changes_the_status_and_writes_one_history_row(action: str, before: Status) -> None:
    campaign = campaign_in(before)
    ACTIONS[action](campaign)
    after = ALLOWED[action, before]
    assert campaign.status == Campaign.objects.get(pk=campaign.pk).status == after
    row = CampaignTransition.objects.get(campaign=campaign)
    assert (row.action, row.from_status, row.to_status) == (action, before, after)


@pytest.mark.django_db
@pytest.mark.parametrize(("action", "before"), REFUSED)
def test_any_other_pair_is_refused_and_changes_nothing(action: str, before: Status) -> None:
    campaign = campaign_in(before)
    with pytest.raises(lifecycle.InvalidTransition) as refusal:
        ACTIONS[action](campaign)
    assert f"is {before} and cannot be {lifecycle.TRANSITIONS[action].verb}" in str(refusal.value)
    for possible in lifecycle.possible_actions(before):
        assert lifecycle.TRANSITIONS[possible].verb in str(refusal.value)
    assert Campaign.objects.get(pk=campaign.pk).status == before
    assert not CampaignTransition.objects.exists()


@pytest.mark.django_db
def test_history_says_who_did_it_and_why() -> None:
    user = UserFactory()
    campaign = campaign_in(Status.ACTIVE)
    lifecycle.cancel(campaign, actor=user, reason="Wrong price in the offer.")
    row = CampaignTransition.objects.get(campaign=campaign)
    assert (row.actor, row.reason) == (user, "Wrong price in the offer.")
    assert campaign.finished_at is not None


def test_what_drumbeat_does_by_itself_is_offered_to_nobody() -> None:
    offered = {action for status in Status for action in lifecycle.possible_actions(status)}
    assert offered == ACTIONS.keys() - {"fail", "reopen"}


@pytest.mark.django_db
def test_reopened_campaign_keeps_its_content_and_forgets_its_end() -> None:
    campaign = CampaignFactory()
    lifecycle.activate(campaign)
    frozen = campaign.content_id
    lifecycle.complete(campaign, result="1 of 2 sent, 1 unknown")
    lifecycle.reopen(campaign, UserFactory(), "1 unknown mail is sent again.")
    assert (campaign.content_id, campaign.result, campaign.finished_at) == (frozen, "", None)


@pytest.mark.django_db
def test_note_leaves_the_status_as_it_is() -> None:
    user = UserFactory()
    campaign = campaign_in(Status.CANCELLED)
    lifecycle.note(campaign, user, "3 unknown mails are counted as sent.")
    row = CampaignTransition.objects.get(campaign=campaign)
    assert (row.from_status, row.to_status, row.actor) == (Status.CANCELLED, Status.CANCELLED, user)
    assert Campaign.objects.get(pk=campaign.pk).status == Status.CANCELLED


@pytest.mark.django_db
@pytest.mark.parametrize("by_hand", [True, False])
def test_only_drumbeats_own_words_about_the_end_are_corrected(by_hand: bool) -> None:
    campaign = campaign_in(Status.ACTIVE)
    lifecycle.complete(campaign, UserFactory() if by_hand else None, "1 of 2 sent, 1 unknown")
    lifecycle.note(campaign, UserFactory(), "1 unknown mail is counted as sent.")
    lifecycle.restate(campaign, "2 of 2 sent")
    assert (Campaign.objects.get(pk=campaign.pk).result == "2 of 2 sent") != by_hand


@pytest.mark.django_db
def test_stale_instance_cannot_undo_what_another_door_did() -> None:
    campaign = campaign_in(Status.ACTIVE)
    stale = Campaign.objects.get(pk=campaign.pk)
    lifecycle.cancel(campaign)
    with pytest.raises(lifecycle.InvalidTransition, match="is cancelled and cannot be paused"):
        lifecycle.pause(stale)
    assert Campaign.objects.get(pk=campaign.pk).status == Status.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_triple_click_on_activate_activates_once() -> None:
    campaign = CampaignFactory()
    barrier = threading.Barrier(3)
    refused: list[str] = []

    def click() -> None:
        mine = Campaign.objects.get(pk=campaign.pk)
        barrier.wait()
        try:
            lifecycle.activate(mine)
        except lifecycle.InvalidTransition as error:
            refused.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 2
    assert CampaignTransition.objects.filter(campaign=campaign).count() == 1


@pytest.mark.django_db
def test_activation_freezes_the_content() -> None:
    campaign = CampaignFactory(template__subject="Before")
    lifecycle.activate(campaign)
    campaign.template.subject = "After"
    campaign.template.save(update_fields=["subject"])
    assert Campaign.objects.get(pk=campaign.pk).content.subject == "Before"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"segment": None}, "No segment is chosen"),
        ({"template": None}, "No template is chosen"),
        ({"start_time": time(9)}, "no date"),
        ({"start_date": date(2020, 1, 1)}, "in the past"),
    ],
)
def test_draft_that_lacks_something_is_not_activated(change: dict[str, object], says: str) -> None:
    campaign = CampaignFactory()
    drafts.change(campaign, **change)
    with pytest.raises(lifecycle.NotReady, match=says):
        lifecycle.activate(campaign)
    assert Campaign.objects.get(pk=campaign.pk).status == Status.DRAFT
    assert not CampaignTransition.objects.exists()


@pytest.mark.django_db
def test_campaign_without_a_usable_sender_is_not_activated_and_says_why() -> None:
    stopped = SenderFactory(name="Office", state=Sender.State.STOPPED, last_error="Log-in refused.")
    with pytest.raises(lifecycle.NotReady, match="Office: Log-in refused"):
        lifecycle.activate(CampaignFactory(senders=[stopped]))
    with pytest.raises(lifecycle.NotReady, match="No sender is chosen"):
        lifecycle.activate(CampaignFactory(senders=[]))


@pytest.mark.django_db
def test_campaign_on_a_flow_that_was_never_published_is_not_activated() -> None:
    campaign = CampaignFactory(flow=FlowFactory())
    with pytest.raises(lifecycle.NotReady, match="has not been published"):
        lifecycle.activate(campaign)


@pytest.mark.django_db
def test_nothing_of_another_workspace_can_be_activated() -> None:
    other = WorkspaceFactory(slug="other")
    campaign = CampaignFactory(
        segment=SegmentFactory(workspace=other),
        template=TemplateFactory(workspace=other),
        senders=[SenderFactory(workspace=other)],
    )
    found = readiness.problems(campaign, timezone.now())
    assert [problem.split()[1] for problem in found] == ["segment", "template", "sender"]


@pytest.mark.django_db
def test_draft_on_a_missing_segment_is_refused_and_writes_nothing() -> None:
    workspace = WorkspaceFactory()
    foreign = SegmentFactory(workspace=WorkspaceFactory(slug="other"))
    for pk in (foreign.pk, foreign.pk + 1):
        with pytest.raises(drafts.NotInWorkspace, match=f"no segment {pk}"):
            drafts.create(workspace, "Spring", segment_id=pk)
    assert not Campaign.objects.exists()


@pytest.mark.django_db
def test_draft_with_a_missing_sender_leaves_no_half_made_campaign() -> None:
    with pytest.raises(drafts.NotInWorkspace, match="no sender 99"):
        drafts.create(WorkspaceFactory(), "Spring", audience=Audience.BOTH, sender_ids=[99])
    assert not Campaign.objects.exists()


@pytest.mark.django_db
def test_draft_on_a_missing_flow_is_made_without_one_and_says_so() -> None:
    workspace = WorkspaceFactory()
    draft = drafts.create(workspace, "Spring", segment_id=SegmentFactory().pk, flow_id=4711)
    assert draft.notices == ["Flow 4711 does not exist; the campaign was made without one."]
    assert Campaign.objects.get().flow is None


@pytest.mark.django_db
def test_draft_on_an_existing_flow_keeps_it() -> None:
    flow = FlowFactory()
    draft = drafts.create(flow.workspace, "Spring", flow_id=flow.pk)
    assert (draft.campaign.flow, draft.notices) == (flow, [])


@pytest.mark.django_db
def test_only_a_draft_can_be_changed() -> None:
    campaign = campaign_in(Status.ACTIVE)
    with pytest.raises(drafts.NotADraft):
        drafts.change(campaign, name="Other")
    assert Campaign.objects.get(pk=campaign.pk).name != "Other"


@pytest.mark.django_db
def test_future_start_is_ready() -> None:
    campaign = CampaignFactory()
    drafts.change(campaign, start_date=(timezone.now() + timedelta(days=2)).date())
    assert readiness.problems(campaign, timezone.now()) == []


@pytest.mark.django_db
def test_segment_that_cannot_be_evaluated_is_not_ready() -> None:
    rule = {"field": "attributes.gone", "operator": "is_set"}
    campaign = CampaignFactory(segment=SegmentFactory(name="Old", criteria={"all": [rule]}))
    [problem] = readiness.problems(campaign, timezone.now())
    assert problem.startswith("The segment “Old” cannot be used")


@pytest.mark.django_db(transaction=True)
def test_door_that_read_the_status_before_another_changed_it_is_refused() -> None:
    campaign = campaign_in(Status.ACTIVE)
    refused: list[str] = []

    def complete() -> None:
        try:
            lifecycle.complete(Campaign.objects.get(pk=campaign.pk))
        except lifecycle.InvalidTransition as error:
            refused.append(str(error))
        finally:
            connection.close()

    late = threading.Thread(target=complete)
    with transaction.atomic():
        lifecycle.complete(campaign)
        late.start()
        # It reads "active", and then its UPDATE waits for this transaction. SQLite lets it begin after it.
        while connection.vendor == "postgresql" and not somebody_waits():
            assert late.is_alive()
    late.join()
    assert len(refused) == 1
    assert CampaignTransition.objects.filter(campaign=campaign).count() == 1


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
        return cursor.fetchone() is not None
