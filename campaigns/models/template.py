"""Templates that people edit, and the frozen content that campaigns send."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.models import WorkspaceModel


class Template(WorkspaceModel):
    """Reusable content. Staff and marketers edit it; a running campaign never reads it again.

    What it says is written by campaigns.templates, which keeps a TemplateVersion of every save.
    """

    class Format(models.TextChoices):
        MJML = "mjml", "MJML"
        HTML = "html", "HTML"
        MARKDOWN = "markdown", "Markdown"
        PLAIN = "plain", _("Plain text")

    name = models.CharField(max_length=100)
    format = models.CharField(max_length=10, choices=Format, default=Format.MJML)
    subject = models.CharField(
        max_length=255, help_text=_("May hold merge fields, such as {{ customer_name | default: 'you' }}.")
    )
    preheader = models.CharField(
        max_length=255, blank=True, help_text=_("The line that inboxes show after the subject.")
    )
    body = models.TextField(
        help_text=_(
            "Liquid works everywhere: {{ customer.name }}, {% if %}, {% for %}, {{ unsubscribe_link }}."
        )
    )
    qr_inline = models.BooleanField(
        _("QR codes inside the mail"),
        default=False,
        help_text=_(
            "Whether {{ customer.qr_code }} travels in the mail itself and is shown at once; "
            "otherwise it is an image that mail programs load from this site."
        ),
    )
    # The number of its newest version; 0 until one is kept.
    version = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="template_once")]

    def __str__(self) -> str:
        return self.name


class TemplateVersion(models.Model):
    """What a template said after one save. Never changes; campaigns.templates writes it with the template."""

    template = models.ForeignKey(Template, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    format = models.CharField(max_length=10, choices=Template.Format)
    subject = models.CharField(max_length=255)
    preheader = models.CharField(max_length=255, blank=True)
    body = models.TextField()
    qr_inline = models.BooleanField(default=False)
    # Where it came from, in words, if not from the editor: "Version 3 again".
    note = models.CharField(max_length=100, blank=True)
    # None: it is not known, or the user was deleted since.
    saved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    saved_at = models.DateTimeField()

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["template", "number"], name="template_version_once")]

    def __str__(self) -> str:
        return f"Version {self.number}"


class Content(WorkspaceModel):
    """A template compiled at one moment: Liquid left to render, everything else done. Never changes.

    Written when a campaign is activated (campaigns.content.freeze); equal sources share a row.
    """

    template = models.ForeignKey(Template, models.SET_NULL, null=True, related_name="+")
    # Digest of format, subject, preheader, body and attachments, of the UTM parameters and the compiler's
    # version.
    digest = models.CharField(max_length=64)
    # Liquid sources for one recipient. The HTML has its CSS inlined; the text part is derived from it.
    subject = models.TextField()
    html = models.TextField()
    text = models.TextField()
    # The HTML with the links that count in the place of its own, and what counts opens; and the links,
    # in order, as {"url", "text"}: the address in Liquid, and what people see of it.
    tracked_html = models.TextField(blank=True, default="")
    links = models.JSONField(default=list)
    qr_inline = models.BooleanField(db_default=False, default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "digest"], name="content_once")]

    def __str__(self) -> str:
        return self.subject
