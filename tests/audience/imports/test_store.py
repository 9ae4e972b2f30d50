from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import Any

import pytest

from audience import imports
from audience.imports import ImportRefused
from audience.models import Attribute, CustomerImport, Workspace
from tests.audience.imports.conftest import TakeIn
from tests.factories import AttributeFactory, WorkspaceFactory

BAD_FILES = {
    "empty": (b"", "is empty"),
    "only a byte order mark": (b"\xef\xbb\xbf", "no column names"),
    "only blank lines": (b"\n\n\n", "no column names"),
    "header only": (b"email,name\n", "no rows below"),
    "no header": (b"jo@example.com,Jo\nal@example.com,Al\n", "first line holds an e-mail address"),
    "unnamed column": (b"email,,name\njo@example.com,1,Jo\n", "Column 2 has no name"),
    "two columns of one name": (b"email,Name,name\na@example.com,A,B\n", 'Two columns are named "name"'),
    "no e-mail column": (b"who,name\njo@example.com,Jo\n", "No column holds the e-mail address"),
    "Latin-1": ("email,name\njo@example.com,Jo\nal@example.com,Jörg\n".encode("latin-1"), r"Line 3 .*0xF6"),
    "UTF-8 cut short": (b"email,name\njo@example.com,J\xc3", "Line 2 is not UTF-8"),
    "UTF-16": ("email\njo@example.com\n".encode("utf-16"), "is UTF-16"),
    "NUL byte": (b"email,name\njo@example.com,J\0o\n", "Line 2 contains a NUL byte"),
    "old Mac": (b"email,name\rjo@example.com,Jo\r", "bare carriage returns"),
    "too many columns": (",".join(["email", *map(str, range(200))]).encode() + b"\n1\n", "201 columns"),
    "header of 10 MB": (b"email," + b"x" * 10_000_000 + b"\n1,2\n", "no column names"),
    "header never closed": (b'"email,name\njo@example.com,Jo\n', "no column names"),
}


@pytest.mark.parametrize(("content", "said"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_refused_and_nothing_is_kept(
    create: TakeIn, data_dir: Path, content: bytes, said: str
) -> None:
    with pytest.raises(ImportRefused, match=said):
        create(content)
    assert not CustomerImport.objects.exists()
    assert not Attribute.objects.exists()
    assert not list((data_dir / "imports").iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mapping": {"Mail": "email"}}, 'no column "Mail"'),
        ({"mapping": {"name": "nickname"}}, 'cannot go to "nickname"'),
        ({"mapping": {"name": "attributes.Nick Name"}}, "cannot go to"),
        ({"mapping": {"email": ""}}, "No column holds the e-mail address"),
        ({"mapping": {"name": "email", "email": "email"}}, "both go to email"),
        ({"subscribe": True, "consent_note": " "}, "where and how these people agreed"),
    ],
)
def test_a_wrong_choice_is_refused_and_nothing_is_kept(
    create: TakeIn, data_dir: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ImportRefused, match=said):
        create("email,name,shoe\njo@example.com,Jo,42\n", **options)
    assert not CustomerImport.objects.exists()
    assert not Attribute.objects.exists()
    assert not list(data_dir.glob("imports/*"))


def test_an_encoding_error_is_found_in_a_later_block(create: TakeIn) -> None:
    rows = b"jo@example.com,Jo\n" * 100_000
    with pytest.raises(ImportRefused, match="Line 100002 is not UTF-8"):
        create(b"email,name\n" + rows + b"al@example.com,\xff\n" + rows)


def test_a_file_that_is_not_there_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="cannot be read"):
        imports.create(workspace, tmp_path / "nowhere.csv", name="nowhere.csv")


def test_new_columns_become_attributes_of_the_type_of_their_cells(create: TakeIn) -> None:
    AttributeFactory(name="known", type="text")
    AttributeFactory(workspace=WorkspaceFactory(slug="other"), name="orders", type="text")
    create(
        "email,orders,Last Order,vip,zip,known,none\n"
        "jo@example.com,3,1998-01-31,yes,01234,5,\n"
        "al@example.com,,,,,,\n"
        "ragged\n"
    )
    types = dict(Attribute.objects.filter(workspace__slug="acme").values_list("name", "type"))
    assert types == {
        "orders": "number",
        "last_order": "date",
        "vip": "boolean",
        "zip": "text",
        "known": "text",
        "none": "text",
    }


def test_the_file_is_stored_out_of_sight_under_a_name_of_our_own(
    workspace: Workspace, data_dir: Path
) -> None:
    source = io.BytesIO(b"\xef\xbb\xbfemail\njo@example.com\n")
    stored = imports.create(workspace, source, name="../../etc/list.csv")
    path = Path(stored.file)
    assert path.parent == data_dir / "imports"
    assert stored.name == "list.csv"
    assert path.read_bytes() == source.getvalue()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (stored.size, stored.line) == (len(source.getvalue()), 1)
