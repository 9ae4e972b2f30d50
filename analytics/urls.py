"""URLs of the reports and of what is learnt from them, and of the marketers' pages at the site's root."""

from __future__ import annotations

from django.urls import path

from analytics.views import audience, campaign, overview, people, send_time
from analytics.views.site import campaign as live
from analytics.views.site import campaigns, home

app_name = "analytics"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("compare/", overview.compare, name="compare"),
    path("audience/", audience.audience, name="audience"),
    path("complaints/", audience.complaints, name="complaints"),
    path("complaints/people/", audience.complainers, name="complainers"),
    path("campaigns/<int:pk>/", campaign.summary, name="campaign"),
    path("campaigns/<int:pk>/delivery/", campaign.delivery, name="delivery"),
    path("campaigns/<int:pk>/links/", campaign.links, name="links"),
    path("campaigns/<int:pk>/mail/", campaign.mail, name="mail"),
    path("campaigns/<int:pk>/people/", people.behind, name="people"),
    path("campaigns/<int:pk>/panel/", campaign.panel, name="panel"),
    path("campaigns/<int:pk>/send-time/", send_time.panel, name="send_time"),
]

# Included by itself, with a namespace of its own.
site = (
    [
        path("now/", home.now, name="now"),
        path("campaigns/", campaigns.campaigns, name="campaigns"),
        path("campaigns/<int:pk>/", live.campaign, name="campaign"),
        path("campaigns/<int:pk>/reasons/", live.reasons, name="reasons"),
    ],
    "site",
)
