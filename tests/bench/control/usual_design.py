"""The usual design of a Django sender: chunks of ids in Celery messages, one mail object a recipient.

A sane one: the template is parsed once, a chunk reads its customers in one query, keeps one SMTP
connection per worker, and marks its rows in one UPDATE. Runs under
`celery --app tests.bench.control.usual_design`.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import django
from celery import Celery
from django.core.mail import EmailMultiAlternatives, get_connection  # noqa: TID251 - the control's own way
from django.template import Context, Template
from django.utils import timezone
from django.utils.html import strip_tags

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

CHUNK = 500
app = Celery("usual_design")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task
def send_chunk(ids: list[int], html: str, port: int) -> None:
    """Send the mails of these ledger rows, those that nobody has sent or suppressed."""
    from audience.models import Suppression
    from delivery.models import SendLog

    rows = SendLog.objects.filter(pk__in=ids, status="queued").select_related("customer", "workspace")
    suppressed = set(
        Suppression.objects.filter(email__in=[row.email for row in rows]).values_list("email", flat=True)
    )
    mails = [mail(row, html) for row in rows if row.email not in suppressed]
    connection(port).send_messages(mails)
    SendLog.objects.filter(pk__in=ids).update(status="sent", sent_at=timezone.now())


def mail(row: Any, html: str) -> EmailMultiAlternatives:
    customer = row.customer
    link = f"https://mail.bench.example/u/{row.pk}"
    body = template(html).render(
        Context(
            {
                "customer_name": customer.name,
                "unsubscribe_link": link,
                "customer": customer.attributes | {"email": customer.email},
                "workspace": {"name": row.workspace.name},
            }
        )
    )
    message = EmailMultiAlternatives(
        f"{customer.name}, new at Needle & Groove",
        strip_tags(body),
        "Acme <news@acme.example>",
        [customer.email],
        headers={"List-Unsubscribe": f"<{link}>", "Message-ID": f"<{row.pk}@acme.example>"},
    )
    message.attach_alternative(body, "text/html")
    return message


@cache
def template(html: str) -> Template:
    return Template(html)


@cache
def connection(port: int) -> Any:
    backend = get_connection("django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=port)
    backend.open()
    return backend
