"""The report of a profile: in the library's look, or a light one for very many columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..statistics.sample import Sample
from . import full, light

#: Columns up to which each has its own drawings and tabs.
WIDE = 300


def write(
    profile: dict[str, Any], sample: Sample, path: Path, *, on_warning: Callable[[str], None] = lambda _: None
) -> None:
    """Write the report of a profile as one page of HTML.

    :param on_warning: takes a sentence if the light report was made for want of the library.
    """
    if 0 < profile["column_count"] <= WIDE:
        try:
            path.write_text(full.made(profile, sample), "utf-8")
            return
        except ModuleNotFoundError as error:
            on_warning(
                f"The report is a plain one: the module {error.name} is not installed in the data runtime."
            )
    light.write(profile, sample, path)
