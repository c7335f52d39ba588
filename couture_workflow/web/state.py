"""What the web part keeps between requests: the opened store."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from couture_workflow import settings
from couture_workflow.store.home import Store


@lru_cache(maxsize=4)
def _open(root: Path) -> Store:
    return Store.open(root)


def store() -> Store:
    """Return the store of the configured home, opened once for each root."""
    return _open(settings.home())
