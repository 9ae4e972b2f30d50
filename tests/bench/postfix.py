"""Postfix's smtp-sink and smtp-source, without Postfix: it must never be installed by a benchmark.

They are looked for on PATH; else Debian's package is downloaded and its two programs and their
libraries are unpacked into var/bench, where the next run finds them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests import servers

CACHE = Path(__file__).parents[2] / "var" / "bench" / "postfix"
# In the environment: do without them.
OWN_SINK = "BENCH_OWN_SINK"
NAMES = ("smtp-sink", "smtp-source")


@dataclass(frozen=True)
class Programs:
    """Where the two programs are, and what they need in their environment."""

    sink: Path
    source: Path
    environment: dict[str, str]


@cache
def programs() -> Programs | None:
    """The two programs; None, and a word about it on standard error, where there are none."""
    if os.environ.get(OWN_SINK):
        return None
    found = [shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") for name in NAMES]
    if all(found):
        return Programs(Path(str(found[0])), Path(str(found[1])), {})
    if not (CACHE / "usr/sbin" / NAMES[0]).exists():
        _unpack()
    unpacked = Programs(
        *(CACHE / "usr/sbin" / name for name in NAMES), {"LD_LIBRARY_PATH": str(CACHE / "usr/lib/postfix")}
    )
    return unpacked if _run(unpacked) else None


def version() -> str:
    """Where the programs come from, for the line about the machine."""
    found = programs()
    if found is None:
        return "none: our own sink stands in, and nothing for smtp-source"
    package = CACHE / "version"
    return package.read_text() if found.environment and package.exists() else str(found.sink)


def _unpack() -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        servers.say("this package manager has no way to give Postfix's programs without Postfix")
        return
    with tempfile.TemporaryDirectory() as directory:
        for command in (["apt-get", "update", "-q"], ["apt-get", "download", "-q", "postfix"]):
            subprocess.run(command, cwd=directory, check=False, capture_output=True)
        for package in Path(directory).glob("postfix_*.deb"):
            CACHE.mkdir(parents=True, exist_ok=True)
            subprocess.run(["dpkg", "-x", package, CACHE], check=True)
            (CACHE / "version").write_text(package.stem)


def _run(found: Programs) -> bool:
    """Whether they run here: a library that they need may be missing."""
    try:
        said = subprocess.run(
            [found.sink], env=os.environ | found.environment, capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    if "usage" not in said.stderr:
        servers.say(f"smtp-sink does not run here: {said.stderr.strip()}")
    return "usage" in said.stderr
