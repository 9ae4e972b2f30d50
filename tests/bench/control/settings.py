"""The settings of the site that has the control of `tracking` as well."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.control.redirects"
