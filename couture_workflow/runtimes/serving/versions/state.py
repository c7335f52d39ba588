"""Remembers over a restart what was served: a file beside the configuration, written when it changes.

After a crash the configuration alone does not say that a label still pointed to the version before, because
the one that it names could not be loaded.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import model_config

log = logging.getLogger(__name__)


class Memory:
    """What the server of before served, and a place to write what is served now; None: nowhere."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._written: object = None
        self._before = _read(file) if file else {}

    def of(self, name: str, model: model_config.Model) -> tuple[dict[str, int], frozenset[int]]:
        """Return the labels and the versions that a model had, if it stood in the same folder."""
        found = self._before.get(name)
        if not isinstance(found, dict) or found.get("base_path") != str(model.base_path):
            return {}, frozenset()
        labels, versions = found.get("labels"), found.get("versions")
        if not isinstance(labels, dict) or not isinstance(versions, list):
            return {}, frozenset()
        kept = frozenset(each for each in versions if isinstance(each, int))
        return {label: each for label, each in labels.items() if each in kept}, kept

    def keep(self, served: Mapping[str, Any]) -> None:
        """Write what is served, a pair of model and route by name, if it is another than before."""
        if self._file is None:
            return
        found = {
            name: {
                "base_path": str(model.base_path),
                "labels": dict(route.labels),
                "versions": sorted(route.versions),
            }
            for name, (model, route) in served.items()
            if route.versions
        }
        # What was served before and is not loaded yet is not forgotten.
        found |= {name: each for name, each in self._before.items() if name in served and name not in found}
        if found == self._written:
            return
        fresh = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            fresh.write_text(json.dumps(found))
            fresh.replace(self._file)
        except OSError as error:
            log.warning("What is served cannot be remembered in %s: %s", self._file, error)
        self._written = found


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
