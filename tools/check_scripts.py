"""Fail if a script of the pages cannot be parsed; passes with a word about it where there is no Node.js."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

# In a minified module it stands behind a semicolon or a brace.
MODULE = re.compile(r"(?:\n|[;}])(?:export|import)\b *[{\w]")


def main() -> int:
    """Parse every script and return the exit code."""
    node = shutil.which("node")
    if node is None:
        sys.stderr.write("Node.js is not installed: the scripts of the pages are not checked.\n")
        return 0
    code = 0
    for path in sorted((Path(__file__).parent.parent / "couture_workflow" / "static").rglob("*.js")):
        kind = "module" if MODULE.search(path.read_text(encoding="utf-8")) else "commonjs"
        done = subprocess.run(  # noqa: S603
            [node, "--check", f"--input-type={kind}", "-"],
            stdin=path.open("rb"),
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            sys.stderr.write(f"{path}: {done.stderr}\n")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
