"""Foreign keys point upstream, as imports do. A key given as a string is invisible to import-linter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from django.apps import apps
from django.db import models
from django.test.utils import isolate_apps

DOWNSTREAM = ("audience", "campaigns", "delivery", "analytics")


def keys_pointing_downstream(graph: Iterable[type[models.Model]]) -> Iterator[str]:
    """Each relation whose target stands further downstream than the model that has it."""
    for model in graph:
        for field in (*model._meta.local_fields, *model._meta.local_many_to_many):
            target = field.related_model
            if target is None or target._meta.app_label not in DOWNSTREAM:
                continue
            if rank(target) > rank(model):
                yield f"{model._meta.label}.{field.name} -> {target._meta.label}"


def rank(model: type[models.Model]) -> int:
    """How far downstream a model's app stands; other people's apps stand upstream of all."""
    label = model._meta.app_label
    return DOWNSTREAM.index(label) if label in DOWNSTREAM else -1


def test_no_relation_points_downstream() -> None:
    assert list(keys_pointing_downstream(apps.get_models(include_auto_created=True))) == []


@pytest.mark.parametrize("relation", [models.ForeignKey, models.OneToOneField, models.ManyToManyField])
@isolate_apps()
def test_a_planted_relation_is_found(relation: type[models.Field]) -> None:
    on_delete = {} if relation is models.ManyToManyField else {"on_delete": models.CASCADE}

    class Person(models.Model):
        last_mail = relation("delivery.Mail", **on_delete)

        class Meta:
            app_label = "audience"

    class Mail(models.Model):
        person = models.ForeignKey(Person, models.CASCADE, related_name="mails")

        class Meta:
            app_label = "delivery"

    assert list(keys_pointing_downstream([Person, Mail])) == ["audience.Person.last_mail -> delivery.Mail"]
