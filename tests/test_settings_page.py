"""docs/settings.md says what config/settings.py reads, and every variable says what it is for."""

from __future__ import annotations

import os
import re

from tests.settings_page import PAGE, SOURCE, page, variables


def test_the_page_is_up_to_date() -> None:
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "Run WRITE_DOCS=1 pytest tests/test_settings_page.py."


def test_no_variable_is_missed_and_each_has_words() -> None:
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', SOURCE.read_text()))
    assert read == {variable.name for variable in variables()}
    assert [variable.name for variable in variables() if not variable.words] == []
