"""What a mail says: templates compiled once per campaign, rendered per recipient, checked when saved."""

from campaigns.content.check import check
from campaigns.content.compiler import Compiled, compile_template
from campaigns.content.encoder import Encoded, Encoder, encoder_for
from campaigns.content.fields import (
    CUSTOMER_COLUMNS,
    MergeField,
    context,
    merge_fields,
    personal_context,
    shared_context,
    with_qr_code,
)
from campaigns.content.freezing import freeze
from campaigns.content.problems import ContentError, Problem, RenderError
from campaigns.content.render import Rendered, Renderer

__all__ = [
    "CUSTOMER_COLUMNS",
    "Compiled",
    "ContentError",
    "Encoded",
    "Encoder",
    "MergeField",
    "Problem",
    "RenderError",
    "Rendered",
    "Renderer",
    "check",
    "compile_template",
    "context",
    "encoder_for",
    "freeze",
    "merge_fields",
    "personal_context",
    "shared_context",
    "with_qr_code",
]
