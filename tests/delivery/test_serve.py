"""The embedded mode in a process of its own: site, worker and mailbox together."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from pytest_django import Settings

from campaigns.models import Campaign
from delivery.mailbox.store import MailboxStore
from tests.servers import free_port

MANAGE = Path(__file__).parents[2] / "manage.py"
MakeCampaign = Callable[..., Campaign]


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the site ended by itself"
        assert time.monotonic() < deadline, "the site does nothing"
        time.sleep(0.05)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address) as page:  # noqa: S310 - of this test's own site
            return bool(page.status == 200)
    except urllib.error.URLError:
        return False


@pytest.fixture
def bind() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def site(bind: str, child_environment: dict[str, str], settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """A site that answers."""
    environment = child_environment | {
        "DATA_DIR": str(settings.DATA_DIR),
        "MAILBOX_PORT": str(free_port()),
        "SITE_URL": f"http://{bind}",
    }
    site = subprocess.Popen(
        [sys.executable, MANAGE, "serve", "--bind", bind], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: answers(f"http://{bind}/admin/login/"), site)
        yield site
    finally:
        site.kill()
        site.communicate()


@pytest.mark.django_db(transaction=True)
def test_site_serves_and_sends_and_ends_when_told_to(
    active_campaign: MakeCampaign, site: subprocess.Popen[str], bind: str, settings: Settings
) -> None:
    campaign = active_campaign(20, filled=False)
    done = Campaign.objects.filter(pk=campaign.pk, status=Campaign.Status.COMPLETED)
    wait_for(done.exists, site)
    site.send_signal(signal.SIGTERM)
    said, _ = site.communicate(timeout=60)
    with MailboxStore(settings.MAILBOX_PATH) as mailbox:
        assert (mailbox.count(campaign.pk), mailbox.duplicates(campaign.pk)) == (20, 0)
    password = said.rpartition("password ")[2].split()[0]
    assert f"http://{bind}/admin/" in said
    assert get_user_model().objects.get(username="admin").check_password(password)
    assert site.returncode == 0


@pytest.mark.django_db(transaction=True)
def test_site_does_not_wait_for_a_browser_that_never_ends_its_request(
    site: subprocess.Popen[str], bind: str
) -> None:
    host, _, port = bind.partition(":")
    with socket.create_connection((host, int(port))) as browser:
        browser.sendall(b"GET /admin/ HT")
        # Taken after the other, so that one is in hand as well.
        assert answers(f"http://{bind}/admin/login/")
        site.send_signal(signal.SIGTERM)
        # Well before the parent process would kill it, and the engine with it.
        site.communicate(timeout=25)
        assert site.returncode == 0
