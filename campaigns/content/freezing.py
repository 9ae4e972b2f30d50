"""Freeze a template when a campaign is activated, so that later edits do not change what is sent."""

from __future__ import annotations

import hashlib
import json

from campaigns.content.compiler import COMPILER_VERSION, compile_template
from campaigns.models import Content, Template


def freeze(template: Template) -> Content:
    """The content of `template` as it stands now, compiled unless equal sources already are.

    May be repeated and run at once in several processes: equal sources share one row. Raises
    ContentError and writes nothing if the template cannot be compiled.
    """
    digest = _digest(template)
    content: Content | None = Content.objects.of(template.workspace).filter(digest=digest).first()
    if content:
        return content
    compiled = compile_template(template.format, template.subject, template.preheader, template.body)
    content, _ = Content.objects.get_or_create(
        workspace=template.workspace,
        digest=digest,
        defaults={
            "template": template,
            "subject": compiled.subject,
            "html": compiled.html,
            "text": compiled.text,
        },
    )
    return content


def _digest(template: Template) -> str:
    sources = [COMPILER_VERSION, template.format, template.subject, template.preheader, template.body]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()
