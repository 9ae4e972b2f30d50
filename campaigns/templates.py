"""Templates: made, saved, restored, copied and deleted; every save keeps a version."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Count, Q
from django.db.utils import IntegrityError
from django.utils import timezone

from audience import audit
from audience.models import Workspace
from campaigns import attachments
from campaigns.content import compile_template
from campaigns.models import Attachment, Campaign, Template, TemplateVersion

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Sources:
    """What a template says, as its author wrote it."""

    format: str
    subject: str
    preheader: str
    body: str
    qr_inline: bool = False

    @classmethod
    def of(cls, row: Template | TemplateVersion) -> Sources:
        return cls(row.format, row.subject, row.preheader, row.body, row.qr_inline)

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """As campaigns.content takes them."""
        return self.format, self.subject, self.preheader, self.body


@dataclass(frozen=True, slots=True)
class Uses:
    """Campaigns that name a template: those that were activated, which keep what was frozen, and drafts."""

    activated: int
    drafts: int


class NameTaken(Exception):
    """Another template of the workspace has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a template “{name}” already. Choose another name.")


class Stale(Exception):
    """Somebody else has saved the template since it was opened; `newest` is the version's number."""

    def __init__(self, template: Template) -> None:
        last = template.versions.select_related("saved_by").first()
        who = (last.saved_by if last else None) or "Somebody"
        super().__init__(f"{who} has saved version {template.version} since you opened this.")
        self.newest = template.version


def create(workspace: Workspace, name: str, sources: Sources, actor: User | None = None) -> Template:
    """Make a template and its first version, together; of a name that is taken a numbered one.

    The sources need not compile: a draft may be started from anything.
    """
    with transaction.atomic():
        # Of two at once the second waits, and then sees which names are taken.
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
        template: Template = Template.objects.create(
            workspace=workspace, name=_free_name(workspace, name), **asdict(sources)
        )
        _keep(template, sources, actor)
    return template


def save(template: Template, name: str, sources: Sources, *, based_on: int, actor: User | None) -> Template:
    """Save what the author wrote over version `based_on`, and keep it as the next version.

    Commits both together, and nothing when nothing changed. Raises ContentError for sources that no mail
    could be made from, Stale when somebody else has saved since, NameTaken; then nothing is written.
    """
    compile_template(*sources.parts)
    try:
        with transaction.atomic():
            row: Template = Template.objects.select_for_update().get(pk=template.pk)
            if row.version != based_on:
                raise Stale(row)
            _write(row, name, sources, actor)
    except IntegrityError as error:
        raise NameTaken(name) from error
    return row


def restore(template: Template, number: int, actor: User | None) -> Template:
    """Let the template say again what its version `number` said, as a new version; the others stay.

    May be repeated: nothing changes then. Raises TemplateVersion.DoesNotExist, and ContentError when this
    release of Drumbeat can no longer make a mail of it.
    """
    with transaction.atomic():
        row: Template = Template.objects.select_for_update().get(pk=template.pk)
        sources = Sources.of(row.versions.get(number=number))
        compile_template(*sources.parts)
        _write(row, row.name, sources, actor, note=f"Version {number} again")
    return row


def clone(template: Template, actor: User | None) -> Template:
    """A template of its own that says and attaches the same."""
    with transaction.atomic():
        name = f"Copy of {template.name}"
        copy = create(template.workspace, name, Sources.of(template), actor)
        Attachment.objects.bulk_create(
            Attachment(template=copy, file_id=file_id, name=file_name)
            for file_id, file_name in template.attachments.values_list("file_id", "name")
        )
    return copy


def uses(template: Template) -> Uses:
    """How many campaigns name the template."""
    activated = Q(content__isnull=False)
    found = Campaign.objects.filter(template=template).aggregate(
        activated=Count("pk", filter=activated), drafts=Count("pk", filter=~activated)
    )
    return Uses(**found)


def delete(template: Template) -> None:
    """Delete a template with its versions and attachments; in one transaction, may be repeated.

    Campaigns that were activated keep what was frozen for them; drafts are left without content, and
    cannot be activated until they are given another.
    """
    with transaction.atomic():
        audit.record("deleted", template, workspace=template.workspace_id)
        Campaign.objects.filter(template=template).update(template=None)
        for attachment in template.attachments.all():
            attachments.remove(attachment)
        Template.objects.filter(pk=template.pk).delete()


def _write(row: Template, name: str, sources: Sources, actor: User | None, note: str = "") -> None:
    """Write to a row that is locked what differs."""
    if row.version == 0:
        # It was not made here: what it said until now must not be lost.
        _keep(row, Sources.of(row), None)
    if name != row.name:
        audit.changed(row, {"name": row.name}, {"name": name}, workspace=row.workspace_id, actor=actor)
        row.name = name
        row.save(update_fields=["name", "updated_at"])
    if sources == Sources.of(row):
        return
    for column, value in asdict(sources).items():
        setattr(row, column, value)
    row.save(update_fields=[*asdict(sources), "updated_at"])
    _keep(row, sources, actor, note)


def _keep(template: Template, sources: Sources, actor: User | None, note: str = "") -> None:
    """The sources as the template's next version. Its row is new or locked."""
    template.version += 1
    template.save(update_fields=["version"])
    TemplateVersion.objects.create(
        template=template,
        number=template.version,
        saved_by=actor,
        saved_at=timezone.now(),
        note=note,
        **asdict(sources),
    )
    # What they said is in the versions.
    before, after = ({"version": number} for number in (template.version - 1, template.version))
    audit.changed(template, before, after, workspace=template.workspace_id, actor=actor)


def _free_name(workspace: Workspace, name: str) -> str:
    taken = set(Template.objects.of(workspace).values_list("name", flat=True))
    base, number = name[:NAME_LENGTH], 2
    free = base
    while free in taken:
        free = f"{base[: NAME_LENGTH - len(str(number)) - 1]} {number}"
        number += 1
    return free
