"""What a mail says: templates compiled once per campaign, rendered per recipient, checked when saved."""

from campaigns.content.check import check
from campaigns.content.compiler import Compiled, compile_template
from campaigns.content.encoder import Encoded, Encoder, compiled, encoder_for
from campaigns.content.fields import (
    CUSTOMER_COLUMNS,
    MergeField,
    context,
    merge_fields,
    personal_context,
    shared_context,
    with_qr_code,
)
from campaigns.content.freezing import freeze, with_utm
from campaigns.content.links import Link, NoTarget, is_personal, target
from campaigns.content.pieces import Address, addresses
from campaigns.content.problems import ContentError, Problem, RenderError
from campaigns.content.render import Rendered, Renderer

__all__ = [
    "CUSTOMER_COLUMNS",
    "Address",
    "Compiled",
    "ContentError",
    "Encoded",
    "Encoder",
    "Link",
    "MergeField",
    "NoTarget",
    "Problem",
    "RenderError",
    "Rendered",
    "Renderer",
    "addresses",
    "check",
    "compile_template",
    "compiled",
    "context",
    "encoder_for",
    "freeze",
    "is_personal",
    "merge_fields",
    "personal_context",
    "shared_context",
    "target",
    "with_qr_code",
    "with_utm",
]
