"""Freeze a template when a campaign is activated, so that later edits do not change what is sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from django.db import transaction

from campaigns.content.compiler import COMPILER_VERSION, compile_template
from campaigns.content.links import track
from campaigns.models import Content, ContentAttachment, Template


def freeze(template: Template, utm: Mapping[str, str] | None = None) -> Content:
    """The content of `template` as it stands now, with its attachments, compiled unless equal sources are.

    `utm` is added to the targets of the links that count. May be repeated and run at once in several
    processes: equal sources share one row. Raises ContentError and writes nothing if the template cannot
    be compiled.
    """
    attached = list(template.attachments.values_list("name", "file_id", "file__digest"))
    digest = _digest(template, [(name, file_digest) for name, _, file_digest in attached], utm or {})
    content: Content | None = Content.objects.of(template.workspace).filter(digest=digest).first()
    if content:
        return content
    compiled = compile_template(template.format, template.subject, template.preheader, template.body)
    return _store(
        Content(
            workspace=template.workspace,
            digest=digest,
            template=template,
            subject=compiled.subject,
            html=compiled.html,
            text=compiled.text,
            qr_inline=template.qr_inline,
        ),
        utm or {},
        [(name, file_id) for name, file_id, _ in attached],
    )


def with_utm(frozen: Content, utm: Mapping[str, str]) -> Content:
    """The same content with `utm` added to the targets of its links that count; itself where `utm` is empty.

    A flow's content is frozen with its version, and each campaign on it may add parameters of its own.
    May be repeated and run at once in several processes.
    """
    if not utm:
        return frozen
    digest = hashlib.sha256(json.dumps([frozen.digest, dict(utm)]).encode()).hexdigest()
    known: Content | None = Content.objects.of(frozen.workspace).filter(digest=digest).first()
    if known:
        return known
    same = {name: getattr(frozen, name) for name in SAME}
    attached = list(frozen.attachments.values_list("name", "file_id"))
    return _store(Content(digest=digest, **same), utm, attached)


# What content with other parameters has in common with the one it was made from.
SAME = ("workspace", "template", "subject", "html", "text", "qr_inline")


def _store(new: Content, utm: Mapping[str, str], attached: Sequence[tuple[str, int]]) -> Content:
    """Write content that another process may be writing as well; the one that there is."""
    new.tracked_html, links = track(new.html, utm)
    new.links = [link._asdict() for link in links]
    columns = {name: getattr(new, name) for name in (*SAME[1:], "tracked_html", "links")}
    with transaction.atomic():
        content, is_new = Content.objects.get_or_create(
            workspace=new.workspace, digest=new.digest, defaults=columns
        )
        if is_new:
            ContentAttachment.objects.bulk_create(
                ContentAttachment(content=content, file_id=file_id, name=name) for name, file_id in attached
            )
    return content


def _digest(template: Template, attached: Sequence[tuple[str, str]], utm: Mapping[str, str]) -> str:
    sources: list[object] = [COMPILER_VERSION, template.format, template.subject, template.preheader]
    sources += [template.body, *attached, dict(utm)]
    if template.qr_inline:
        sources.append("qr_inline")
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()
