"""Every URL of the site and every operation of the API, asked as everybody: what docs/roles.md says.

The URLs are those of tests/test_workspace_wall.py, the operations those of the API's own description, both
filled with things of the workspace `other`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client

from audience.models import Membership
from tests.api.program import Program
from tests.api.walk import call
from tests.factories import MembershipFactory, UserFactory
from tests.world import World

NOBODY, STRANGER, SITE_STAFF = "not logged in", "other workspace", "site staff"
ROLES = [Membership.Role.ANALYST, Membership.Role.EDITOR, Membership.Role.MANAGER, Membership.Role.OWNER]
EVERYBODY = [NOBODY, STRANGER, *(role.value for role in ROLES), SITE_STAFF]
# As words in the table; the better one counts when the two methods differ in how they refuse.
REFUSALS = {302: "log in", 403: "refused", 404: "not found", 405: "-"}
API_REFUSALS = {401: "no key", 403: "refused", 404: "not found"}
# Django's lists and histories take no notice of what is sent to them.
READ_ONLY = re.compile(r"^/admin/\w+/\w+/(.*/history/)?$")
HEADING = """# Who may open what

Every page of the site, asked by everybody. The tests walk the site and compare it with this table
(`WRITE_DOCS=1 pytest tests/test_roles.py` writes it anew): a right that is given or taken shows up here as
a changed line, to be read before it is merged.

The members are members of the workspace whose things are asked for; "other workspace" is the owner of
another one. Site staff are Django's superusers. **reads**: the page is shown. **acts**: what is sent to it is
taken, which also goes for a search or a preview. **log in**: sent to the log-in. **not found**: there is no
such thing for this person. Pages that a mail links to are opened by the signed token in their address alone,
and providers' reports by the secret in theirs; here they are asked with a forged one.

The rights behind it stand in `audience/access.py`, and nowhere else.

"""
API_HEADING = """
## The HTTP API

Every operation, asked with a key of each of these people, which has all scopes: a key may never more than the
person in whose name it acts. **no key**: there is none, or it is not valid.

"""


def people(world: World) -> dict[str, User | None]:
    members = {role.value: MembershipFactory(workspace=world.other, role=role).user for role in ROLES}
    return {NOBODY: None, STRANGER: world.user, **members, SITE_STAFF: UserFactory(is_superuser=True)}


def sessions(world: World) -> dict[str, str | None]:
    """The key of a session of each of these people, who have logged in."""
    return {who: user and _log_in(user) for who, user in people(world).items()}


def _log_in(user: User) -> str | None:
    client = Client()
    client.force_login(user)
    return client.session.session_key


def cell(session: str | None, url: str) -> str:
    """What may be done at this URL in this session; whatever it does is taken back."""
    got = _status(session, "get", url)
    posted = 405 if READ_ONLY.search(url) else _status(session, "post", url)
    allowed = [word for word, status in (("reads", got), ("acts", posted)) if status not in REFUSALS]
    return ", ".join(allowed) or REFUSALS[got if got != 405 else posted]


def _status(session: str | None, method: str, url: str) -> int:
    client = Client(raise_request_exception=False)
    if session is not None:
        client.cookies[settings.SESSION_COOKIE_NAME] = session
    data = {"post": "yes"} if method == "post" else {}
    with transaction.atomic():
        response = getattr(client, method)(url, data)
        transaction.set_rollback(True)
    assert response.status_code < 500, f"{method} {url}: {response.status_code}"
    if response.status_code != 302 or "/login/" in response["Location"]:
        return int(response.status_code)
    # So the admin says that there is no such thing; what is done leads elsewhere.
    return 404 if response["Location"] == "/admin/" else 200


def programs(world: World) -> dict[str, Program]:
    """A program in the name of each of these people; the one of nobody has no key."""
    found = {}
    for who, user in people(world).items():
        workspace = world.own if who == STRANGER else world.other
        found[who] = Program(workspace, user=user or world.user)
    found[NOBODY].text = "none"
    return found


def api_cell(program: Program, method: str, path: str, body: Any) -> str:
    """What a program may do with this operation; whatever it does is taken back."""
    with transaction.atomic():
        status = call(program, method, path, body).status_code
        transaction.set_rollback(True)
    assert status < 500, f"{method} {path}: {status}"
    return API_REFUSALS.get(status) or ("reads" if method == "GET" else "acts")


Rows = Iterable[tuple[str, list[str]]]


def table(pages: Rows, operations: Rows) -> str:
    return HEADING + _lines("page", pages) + API_HEADING + _lines("operation", operations)


def _lines(first: str, rows: Rows) -> str:
    lines = [f"| {' | '.join([first, *EVERYBODY])} |", f"| {' | '.join(['---'] * (len(EVERYBODY) + 1))} |"]
    lines += [f"| {' | '.join([_code(name), *cells])} |" for name, cells in rows]
    return "\n".join(lines) + "\n"


def _code(name: str) -> str:
    return f"`{name}`".replace("|", r"\|")
