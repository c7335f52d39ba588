"""What of the suites that take long (``tools/suites.py``) is left out of a run that does not name them.

Nothing of a suite runs, or, if it is ``together``, what is marked ``always``, and all of it where what it
covers has changed. Whoever names the folder of a suite, or something in it, gets all of it in any case.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
try:
    import suites
finally:
    sys.path.remove(str(ROOT / "tools"))


def is_left_out(folder: Path, config: pytest.Config) -> bool:
    """Tell whether a folder is a suite of which nothing runs."""
    suite = _suites().get(folder)
    return suite is not None and not suite.together and not _is_asked_for(folder, config)


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take the tests away that are in a suite of which only others run."""
    left_out = {item for item in items if not item.get_closest_marker("always") and _is_short(item, config)}
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = [item for item in items if item not in left_out]


def _is_short(item: pytest.Item, config: pytest.Config) -> bool:
    """Tell whether a test is in a suite that is run by its short part."""
    folder = next((each for each in item.path.parents if each in _suites()), None)
    return folder is not None and not _is_asked_for(folder, config) and not _has_changed(folder)


def _is_asked_for(folder: Path, config: pytest.Config) -> bool:
    asked = ((config.invocation_params.dir / word.split("::")[0]).resolve() for word in config.args)
    return any(path.is_relative_to(folder) for path in asked)


@functools.cache
def _suites() -> dict[Path, suites.Suite]:
    return {suite.folder: suite for suite in suites.suites()}


@functools.cache
def _has_changed(folder: Path) -> bool:
    """Tell whether the whole must run; it must where nobody can tell."""
    try:
        return bool(suites.changes(_suites()[folder]))
    except suites.SuiteError:
        return True
