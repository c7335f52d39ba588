"""Static files are answered outside of Airflow: no account is looked up, no database is read."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from couture_workflow.web import assets
from tests.support import asynchronous


def get(path: str, root_path: str = "") -> tuple[int, dict[str, str], list[str]]:
    """Return status, headers and the paths that went through to Airflow."""
    sent: list[Any] = []
    passed: list[str] = []

    async def airflow(scope: Any, _receive: Any, send: Any) -> None:
        passed.append(scope["path"])
        await send({"type": "http.response.start", "status": 418, "headers": []})

    async def receive() -> Any:
        await asyncio.Event().wait()  # the browser stays connected

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": root_path + path,
        "root_path": root_path,
        "headers": [(b"cookie", b"_token=x")],
    }
    asynchronous.run(assets.AssetsFirst(airflow)(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, passed


@pytest.mark.parametrize("root_path", ["", "/airflow"])
def test_static_files_do_not_reach_airflow(root_path: str) -> None:
    status, headers, passed = get(f"/couture/assets/{assets.version()}/common/app.css", root_path)

    assert (status, passed) == (200, [])
    assert headers["cache-control"] == "public, max-age=31536000, immutable"


def test_everything_else_does() -> None:
    assert get("/couture/developer/")[0] == 418
    assert get("/couture/assetsfoo")[0] == 418


@pytest.mark.parametrize("name", ["no-such-file", "../plugin.py", "%2e%2e/plugin.py", "..", ""])
def test_only_files_of_the_folder_are_served(name: str) -> None:
    assert get(f"/couture/assets/{assets.version()}/{name}")[0] in (400, 404)


def test_old_version_in_the_address_is_not_kept_for_long() -> None:
    assert get("/couture/assets/000000000000/common/app.css")[0] == 404


def test_addresses_in_the_scripts_lead_to_files() -> None:
    address = re.compile(r'(?:from|import|import\(|new URL\()\s*"(\.[^"]+)"')
    scripts = [path for path in assets.FOLDER.rglob("*.js") if path.parent.name != "vendor"]

    named = [(path, path.parent / found) for path in scripts for found in address.findall(path.read_text())]

    assert any(target.name == "icons.svg" for _, target in named)
    assert [(path, target) for path, target in named if not target.is_file()] == []


def test_scripts_import_what_others_export() -> None:
    imported = re.compile(r'import \{([^}]+)\} from "(\.[^"]+)"')
    scripts = [path for path in assets.FOLDER.rglob("*.js") if path.parent.name != "vendor"]

    wanted = [
        (path.parent / source, name.split(" as ")[0].strip())
        for path in scripts
        for names, source in imported.findall(path.read_text())
        for name in names.rstrip(", \n").split(",")
        if "vendor" not in source
    ]

    missing = [
        (source, name)
        for source, name in wanted
        if not re.search(rf"^export (?:async )?(?:function|const|class) {name}\b", source.read_text(), re.M)
    ]
    assert ("dom.js", "el") in {(source.name, name) for source, name in wanted}
    assert missing == []


def test_files_that_the_templates_name_exist() -> None:
    templates = assets.FOLDER.parent / "templates"
    name = re.compile(r"""["']([a-z-]+(?:/[a-z-]+)*\.(?:css|js|svg))["']""")

    named = {found for path in templates.rglob("*.html") for found in name.findall(path.read_text())}

    assert {"common/app.css", "editor/editor.js", "vendor/codemirror.js"} <= named
    assert [found for found in sorted(named) if not (assets.FOLDER / found).is_file()] == []
