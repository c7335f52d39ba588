"""The front of the patches: each says what it is, each fits what is installed, and all of them are listed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from couture_workflow import patches
from couture_workflow.patches import PATCHES, Patch, guard

ROOT = Path(__file__).parents[2]
FOLDER = Path(patches.__file__).parent
#: What is in the package and is no patch: the front, the guard, and filters that logging offers.
_NO_PATCHES = {"__init__", "celery_log", "guard"}
#: What sets an option of Airflow that nobody has set, and says so.
_OPTIONS = {"couture_workflow/web/branding.py": ["conf.set('api', 'theme'"]}


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_what_is_patched_is_what_the_patch_was_written_for(patch: Patch) -> None:
    if not guard.is_needed(patch):
        pytest.skip(f"needs {patch.distribution}")
    found = guard.changed(patch)

    assert not found, (
        f"The patch {patch.name} ({patch.since}) does not fit what is installed: {found} Look at "
        f"couture_workflow/patches/{patch.module}.py and at the new code: does it still need the patch "
        f"(it ends with: {patch.ends_with})? If so, write the patch and its targets in "
        f"couture_workflow/patches/__init__.py for the new code; if not, remove it."
    )


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_a_patch_says_what_it_is(patch: Patch) -> None:
    assert patch.changes
    for sentence in (patch.does, patch.why, patch.without):
        assert sentence.endswith("."), sentence
    assert re.search(r"\d+\.\d+", patch.since)
    assert re.match(r"none known|https://github\.com/\S+/(issues|pull)/\d+", patch.ends_with)
    assert patch.where
    assert f"``{patch.name}``" in _docstring(patch.module), f"{patch.module} does not name {patch.name}"


def _docstring(module: str) -> str:
    tree = ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))
    return ast.get_docstring(tree) or ""


def test_names_are_unique_and_every_module_is_listed() -> None:
    assert len({patch.name for patch in PATCHES}) == len(PATCHES)
    assert {path.stem for path in FOLDER.glob("*.py")} - _NO_PATCHES == {patch.module for patch in PATCHES}


def test_each_patch_asks_the_guard_under_its_own_name() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "couture_workflow").rglob("*.py")]
    asked = [name for source in sources for name in re.findall(r'guard\.fits\("([\w-]+)"\)', source)]

    assert set(asked) == {patch.name for patch in PATCHES}


def test_nothing_but_this_package_replaces_what_is_others() -> None:
    """Assignments to attributes of imported modules and classes of Airflow, Celery and Flask-AppBuilder."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in (ROOT / "couture_workflow").rglob("*.py")
        if FOLDER not in path.parents
        for line in _assignments(
            ast.parse(path.read_text(encoding="utf-8")), _OPTIONS.get(str(path.relative_to(ROOT)), [])
        )
    ]

    assert found == []


def _assignments(tree: ast.Module, options: list[str]) -> list[int]:
    """Return the lines that assign to an attribute or a setting of what comes from the others.

    :param options: how calls begin that may be there.
    """
    others = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(("airflow", "celery", "flask_appbuilder", "starlette", "fastapi"))
        for alias in node.names
    }
    lines = []
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                lines += [node.lineno] if target.value.id in others else []
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("setattr", "conf.set"):
            lines += [] if ast.unparse(node).startswith(tuple(options)) else [node.lineno]
    return lines


def test_the_front_and_the_look_at_all_patches_import_nothing_of_airflow() -> None:
    code = """
import sys
from couture_workflow.patches import guard
list(guard.misfits())
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"airflow", "celery", "starlette", "sqlalchemy"}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stdout == "[]\n", done.stderr


def test_the_document_lists_the_patches() -> None:
    document = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    section = document.partition("\n## Patches\n")[2].partition("\n## ")[0]

    assert re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE) == [patch.name for patch in PATCHES]
