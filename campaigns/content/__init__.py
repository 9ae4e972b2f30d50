"""What a mail says: templates compiled once per campaign, rendered per recipient, checked when saved."""

from campaigns.content.check import check
from campaigns.content.compiler import Compiled, compile_template
from campaigns.content.fields import CUSTOMER_COLUMNS, MergeField, context, merge_fields
from campaigns.content.freezing import freeze
from campaigns.content.problems import ContentError, Problem, RenderError
from campaigns.content.render import Rendered, Renderer, renderer_for

__all__ = [
    "CUSTOMER_COLUMNS",
    "Compiled",
    "ContentError",
    "MergeField",
    "Problem",
    "RenderError",
    "Rendered",
    "Renderer",
    "check",
    "compile_template",
    "context",
    "freeze",
    "merge_fields",
    "renderer_for",
]
