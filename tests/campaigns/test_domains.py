"""What the DNS says about a sender's domain, in words and in records to copy."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils import timezone
from pytest_django import Settings

from campaigns import domains, readiness
from campaigns.domains import lookup, providers
from campaigns.domains.lookup import Dns
from campaigns.domains.providers import provider_of
from campaigns.domains.spf import Walk
from campaigns.esps import ESPS
from campaigns.models import DomainCheck, Sender
from tests.dns_stub import DnsStub
from tests.factories import CampaignFactory, SenderFactory

pytestmark = pytest.mark.django_db
DOMAIN = "acme.example"


def dkim_key(bits: int) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


KEY = dkim_key(2048)
COMPLETE = {
    f"{DOMAIN} TXT": ["v=spf1 include:mailgun.org ~all", "google-site-verification=x"],
    "mailgun.org TXT": ["v=spf1 include:spf1.mailgun.org include:spf2.mailgun.org ~all"],
    "spf1.mailgun.org TXT": ["v=spf1 ip4:192.0.2.0/24 ~all"],
    "spf2.mailgun.org TXT": ["v=spf1 ip4:198.51.100.0/24 ~all"],
    f"k1._domainkey.{DOMAIN} TXT": [f"v=DKIM1; k=rsa; p={KEY}"],
    f"_dmarc.{DOMAIN} TXT": ["v=DMARC1; p=reject; rua=mailto:d@acme.example"],
    f"{DOMAIN} MX": ["10 mx.acme.example."],
}


def mailgun(**columns: Any) -> Sender:
    sender: Sender = SenderFactory(transport="esp", esp="mailgun", **columns)
    return sender


def found(settings: Settings, sender: Sender, records: dict[str, list[str]], **stub: Any) -> dict[str, Any]:
    """The findings by topic."""
    with DnsStub(records, **stub) as server:
        settings.DNS_SERVERS = [server.address]
        check = domains.check(sender)
    assert check == DomainCheck.objects.get(sender=sender)
    return {finding["topic"]: finding for finding in check.findings}


def test_a_domain_that_is_set_up_is_said_to_be(settings: Settings) -> None:
    sender = mailgun()
    before = timezone.now()
    findings = found(settings, sender, COMPLETE)
    assert {topic: finding["state"] for topic, finding in findings.items()} == dict.fromkeys(
        ("SPF", "DKIM", "DMARC", "MX"), "good"
    )
    assert "3 of 10 look-ups" in findings["SPF"]["says"]
    assert "2048 bits" in findings["DKIM"]["says"]
    assert "refused" in findings["DMARC"]["says"]
    check = DomainCheck.objects.get()
    assert check.domain == DOMAIN
    assert check.checked_at >= before


def test_a_domain_without_records_is_told_what_to_add(settings: Settings) -> None:
    findings = found(settings, mailgun(), {})
    assert findings["SPF"]["record"] == {
        "kind": "TXT",
        "name": DOMAIN,
        "value": "v=spf1 include:mailgun.org ~all",
    }
    assert findings["DMARC"]["record"]["name"] == f"_dmarc.{DOMAIN}"
    assert findings["DMARC"]["record"]["value"] == "v=DMARC1; p=none"
    assert findings["DKIM"]["record"]["name"] == f"pic._domainkey.{DOMAIN}"
    assert {findings[topic]["state"] for topic in ("SPF", "DKIM", "DMARC")} == {"bad"}
    assert findings["MX"]["state"] == "warning"


# --- SPF -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "state", "value"),
    [
        (["v=spf1 mx ~all"], "bad", "v=spf1 mx include:mailgun.org ~all"),
        (["v=spf1 mx -all"], "bad", "v=spf1 mx include:mailgun.org -all"),
        (["v=spf1 mx ~all", "v=spf1 a -all"], "bad", "v=spf1 a mx include:mailgun.org -all"),
        (["v=spf1 include:mailgun.org +all"], "bad", "v=spf1 include:mailgun.org ~all"),
        (["V=SPF1 Include:MAILGUN.org ~all"], "good", None),
        (["v=spf10 include:mailgun.org ~all"], "bad", "v=spf1 include:mailgun.org ~all"),
        (["v=spf1 redirect=_spf.acme.example"], "good", None),
    ],
)
def test_an_spf_record_is_read_as_receivers_read_it(
    settings: Settings, records: list[str], state: str, value: str | None
) -> None:
    zone = COMPLETE | {f"{DOMAIN} TXT": records, "_spf.acme.example TXT": ["v=spf1 include:mailgun.org ~all"]}
    spf = found(settings, mailgun(), zone)["SPF"]
    assert spf["state"] == state
    assert (spf["record"] or {"value": None})["value"] == value


@pytest.mark.parametrize(("includes", "state"), [(7, "good"), (8, "bad")])
def test_look_ups_are_counted_through_all_includes(settings: Settings, includes: int, state: str) -> None:
    names = [f"s{number}.example" for number in range(includes)]
    record = " ".join(["v=spf1 include:mailgun.org", *(f"include:{name}" for name in names), "~all"])
    zone = COMPLETE | {f"{DOMAIN} TXT": [record]} | {f"{name} TXT": ["v=spf1 ~all"] for name in names}
    assert found(settings, mailgun(), zone)["SPF"]["state"] == state


def test_a_record_that_includes_itself_comes_to_an_end(settings: Settings) -> None:
    record = "v=spf1 include:b.example a mx ptr exists:%{i}.x.example ip4:192.0.2.1 -all"
    zone = {"a.example TXT": [record], "b.example TXT": ["v=spf1 include:a.example include:b.example -all"]}
    with DnsStub(zone) as stub:
        settings.DNS_SERVERS = [stub.address]
        walk = Walk(Dns())
        walk.go(record)
        assert stub.asked["a.example TXT"] == stub.asked["b.example TXT"] == 1
    assert walk.names == {"a.example", "b.example"}


def test_a_service_with_bounce_addresses_of_its_own_asks_for_no_spf_record(settings: Settings) -> None:
    sender = SenderFactory(transport="esp", esp="postmark")
    spf = found(settings, sender, {})["SPF"]
    assert (spf["state"], spf["record"]) == ("good", None)


# --- DKIM ----------------------------------------------------------------------------------------------


def test_the_selector_of_the_sender_is_asked_for_first(settings: Settings) -> None:
    zone = COMPLETE | {f"s1._domainkey.{DOMAIN} TXT": ["v=DKIM1; p="]}
    dkim = found(settings, mailgun(dkim_selector="s1"), zone)["DKIM"]
    assert dkim["state"] == "bad"
    assert "withdrawn" in dkim["says"]


@pytest.mark.parametrize(
    ("record", "state", "says"),
    [
        (f"k=rsa; p={dkim_key(512 * 2)}", "good", "1024 bits"),
        ("v=DKIM1; p=AAAA", "bad", "no key"),
        (f"v=DKIM1; p={KEY[:60]} {KEY[60:]}", "good", "2048 bits"),
        (
            "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
            "good",
            "There is a key under",
        ),
    ],
)
def test_a_key_is_looked_at(settings: Settings, record: str, state: str, says: str) -> None:
    zone = COMPLETE | {f"k1._domainkey.{DOMAIN} TXT": [record]}
    dkim = found(settings, mailgun(), zone)["DKIM"]
    assert (dkim["state"], says in dkim["says"]) == (state, True)


def test_a_selector_that_nobody_knows_is_asked_for(settings: Settings) -> None:
    dkim = found(settings, SenderFactory(transport="esp", esp="amazon_ses"), {})["DKIM"]
    assert dkim["state"] == "unknown"
    assert "“DKIM selector”" in dkim["says"]


# --- DMARC, MX and freemail ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "state", "says"),
    [
        ("v=DMARC1; p=none", "good", "only reports"),
        ("v=DMARC1;p=quarantine;adkim=s", "warning", "exactly acme.example"),
        ("v=DMARC1; p=nothing", "bad", "no policy"),
        ("v=DMARC1", "bad", "no policy"),
    ],
)
def test_a_policy_is_read(settings: Settings, record: str, state: str, says: str) -> None:
    dmarc = found(settings, mailgun(), COMPLETE | {f"_dmarc.{DOMAIN} TXT": [record]})["DMARC"]
    assert (dmarc["state"], says in dmarc["says"]) == (state, True)


def test_a_subdomain_lives_under_the_policy_of_the_domain_above(settings: Settings) -> None:
    sender = mailgun(from_email="news@mail.acme.example")
    zone = COMPLETE | {f"_dmarc.{DOMAIN} TXT": ["v=DMARC1; p=none; sp=reject"]}
    assert "“reject” of acme.example" in found(settings, sender, zone)["DMARC"]["says"]


def test_two_policies_are_none(settings: Settings) -> None:
    zone = COMPLETE | {f"_dmarc.{DOMAIN} TXT": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}
    assert found(settings, mailgun(), zone)["DMARC"]["state"] == "bad"


def test_a_domain_that_takes_no_mail_is_said_to_lose_replies(settings: Settings) -> None:
    assert found(settings, mailgun(), COMPLETE | {f"{DOMAIN} MX": ["0 ."]})["MX"]["state"] == "warning"


@pytest.mark.parametrize(
    ("address", "columns", "state"),
    [
        ("shop@gmail.com", {"transport": "smtp", "host": "smtp.gmail.com"}, "good"),
        ("shop@gmail.com", {"transport": "smtp", "host": "mail.acme.example"}, "bad"),
        ("shop@outlook.com", {"transport": "esp", "esp": "postmark"}, "bad"),
        ("shop@web.de", {"transport": "esp", "esp": "postmark"}, "bad"),
        ("shop@yahoo.fr", {"transport": "smtp", "host": "smtp.gmail.com"}, "bad"),
    ],
)
def test_a_freemail_address_goes_through_its_own_provider_only(
    settings: Settings, address: str, columns: dict[str, str], state: str
) -> None:
    sender = SenderFactory(from_email=address, **columns)
    [finding] = found(settings, sender, {}).values()
    assert finding["state"] == state
    assert bool(domains.warnings(sender)) is (state == "bad")


# --- A DNS that does not answer --------------------------------------------------------------------------


def test_a_silent_name_costs_its_own_topic_and_little_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "LOOKUP_SECONDS", 0.3)
    findings = found(settings, mailgun(), COMPLETE, silent=[f"_dmarc.{DOMAIN}"], broken=["mailgun.org"])
    states = {topic: finding["state"] for topic, finding in findings.items()}
    assert states == {"SPF": "unknown", "DKIM": "good", "DMARC": "unknown", "MX": "good"}
    assert domains.warnings(Sender.objects.get()) == []


def test_all_questions_together_have_an_end(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "TOGETHER_SECONDS", 0.0)
    with DnsStub(COMPLETE) as stub:
        settings.DNS_SERVERS = [stub.address]
        domains.check(mailgun())
        assert not stub.asked
    assert {finding["state"] for finding in DomainCheck.objects.get().findings} == {"unknown"}


# --- Before sending --------------------------------------------------------------------------------------


def test_the_send_page_is_warned_of_what_was_found(settings: Settings) -> None:
    sender = mailgun(name="News")
    campaign = CampaignFactory(senders=[sender])
    [unasked] = readiness.warnings(campaign)
    assert "Nobody has looked yet" in unasked
    found(settings, sender, COMPLETE)
    assert readiness.warnings(campaign) == []
    found(settings, sender, {key: value for key, value in COMPLETE.items() if "_dmarc" not in key})
    [missing] = readiness.warnings(campaign)
    assert "“News”" in missing
    assert "DMARC" in missing
    assert "SPF" not in missing


def test_a_look_at_another_domain_counts_for_nothing(settings: Settings) -> None:
    sender = mailgun()
    found(settings, sender, COMPLETE)
    sender.from_email = "news@other.example"
    assert "Nobody has looked yet" in domains.warnings(sender)[0]


def test_the_local_mailbox_needs_no_domain(settings: Settings) -> None:
    sender = SenderFactory()
    assert domains.warnings(sender) == []
    assert [f["state"] for f in found(settings, sender, {}).values()] == ["good"]


# --- The table -------------------------------------------------------------------------------------------


def test_every_service_is_in_the_table_unless_everybody_has_one_of_his_own() -> None:
    assert set(ESPS) - set(providers.SERVICES) == {"postal"}


def test_a_host_is_known_by_the_end_of_its_name() -> None:
    def by_host(host: str) -> str:
        return provider_of(Sender(transport="smtp", host=host)).label

    assert by_host("email-smtp.eu-central-1.amazonaws.com") == "Amazon SES"
    assert by_host("SMTP.Gmail.com") == "Google"
    assert by_host("notgmail.com") == "notgmail.com"
