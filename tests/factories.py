"""Factories: the smallest valid row of each model, in one workspace unless told otherwise."""

from __future__ import annotations

from typing import Any

import factory
from django.contrib.auth import get_user_model
from factory.django import DjangoModelFactory

from audience.models import Attribute, Customer, Membership, Segment, Suppression, Workspace
from campaigns.models import Campaign, CampaignSender, Flow, Sender, Template
from delivery.models import SignupForm


class WorkspaceFactory(DjangoModelFactory):
    class Meta:
        model = Workspace
        django_get_or_create = ("slug",)

    name = factory.LazyAttribute(lambda o: o.slug.title())
    slug = "acme"


class UserFactory(DjangoModelFactory):
    """Staff, no superuser; give them a MembershipFactory to let them in."""

    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    is_staff = True


class MembershipFactory(DjangoModelFactory):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    workspace = factory.SubFactory(WorkspaceFactory)
    role = Membership.Role.OWNER


class AttributeFactory(DjangoModelFactory):
    class Meta:
        model = Attribute
        django_get_or_create = ("workspace", "name")

    workspace = factory.SubFactory(WorkspaceFactory)
    name = "orders"
    type = Attribute.Type.NUMBER


class CustomerFactory(DjangoModelFactory):
    class Meta:
        model = Customer

    workspace = factory.SubFactory(WorkspaceFactory)
    email = factory.Sequence(lambda n: f"customer{n}@example.com")
    subscribed = True


class SuppressionFactory(DjangoModelFactory):
    class Meta:
        model = Suppression

    workspace = factory.SubFactory(WorkspaceFactory)
    reason = Suppression.Reason.MANUAL


class SegmentFactory(DjangoModelFactory):
    """Everyone with an e-mail opt-in."""

    class Meta:
        model = Segment

    workspace = factory.SubFactory(WorkspaceFactory)
    name = factory.Sequence(lambda n: f"Segment {n}")
    criteria = factory.LazyFunction(
        lambda: {"all": [{"field": "subscribed", "operator": "equals", "value": True}]}
    )


class TemplateFactory(DjangoModelFactory):
    class Meta:
        model = Template

    workspace = factory.SubFactory(WorkspaceFactory)
    name = factory.Sequence(lambda n: f"Template {n}")
    format = Template.Format.HTML
    subject = "Hello {{ customer_name }}"
    body = '<p>Hello {{ customer_name }}</p><p><a href="{{ unsubscribe_link }}">Unsubscribe</a></p>'


class SenderFactory(DjangoModelFactory):
    class Meta:
        model = Sender

    workspace = factory.SubFactory(WorkspaceFactory)
    name = factory.Sequence(lambda n: f"Sender {n}")
    from_name = "Acme"
    from_email = "news@acme.example"
    state = Sender.State.READY


class SignupFormFactory(DjangoModelFactory):
    class Meta:
        model = SignupForm

    workspace = factory.SubFactory(WorkspaceFactory)
    name = factory.Sequence(lambda n: f"Sign-up form {n}")
    sender = factory.SubFactory(SenderFactory, workspace=factory.SelfAttribute("..workspace"))


class FlowFactory(DjangoModelFactory):
    class Meta:
        model = Flow

    workspace = factory.SubFactory(WorkspaceFactory)
    name = factory.Sequence(lambda n: f"Flow {n}")


class CampaignFactory(DjangoModelFactory):
    """A draft that could be activated: a segment, a template and one sender."""

    class Meta:
        model = Campaign
        skip_postgeneration_save = True

    workspace = factory.SubFactory(WorkspaceFactory)
    name = factory.Sequence(lambda n: f"Campaign {n}")
    segment = factory.SubFactory(SegmentFactory, workspace=factory.SelfAttribute("..workspace"))
    template = factory.SubFactory(TemplateFactory, workspace=factory.SelfAttribute("..workspace"))

    @factory.post_generation
    def senders(obj: Campaign, create: bool, extracted: list[Sender] | None, **kwargs: Any) -> None:  # noqa: N805
        if not create:
            return
        for sender in [SenderFactory(workspace=obj.workspace)] if extracted is None else extracted:
            CampaignSender.objects.create(campaign=obj, sender=sender)
