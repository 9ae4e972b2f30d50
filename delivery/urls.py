"""URLs of delivery's pages, at the site's root."""

from __future__ import annotations

from django.urls import path

from delivery import public
from delivery.views import (
    codes,
    connecting,
    health,
    hooks,
    limits,
    mailbox,
    operations,
    progress,
    schedule,
    send,
    sender_reports,
    senders,
    testing,
    unknown,
    why,
)

app_name = "delivery"

urlpatterns = [
    # The same as delivery.message.links makes.
    path("u/<str:token>", public.unsubscribe, name="unsubscribe"),
    # The same as campaigns.content.qr makes.
    path("q/<str:token>.png", codes.image, {"kind": "png"}, name="qr_code"),
    path("q/<str:token>.svg", codes.image, {"kind": "svg"}, name="qr_code_svg"),
    path("p/<str:token>", codes.customer, name="qr_customer"),
    path("o/<str:token>", public.pixel, name="pixel"),
    path("c/<str:token>/<int:number>", public.click, name="click"),
    path("v/<str:token>", public.view, name="view"),
    path("hooks/<str:public_id>/<str:secret>/", hooks.hook, name="hook"),
    path("campaigns/<int:pk>/send/", send.send, name="send"),
    path("campaigns/<int:pk>/send/audience/", send.choose, name="send_audience"),
    path("campaigns/<int:pk>/send/schedule/", schedule.change, name="send_schedule"),
    path("campaigns/<int:pk>/send/test/", testing.test, name="send_test"),
    path("campaigns/<int:pk>/send/customers/", testing.customers, name="send_customers"),
    path("campaigns/<int:pk>/progress/", progress.panel, name="campaign_progress"),
    path("campaigns/<int:pk>/why/", why.campaign, name="why"),
    path("campaigns/<int:pk>/unknown/", unknown.campaign, name="unknown"),
    path("customers/<int:pk>/mails/", why.customer, name="customer_mails"),
    path("senders/<int:pk>/verify/", senders.verify, name="sender_verify"),
    path("senders/<int:pk>/mailbox/", connecting.panel, name="sender_mailbox"),
    path("senders/<int:pk>/connect/", connecting.connect, name="sender_connect"),
    path("senders/<int:pk>/disconnect/", connecting.disconnect, name="sender_disconnect"),
    # The same as campaigns.oauth.CALLBACK_PATH, which is registered with the providers.
    path("mailboxes/callback/", connecting.callback, name="mailbox_callback"),
    path("senders/<int:pk>/test/", senders.test, name="sender_test"),
    path("senders/<int:pk>/limits/", limits.in_use, name="sender_limits"),
    path("senders/<int:pk>/reports/", sender_reports.panel, name="sender_reports"),
    path("senders/<int:pk>/reports/address/", sender_reports.address, name="sender_reports_address"),
    path("senders/<int:pk>/reports/key/", sender_reports.key, name="sender_reports_key"),
    path("senders/warm-up-curve/", limits.warm_up_curve, name="warm_up_curve"),
    path("operations/", operations.page, name="operations"),
    path("operations/panel/", operations.panel, name="operations_panel"),
    path("health/", health.health, name="health"),
    path("health/live/", health.live, name="health_live"),
    path("mailbox/", mailbox.messages, name="mailbox"),
    path("mailbox/empty/", mailbox.empty, name="mailbox_empty"),
    path("mailbox/<int:message_id>/", mailbox.message, name="mailbox_message"),
    path("mailbox/<int:message_id>/html/", mailbox.html, name="mailbox_html"),
    path("mailbox/<int:message_id>/source/", mailbox.source, name="mailbox_source"),
]
