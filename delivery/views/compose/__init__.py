"""Making a campaign, in four steps: audience, content, schedule, review.

Every step saves what is entered at once, and shows whom the campaign reaches; any may be opened first, and
a draft may be left and taken up again at any of them. Only the review sends.
"""
