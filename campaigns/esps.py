"""The e-mail services that a sender can send through: what each has to be told, and its peculiarities.

Every service that django-anymail 15.2 supports. SendGrid is not one of them any more; it takes SMTP.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credential:
    """Something that a service wants to be told. `name` is what Anymail calls it."""

    name: str
    label: str
    # Never shown again.
    secret: bool = True
    required: bool = True
    help: str = ""


@dataclass(frozen=True, slots=True)
class Esp:
    """One service. `name` is Anymail's module for it."""

    name: str
    label: str
    credentials: tuple[Credential, ...]
    # What to enter as API address by those who cannot leave it empty.
    api_url_help: str = ""
    # It has no address that goes for all of its customers.
    needs_api_url: bool = False
    # For the form: what a campaign through this service has to reckon with.
    note: str = ""
    # It keeps data of ours with the mail, and its webhooks name them; the others get a tag.
    metadata: bool = True
    # It takes our Message-ID instead of making its own.
    message_id: bool = False
    # Its client serves any number of calls at once, and takes long to make.
    one_client: bool = False
    # Headers that it refuses to take from us.
    refuses: frozenset[str] = frozenset()
    # Where it wants a key by which it knows a repeated call.
    idempotency_http_header: str = ""
    idempotency_mail_header: str = ""
    # For so many seconds it knows the key; less than it promises.
    idempotency_seconds: int = 0
    # Megabytes that it takes in one mail, attachments encoded.
    mail_limit: int = 25
    # It takes images that a mail shows from within itself.
    inline_images: bool = True

    @property
    def secrets(self) -> frozenset[str]:
        return frozenset(credential.name for credential in self.credentials if credential.secret)


API_KEY = Credential("api_key", "API key")

ESPS: dict[str, Esp] = {
    esp.name: esp
    for esp in (
        Esp(
            "amazon_ses",
            "Amazon SES",
            (
                Credential("access_key_id", "Access key ID", secret=False),
                Credential("secret_access_key", "Secret access key"),
                Credential("region", "Region", secret=False, help="Such as eu-central-1."),
                Credential(
                    "configuration_set_name",
                    "Configuration set",
                    secret=False,
                    required=False,
                    help="If you use one.",
                ),
            ),
            note="The key needs the permission ses:SendEmail.",
            one_client=True,
        ),
        Esp(
            "brevo",
            "Brevo",
            (API_KEY,),
            idempotency_mail_header="idempotencyKey",
            # Its pages say 15 minutes in one place and 30 in another.
            idempotency_seconds=10 * 60,
            mail_limit=20,
            inline_images=False,
        ),
        Esp(
            "mailersend",
            "MailerSend",
            (Credential("api_token", "API token"),),
            metadata=False,
            note="Campaigns need a plan with custom headers: the unsubscribe link of mail programs is one.",
        ),
        Esp(
            "mailgun",
            "Mailgun",
            (
                API_KEY,
                Credential(
                    "sender_domain",
                    "Sending domain",
                    secret=False,
                    required=False,
                    help="Empty: the domain of the From address.",
                ),
            ),
            api_url_help="In the EU: https://api.eu.mailgun.net/v3",
            message_id=True,
        ),
        Esp(
            "mailjet",
            "Mailjet",
            (Credential("api_key", "API key", secret=False), Credential("secret_key", "Secret key")),
            refuses=frozenset({"list-id"}),
            mail_limit=15,
        ),
        Esp(
            "mailtrap",
            "Mailtrap",
            (
                Credential("api_token", "API token"),
                Credential(
                    "sandbox_id",
                    "Sandbox ID",
                    secret=False,
                    required=False,
                    help="Only for tests: mails stay in the sandbox.",
                ),
            ),
            mail_limit=10,
        ),
        Esp("mandrill", "Mandrill (Mailchimp Transactional)", (API_KEY,)),
        Esp(
            "postal",
            "Postal",
            (Credential("api_key", "Server API key"),),
            api_url_help="The address of your Postal server.",
            needs_api_url=True,
            metadata=False,
            mail_limit=14,
            inline_images=False,
        ),
        Esp(
            "postmark",
            "Postmark",
            (
                Credential("server_token", "Server API token"),
                Credential(
                    "message_stream",
                    "Message stream",
                    secret=False,
                    required=False,
                    help="The ID of a broadcast stream, which Postmark wants for campaigns.",
                ),
            ),
            mail_limit=10,
        ),
        Esp(
            "resend",
            "Resend",
            (API_KEY,),
            idempotency_http_header="Idempotency-Key",
            # It says 24 hours.
            idempotency_seconds=20 * 3600,
        ),
        Esp(
            "scaleway",
            "Scaleway",
            (
                Credential("secret_key", "Secret key"),
                Credential("project_id", "Project ID", secret=False),
                Credential("region", "Region", secret=False, required=False, help="Empty: fr-par."),
            ),
            mail_limit=2,
            inline_images=False,
        ),
        Esp(
            "sparkpost",
            "SparkPost",
            (
                API_KEY,
                Credential(
                    "subaccount", "Subaccount ID", secret=False, required=False, help="If you use one."
                ),
            ),
            mail_limit=20,
            api_url_help="In the EU: https://api.eu.sparkpost.com/api/v1",
        ),
        Esp(
            "unisender_go",
            "Unisender Go",
            (API_KEY,),
            api_url_help="Such as https://go1.unisender.ru/en/transactional/api/v1",
            needs_api_url=True,
            mail_limit=10,
        ),
    )
}
CHOICES = [(esp.name, esp.label) for esp in ESPS.values()]
