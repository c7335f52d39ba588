"""The scripts that others wrote: built from exactly what ``tools/vendor`` names, licences beside them."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SOURCES = ROOT / "tools" / "vendor"
BUILT = ROOT / "couture_workflow" / "static" / "vendor"
INPUTS = ("build.mjs", "codemirror.js", "dagre.js", "markdown.js", "package-lock.json", "package.json")


def locked() -> dict[str, str]:
    """Return the packages of the lock file and their versions."""
    packages = json.loads((SOURCES / "package-lock.json").read_text())["packages"]
    return {
        name.removeprefix("node_modules/"): package["version"] for name, package in packages.items() if name
    }


def header(script: str) -> tuple[str, dict[str, str]]:
    """Return the digest and the packages that a script's first line names."""
    line = (BUILT / script).read_text().split("\n", 1)[0]
    found = re.fullmatch(r"/\*! Built by .* \(inputs (\w+)\) from (.*); licences in LICENSES.txt \*/", line)
    assert found
    return found[1], dict(package.rsplit("@", 1) for package in found[2].split())


@pytest.mark.parametrize("script", ["codemirror.js", "dagre.js"])
def test_script_is_built_from_the_lock_file(script: str) -> None:
    digest = hashlib.sha256()
    for name in INPUTS:
        digest.update(name.encode() + b"\0" + (SOURCES / name).read_bytes())

    built_from, packages = header(script)

    assert built_from == digest.hexdigest()[:16], "type: cd tools/vendor && npm ci && npm run build"
    assert packages
    assert packages.items() <= locked().items()


def test_every_package_comes_with_its_licence() -> None:
    texts = (BUILT / "LICENSES.txt").read_text().split("\n" + "-" * 80 + "\n\n")[1:]
    titles = [re.match(r"(\S+) (\S+) \(MIT\)\n\n(?=.*Copyright)", text, re.DOTALL) for text in texts]

    named = {title[1]: title[2] for title in titles if title}

    assert named == header("codemirror.js")[1] | header("dagre.js")[1]


def test_lock_file_names_no_registry() -> None:
    assert "resolved" not in (SOURCES / "package-lock.json").read_text()
