"""gunicorn's own lines in the form of all others: `gunicorn --logger-class config.gunicorn.Logger`."""

from __future__ import annotations

import os
from typing import Any

from gunicorn import glogging

from config.logs import FORMS


class Logger(glogging.Logger):  # type: ignore[misc] # gunicorn has no types
    """The form comes from the environment alone: the parent process reads no settings of Django."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                handler.setFormatter(FORMS[os.environ.get("LOG_FORMAT", "line")]())
