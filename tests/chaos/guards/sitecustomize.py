"""Loaded by every engine process of a fault test (PYTHONPATH): takes a guard away, or plants poison.

CHAOS_GUARD names a guard of removed.py; CHAOS_DEADLY an address whose mail kills whoever builds it.
Without either nothing happens. A module is patched right after it has been imported.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

Patch = Callable[[ModuleType], None]


class Patcher(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules to patch as everybody else does, and patches them when they are loaded."""

    def __init__(self, patches: dict[str, Patch]) -> None:
        self._patches = patches
        self._loaders: dict[str, importlib.abc.Loader] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in self._patches:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec is not None and spec.loader is not None, name
        self._loaders[name], spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loaders[spec.name].create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loaders[module.__name__].exec_module(module)
        self._patches[module.__name__](module)


if wanted := [os.environ[name] for name in ("CHAOS_GUARD",) if os.environ.get(name)]:
    from removed import REMOVED

    for guard in wanted:
        sys.meta_path.insert(0, Patcher(REMOVED[guard]))
if deadly := os.environ.get("CHAOS_DEADLY"):
    from removed import kill_whoever_builds

    sys.meta_path.insert(0, Patcher({"delivery.message": kill_whoever_builds(deadly)}))
