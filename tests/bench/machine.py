"""The machine and the programs that the figures belong to."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests import servers
from tests.bench import postfix

PACKAGES = ("django", "celery", "psycopg", "django-anymail", "python-liquid", "mrml")


def machine(settings: list[str]) -> dict[str, Any]:
    """The first line of every run; `settings` are PostgreSQL's, where they are not its defaults."""
    return {
        "bench": "machine",
        "cores": os.cpu_count(),
        "cpu": _first(r"model name\s*: (.*)", Path("/proc/cpuinfo")),
        "memory_mb": int(_first(r"MemTotal:\s*(\d+)", Path("/proc/meminfo")) or 0) // 1024,
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "load": round(os.getloadavg()[0], 2),
        "python": {"version": platform.python_version(), "program": sys.executable, **_build()},
        "packages": {name: version(name) for name in PACKAGES},
        "servers": _servers(),
        "postgres_settings": settings,
        "postfix": postfix.version(),
    }


def _build() -> dict[str, bool]:
    """How the interpreter was built: without optimisation Python code runs a third slower."""
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS"))
    return {"optimised": "--enable-optimizations" in arguments, "lto": "--with-lto" in arguments}


def _servers() -> dict[str, str]:
    found = servers.find_or_install(["postgres", "redis"])
    commands = {"postgres": "postgres", "redis": ""}
    return {name: _says([path / commands[name], "--version"]) for name, path in found.items()}


def _says(command: list[str | Path]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _first(pattern: str, path: Path) -> str:
    found = re.search(pattern, path.read_text()) if path.exists() else None
    return found[1] if found else ""
