"""URLs of delivery's pages, at the site's root."""

from __future__ import annotations

from django.urls import path

from delivery import public
from delivery.views import (
    codes,
    connecting,
    flows,
    follow_up,
    health,
    hooks,
    limits,
    mailbox,
    operations,
    person,
    progress,
    sender_reports,
    senders,
    signup,
    steer,
    testing,
    unknown,
    why,
)
from delivery.views.compose import audience, checks, content, new, review, schedule

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
    path("sign-up/<str:public_id>/", signup.page, name="signup"),
    path("sign-up/<str:public_id>/frame/", signup.frame, name="signup_frame"),
    path("sign-up-forms/<int:pk>/preview/", signup.preview, name="signup_preview"),
    # The same as delivery.signups.links.confirm_url makes.
    path("confirm/<str:token>/", signup.confirm, name="signup_confirm"),
    path("hooks/<str:public_id>/<str:secret>/", hooks.hook, name="hook"),
    path("campaigns/new/", new.new, name="compose_new"),
    path("campaigns/<int:pk>/audience/", audience.audience, name="compose_audience"),
    path("campaigns/<int:pk>/audience/counts/", audience.counts, name="compose_counts"),
    path("campaigns/<int:pk>/content/", content.content, name="compose_content"),
    path("campaigns/<int:pk>/schedule/", schedule.step, name="compose_schedule"),
    path("campaigns/<int:pk>/send/", review.review, name="send"),
    path("campaigns/<int:pk>/send/schedule/", schedule.change, name="send_schedule"),
    path("campaigns/<int:pk>/send/checks/mail/", checks.mail, name="checks_mail"),
    path("campaigns/<int:pk>/send/checks/times/", checks.times, name="checks_times"),
    path("campaigns/<int:pk>/reach/", review.reach, name="reach"),
    path("campaigns/<int:pk>/start/", review.start, name="start"),
    path("campaigns/<int:pk>/send/test/", testing.test, name="send_test"),
    path("campaigns/<int:pk>/send/customers/", testing.customers, name="send_customers"),
    path("campaigns/<int:pk>/steer/<str:action>/", steer.steer, name="steer"),
    path("campaigns/<int:pk>/follow-up/<str:kind>/", follow_up.follow_up, name="follow_up"),
    path("campaigns/<int:pk>/clone/", steer.clone, name="clone"),
    path("templates/<int:pk>/test/", testing.template_test, name="template_test"),
    path("campaigns/<int:pk>/progress/", progress.panel, name="campaign_progress"),
    path("campaigns/<int:pk>/why/", why.campaign, name="why"),
    path("campaigns/<int:pk>/unknown/", unknown.campaign, name="unknown"),
    path("flows/<int:pk>/preview/", flows.preview, name="flow_preview"),
    path("flows/<int:pk>/simulate/", flows.simulator, name="flow_simulator"),
    path("customers/<int:pk>/", person.person, name="person"),
    path("customers/<int:pk>/why/", person.asked, name="person_why"),
    path("customers/<int:pk>/flows/<int:enrollment>/", person.steer, name="person_steer"),
    path("customers/<int:pk>/erase/", person.erase, name="erase_customer"),
    path("customers/<int:pk>/export/", person.export, name="export_customer"),
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
    path("operations/confirm/", operations.confirm, name="confirm_installation"),
    path("operations/panel/", operations.panel, name="operations_panel"),
    path("health/", health.health, name="health"),
    path("health/live/", health.live, name="health_live"),
    path("mailbox/", mailbox.messages, name="mailbox"),
    path("mailbox/empty/", mailbox.empty, name="mailbox_empty"),
    path("mailbox/<int:message_id>/", mailbox.message, name="mailbox_message"),
    path("mailbox/<int:message_id>/html/", mailbox.html, name="mailbox_html"),
    path("mailbox/<int:message_id>/source/", mailbox.source, name="mailbox_source"),
]
