"""Fail unless the newest version in CHANGELOG.md is the version of the package."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from couture_workflow import __version__


def main() -> int:
    """Compare the two and return the exit code."""
    text = (Path(__file__).parent.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d[^\]]*)\]", text, re.MULTILINE)
    if versions[:1] == [__version__]:
        return 0
    newest = versions[0] if versions else "no version"
    sys.stderr.write(f"CHANGELOG.md begins with {newest}, but couture_workflow is {__version__}.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
