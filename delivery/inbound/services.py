"""How each e-mail service reports: Anymail's view for it, its key, and where to paste the address."""

from __future__ import annotations

from dataclasses import dataclass

# Of a report that came as a mail (delivery.inbound.mail).
MAIL = "mail"


@dataclass(frozen=True, slots=True)
class Key:
    """What the service's reports prove themselves with. `argument` is what Anymail's view calls it."""

    label: str
    argument: str = ""
    help: str = ""
    # Without it no report is taken.
    required: bool = True


@dataclass(frozen=True, slots=True)
class Reporting:
    """One service. `view` is Anymail's class for it, in anymail.webhooks.<service>."""

    view: str
    where: str
    key: Key | None = None
    # What each of its events has; empty where it signs, so that a body is its own whatever is in it.
    mark: str = ""

    @property
    def signs(self) -> bool:
        return not self.mark


PASSWORD = Key(
    "User and password",
    "webhook_secret",
    "Only if you put them into the webhook at the service, as user:password.",
    required=False,
)

# Every service of campaigns.esps but Scaleway, for which Anymail has no webhooks.
REPORTING: dict[str, Reporting] = {
    "amazon_ses": Reporting(
        "AmazonSESTrackingWebhookView",
        "In Amazon SNS subscribe this address (HTTPS, raw message delivery off) to a topic, and let your "
        "configuration set in Amazon SES publish its events there, with original headers; Drumbeat confirms "
        "the subscription.",
        Key("Topic ARN", help="Once entered, nothing is taken from any other topic.", required=False),
    ),
    "brevo": Reporting(
        "BrevoTrackingWebhookView",
        "In Brevo add an outbound webhook for transactional e-mail with this address, and tick every event.",
        PASSWORD,
        mark="event",
    ),
    "mailersend": Reporting(
        "MailerSendTrackingWebhookView",
        "In MailerSend open your domain, add a webhook with this address, and tick every event.",
        Key("Signing secret", "signing_secret", "MailerSend shows it with the webhook."),
    ),
    "mailgun": Reporting(
        "MailgunTrackingWebhookView",
        "In Mailgun open the webhooks of your sending domain, and add this address for each type of event.",
        Key("HTTP webhook signing key", "webhook_signing_key", "Mailgun shows it beside the webhooks."),
    ),
    "mailjet": Reporting(
        "MailjetTrackingWebhookView",
        "In Mailjet open event notifications (webhooks), and add this address for each type of event.",
        PASSWORD,
        mark="event",
    ),
    "mailtrap": Reporting(
        "MailtrapTrackingWebhookView",
        "In Mailtrap open webhooks, make one with this address (JSON) for your sending domain, and tick "
        "every event.",
        Key("Signature secret", "tracking_secret", "Mailtrap shows it with the webhook."),
    ),
    "mandrill": Reporting(
        "MandrillCombinedWebhookView",
        "In Mailchimp Transactional open settings, webhooks, add one with this address, and tick every "
        "message event.",
        Key("Webhook key", "webhook_key", "Shown with the webhook once it is made."),
    ),
    "postal": Reporting(
        "PostalTrackingWebhookView",
        "In Postal open the webhooks of your mail server, add this address, and send all events to it.",
        Key(
            "Public key",
            "webhook_key",
            "The long text after p= in what `postal default-dkim-record` prints.",
        ),
    ),
    "postmark": Reporting(
        "PostmarkTrackingWebhookView",
        "In Postmark open the message stream, add a webhook with this address, and tick every event.",
        PASSWORD,
        mark="RecordType",
    ),
    "resend": Reporting(
        "ResendTrackingWebhookView",
        "In Resend add a webhook with this address, and choose all events that begin with “email.”.",
        Key("Signing secret", help="Begins with whsec_; Resend shows it with the webhook."),
    ),
    "sparkpost": Reporting(
        "SparkPostTrackingWebhookView",
        "In SparkPost open webhooks, create one with this address, and choose all events.",
        PASSWORD,
        mark="msys",
    ),
    "unisender_go": Reporting(
        "UnisenderGoTrackingWebhookView",
        "In Unisender Go open webhooks, and add this address for every event; it signs with the API key "
        "that Drumbeat knows.",
    ),
}
