"""The marketers' pages that show results: home, the list of campaigns, one campaign.

What they change goes through delivery's pages: delivery.views.compose makes and reviews a campaign,
delivery.views.steer starts, pauses and copies one.
"""
