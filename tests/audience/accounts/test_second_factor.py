"""The second factor: nobody is anybody without it, no way leads around it, and each code is good once."""

from __future__ import annotations

import re
from binascii import unhexlify
from importlib import import_module
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core import mail  # noqa: TID251 - Django's own mail, to staff
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from pytest_django import Settings

from audience.accounts import second_factor
from audience.models import AuditEntry, Authenticator
from delivery import doctor
from tests.factories import MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db
PASSWORD = "a long pass phrase"


@pytest.fixture
def ada() -> User:
    user: User = UserFactory(username="ada", is_superuser=True, email="ada@example.org")
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])
    return user


def code_of(device: Authenticator) -> str:
    return f"{totp(device.bin_key):06d}"


def with_factor(user: User) -> list[str]:
    """Turn it on; the code of this half minute stays unused."""
    device = second_factor.begin(user)
    codes = second_factor.confirm(device, code_of(device))
    assert codes is not None
    Authenticator.objects.update(last_t=-1)
    return codes


def logged_in_by_password() -> Client:
    client = Client()
    assert client.post("/admin/login/", {"username": "ada", "password": PASSWORD}).status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/admin/auth/user/").status_code == 200


def enter(client: Client, code: str) -> bool:
    client.post("/account/second-factor/verify/", {"code": code})
    return is_in(client)


def test_a_password_alone_opens_no_page(ada: User) -> None:
    with_factor(ada)
    client = logged_in_by_password()
    for url in ("/admin/", "/operations/", "/reports/", "/mailbox/", "/account/second-factor/"):
        response = client.get(url)
        assert response.status_code == 302 and "/login/" in response["Location"], url
    response = client.get("/admin/login/?next=/reports/", follow=True)
    assert response.request["PATH_INFO"] == "/account/second-factor/verify/"


def test_the_code_opens_the_page_that_was_asked_for(ada: User) -> None:
    with_factor(ada)
    client = logged_in_by_password()
    key = client.session.session_key
    code = code_of(Authenticator.objects.get())
    response = client.post("/account/second-factor/verify/?next=/reports/", {"code": code})
    assert response["Location"] == "/reports/"
    assert is_in(client)
    assert client.session.session_key != key


@pytest.mark.parametrize(
    "there", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil.example"]
)
def test_nothing_leads_from_the_code_to_another_site(ada: User, there: str) -> None:
    with_factor(ada)
    client = logged_in_by_password()
    code = code_of(Authenticator.objects.get())
    url = "/account/second-factor/verify/"
    response = client.post(f"{url}?next={there}", {"code": code})
    assert response["Location"] == "/admin/"


def test_a_code_is_good_once(ada: User) -> None:
    with_factor(ada)
    code = code_of(Authenticator.objects.get())
    assert enter(logged_in_by_password(), code)
    assert not enter(logged_in_by_password(), code)


def test_a_recovery_code_is_good_once_and_kept_as_a_hash(ada: User) -> None:
    codes = with_factor(ada)
    assert len(codes) == 10
    stored = " ".join(StaticToken.objects.values_list("token", flat=True))
    assert codes[0] not in stored and codes[0].replace("-", "") not in stored
    assert enter(logged_in_by_password(), codes[0].upper())
    assert not enter(logged_in_by_password(), codes[0])


def test_wrong_codes_make_the_account_wait_and_not_only_the_log_in(ada: User, settings: Settings) -> None:
    # Longer than a slow machine takes for the test.
    settings.OTP_TOTP_THROTTLE_FACTOR = 60
    with_factor(ada)
    right = code_of(Authenticator.objects.get())
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    for _ in range(3):
        assert not enter(logged_in_by_password(), wrong)
    client = logged_in_by_password()
    assert not enter(client, right)
    assert "looked at from" in client.get("/account/second-factor/verify/").content.decode()
    assert AuditEntry.objects.filter(action="second factor failed").count() == 4


def test_a_new_password_by_mail_neither_logs_in_nor_skips_the_second_factor(
    ada: User, settings: Settings
) -> None:
    with_factor(ada)
    settings.SITE_URL = "https://drumbeat.example"
    elsewhere = logged_in_by_password()
    enter(elsewhere, code_of(Authenticator.objects.get()))
    assert is_in(elsewhere)
    client = Client()
    client.post("/account/password/", {"email": "ada@example.org"}, headers={"host": "localhost"})
    [sent] = mail.outbox
    [url] = re.findall(r"https://drumbeat\.example(/account/password/\S+)", sent.body)
    page = client.get(url, follow=True).request["PATH_INFO"]
    new = {"new_password1": "quite another phrase", "new_password2": "quite another phrase"}
    assert client.post(page, new)["Location"] == "/account/password/done/"
    assert not is_in(client)
    assert not is_in(elsewhere), "The sessions of the old password are over."
    assert client.get(url, follow=True).context["validlink"] is False
    client.post("/admin/login/", {"username": "ada", "password": "quite another phrase"})
    assert not is_in(client)


def test_one_address_asks_for_five_links_in_an_hour(ada: User, settings: Settings) -> None:
    settings.RATE_LIMIT_STORAGE = "memory://five-links"
    here, elsewhere = Client(REMOTE_ADDR="192.0.2.31"), Client(REMOTE_ADDR="192.0.2.32")
    said = [here.post("/account/password/", {"email": "ada@example.org"}).status_code for _ in range(6)]
    assert (said, len(mail.outbox)) == ([302] * 5 + [200], 5)
    assert elsewhere.post("/account/password/", {"email": "ada@example.org"}).status_code == 302


def test_whoever_has_no_account_is_answered_like_everybody(ada: User) -> None:
    answers = [Client().post("/account/password/", {"email": f"{who}@example.org"}) for who in ("ada", "eve")]
    assert answers[0]["Location"] == answers[1]["Location"]
    assert len(mail.outbox) == 1


def test_a_changed_password_ends_the_other_sessions(ada: User) -> None:
    one, other = logged_in_by_password(), logged_in_by_password()
    form = {
        "old_password": PASSWORD,
        "new_password1": "quite another phrase",
        "new_password2": "quite another phrase",
    }
    assert one.post("/admin/password_change/", form).status_code == 302
    assert is_in(one)
    assert not is_in(other)


def test_the_second_factor_is_set_up_with_a_code_and_turned_off_with_the_password(ada: User) -> None:
    client = logged_in_by_password()
    page = client.get("/account/second-factor/set-up/").content.decode()
    device = Authenticator.objects.get()
    assert "<svg" in page and not device.confirmed
    assert is_in(client), "Nothing counts before the code."
    shown = client.post("/account/second-factor/set-up/", {"code": code_of(device)}).content.decode()
    assert len(re.findall(r"<li>\w{5}-\w{5}</li>", shown)) == 10
    assert is_in(client), "Who has shown a code needs no second one."
    assert not is_in(logged_in_by_password())
    client.post("/account/second-factor/off/", {"password": "wrong"})
    assert second_factor.is_on(ada)
    client.post("/account/second-factor/off/", {"password": PASSWORD})
    assert not second_factor.is_on(ada)
    assert is_in(logged_in_by_password())


def test_recovery_codes_are_renewed_for_the_password_alone(ada: User) -> None:
    codes = with_factor(ada)
    client = logged_in_by_password()
    assert enter(client, codes[0])
    assert client.post("/account/second-factor/codes/", {"password": "wrong"}).status_code == 422
    assert enter(logged_in_by_password(), codes[1]), "They are as they were."
    shown = client.post("/account/second-factor/codes/", {"password": PASSWORD}).text
    renewed = re.findall(r"<li>(\w{5}-\w{5})</li>", shown)
    assert len(renewed) == 10 and enter(logged_in_by_password(), renewed[0])
    assert not enter(logged_in_by_password(), codes[2])


def test_half_a_log_in_cannot_replace_the_second_factor(ada: User) -> None:
    with_factor(ada)
    client = logged_in_by_password()
    client.post("/account/second-factor/set-up/", {"code": "000000"})
    client.post("/account/second-factor/off/", {"password": PASSWORD})
    client.post("/account/second-factor/codes/", {"password": PASSWORD})
    assert Authenticator.objects.filter(confirmed=True).count() == 1
    assert not Authenticator.objects.filter(confirmed=False).exists()
    assert not is_in(client)


def test_where_it_is_required_nobody_comes_in_without(ada: User, settings: Settings) -> None:
    settings.SECOND_FACTOR_REQUIRED = True
    client = logged_in_by_password()
    assert not is_in(client)
    response = client.get("/admin/login/", follow=True)
    assert response.request["PATH_INFO"] == "/account/second-factor/set-up/"
    client.post("/account/second-factor/set-up/", {"code": code_of(Authenticator.objects.get())})
    assert is_in(client)


def test_whoever_has_lost_everything_is_let_in_by_the_operator(ada: User) -> None:
    with_factor(ada)
    call_command("turn_off_second_factor", "ada")
    assert is_in(logged_in_by_password())
    assert AuditEntry.objects.filter(action="second factor off", thing_id=ada.pk).exists()


# --- The key at rest -----------------------------------------------------------------------------------


def test_a_dump_of_the_database_gives_no_key_away(ada: User) -> None:
    with_factor(ada)
    device = Authenticator.objects.get()
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM otp_totp_totpdevice")
        [(beside,)] = cursor.fetchall()
        cursor.execute("SELECT sealed_key FROM audience_authenticator")
        [(kept,)] = cursor.fetchall()
    assert unhexlify(beside) != device.bin_key
    assert device.bin_key.hex() not in kept
    assert not enter(logged_in_by_password(), f"{totp(unhexlify(beside)):06d}")


def test_after_a_change_of_keys_the_same_code_lets_in(ada: User, settings: Settings) -> None:
    settings.CREDENTIAL_KEYS = ["old"]
    with_factor(ada)
    settings.CREDENTIAL_KEYS = ["new", "old"]
    call_command("rotate_keys", stdout=StringIO())
    settings.CREDENTIAL_KEYS = ["new"]
    assert enter(logged_in_by_password(), code_of(Authenticator.objects.get()))


def test_a_key_that_cannot_be_read_lets_nobody_in_but_by_a_recovery_code(
    ada: User, settings: Settings
) -> None:
    codes = with_factor(ada)
    code = code_of(Authenticator.objects.get())
    settings.CREDENTIAL_KEYS = ["another"]
    client = logged_in_by_password()
    assert not is_in(client) and not enter(client, code)
    assert "second factors of 1 accounts cannot be read" in str([*doctor.findings()])
    assert enter(client, codes[0])


def test_a_set_up_that_was_left_half_done_begins_anew_with_other_keys(ada: User, settings: Settings) -> None:
    half = second_factor.begin(ada)
    settings.CREDENTIAL_KEYS = ["another"]
    assert second_factor.begin(ada).pk != half.pk


def test_keys_that_stood_in_clear_are_encrypted_by_the_migration_and_come_back_by_its_reverse(
    ada: User,
) -> None:
    migration = import_module("audience.migrations.0012_authenticators")
    old = TOTPDevice.objects.create(user=ada, name="app")
    migration.encrypt_keys(apps, None)
    device = Authenticator.objects.get(pk=old.pk)
    assert device.bin_key == old.bin_key
    assert TOTPDevice.objects.get().key != old.key
    assert enter(logged_in_by_password(), code_of(device))
    migration.decrypt_keys(apps, None)
    assert TOTPDevice.objects.get().key == old.key


def test_a_device_that_was_never_encrypted_does_not_count_as_none(ada: User) -> None:
    TOTPDevice.objects.create(user=ada, name="app")
    assert not is_in(logged_in_by_password())


# --- Throttling ------------------------------------------------------------------------------------------


def attempt(username: str, password: str, address: str = "192.0.2.1") -> int:
    client = Client(REMOTE_ADDR=address)
    return client.post("/admin/login/", {"username": username, "password": password}).status_code


def test_too_many_wrong_passwords_close_the_account_to_that_address_alone(ada: User) -> None:
    MembershipFactory(user__username="eve")
    for _ in range(5):
        attempt("ada", "wrong")
    client = Client(REMOTE_ADDR="192.0.2.1")
    response = client.post("/admin/login/", {"username": "ada", "password": PASSWORD})
    assert response.status_code == 429
    assert int(response["Retry-After"]) <= 15 * 60
    assert "open again at" in response.content.decode()
    assert attempt("ada", PASSWORD, "192.0.2.2") == 302, "From elsewhere it is open."
    assert attempt("eve", "wrong") == 200, "Others behind the same address may go on."


def test_a_forged_header_does_not_change_whose_failures_are_counted(ada: User) -> None:
    for number in range(5):
        client = Client(REMOTE_ADDR="192.0.2.1", headers={"x-forwarded-for": f"198.51.100.{number}"})
        client.post("/admin/login/", {"username": "ada", "password": "wrong"})
    assert attempt("ada", PASSWORD) == 429


def test_behind_our_proxy_the_address_is_what_the_proxy_says(ada: User, settings: Settings) -> None:
    settings.PROXIES = 1
    for number in range(5):
        forged = f"203.0.113.{number}, 198.51.100.1"
        Client(headers={"x-forwarded-for": forged}).post(
            "/admin/login/", {"username": "ada", "password": "x"}
        )
    for address, expected in (("198.51.100.1", 429), ("198.51.100.2", 302)):
        client = Client(headers={"x-forwarded-for": address})
        response = client.post("/admin/login/", {"username": "ada", "password": PASSWORD})
        assert response.status_code == expected


def test_passwords_are_kept_by_argon2(ada: User) -> None:
    assert ada.password.startswith("argon2$argon2id$")
