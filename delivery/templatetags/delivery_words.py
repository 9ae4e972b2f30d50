"""Numbers and moments as delivery's pages write them."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html

register = template.Library()


@register.filter
def number(value: int) -> str:
    """3981 as 3,981."""
    return f"{value:,}"


@register.filter
def moment(value: datetime) -> str:
    """A moment on the page's clock, whose zone is named."""
    return format_html('{} <span class="zone">{}</span>', on_clock(value), zone())


@register.filter
def on_clock(value: datetime) -> str:
    """A moment on the page's clock, for lists that name the zone once; the seconds are in the tooltip."""
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        date_format(local, "l j F Y, H:i:s"),
        date_format(local, "j M Y, H:i"),
    )


@register.simple_tag
def zone() -> str:
    """The name of the time zone that this page goes by."""
    return timezone.get_current_timezone_name()
