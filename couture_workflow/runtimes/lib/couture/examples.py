"""The example data that is part of the installation."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[3]
#: In an installed package, and beside the package in a checkout.
_PLACES = (_PACKAGE / "examples" / "data", _PACKAGE.parent / "examples" / "data")


def example_data(name: str) -> Path:
    """Return the path of a file of example data, such as "penguins.csv"."""
    for folder in _PLACES:
        if name and Path(name).name == name and (folder / name).is_file():
            return folder / name
    there = sorted(path.name for folder in _PLACES for path in folder.glob("*.[ct][sx][vt]"))
    raise FileNotFoundError(f"There is no example data {name!r}. There is: {', '.join(there) or 'none'}.")
