"""python-ldap is built where it can be, and left out with a word about it where it cannot."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from couture_workflow.services.ldap import library
from couture_workflow.services.runtimes import python_ldap, system_packages
from couture_workflow.services.runtimes.progress import Progress


def told(python: str) -> str:
    stream = io.StringIO()
    progress = Progress(1, stream=stream, interval=3600.0)
    with progress.step("python-ldap"):
        python_ldap.install(progress, python)
    return stream.getvalue()


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """Return a Python that has no python-ldap and cannot get one."""
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    program.chmod(0o755)
    return str(program)


@pytest.mark.skipif(not library.is_installed(), reason="needs python-ldap")
def test_what_is_there_is_left_alone() -> None:
    assert "it is there" in told(sys.executable)


def test_machine_without_the_headers_is_told_and_goes_on(bare: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_ldap, "INCLUDES", ("/nowhere",))
    assert "left out, for there is no ldap.h and no sasl/sasl.h; docs/ldap.md" in told(bare)


def test_build_that_fails_is_told_and_goes_on(bare: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_ldap, "missing", list)
    assert "left out, for it cannot be built; docs/ldap.md" in told(bare)


def test_page_says_the_one_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "is_installed", lambda: False)
    problem = library.problem()
    assert "\n" not in problem
    assert f"&& {sys.executable} -m pip install python-ldap" in problem


def test_server_of_a_package_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(system_packages, "_POLICY", policy)
    with system_packages._not_started():
        assert policy.read_text() == "#!/bin/sh\nexit 101\n"
        assert policy.stat().st_mode & 0o777 == 0o755
    assert not policy.exists()

    policy.write_text("own")
    with system_packages._not_started():
        assert policy.read_text() == "own"
    assert policy.read_text() == "own"
