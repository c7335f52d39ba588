"""Why `couture-workflow run` refuses to start: one sentence on standard error and exit code 1."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from couture_workflow.services.workbench import checks as embedded_checks
from couture_workflow.services.workbench.airflow_settings import Layout
from tests.support.workbench import command, free_port


def refusal(home: Path, *, port: int | None = None, prefix: tuple[str, ...] = (), **variables: str) -> str:
    """Run the command, which must end with exit code 1 and one line on standard error; return that line."""
    done = subprocess.run(
        [*prefix, *command(), "run", "--home", str(home), "--port", str(port or free_port())],
        env={**os.environ, **variables},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.strip()


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        said = refusal(tmp_path / "home", port=port)

    assert said == (
        f"couture-workflow: Port {port} on 127.0.0.1 cannot be opened (address already in use): stop the "
        "program that uses it, or choose another port with --port or COUTURE_PORT."
    )
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("port", [-1, 65536], ids=["negative", "too large"])
def test_a_number_that_is_no_port_is_refused(tmp_path: Path, port: int) -> None:
    assert f"{port} is no port" in refusal(tmp_path / "home", port=port)


def test_a_home_that_cannot_be_made_is_refused() -> None:
    said = refusal(Path("/proc/couture"))

    assert "/proc/couture" in said
    assert "COUTURE_HOME" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_home_of_somebody_else_is_refused() -> None:
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv")
    folder = Path(tempfile.mkdtemp(prefix="couture home '\"<&>"))
    folder.chmod(0o755)
    try:
        prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

        said = refusal(folder, prefix=prefix, HOME="/nonexistent", AIRFLOW_HOME="/nonexistent")
    finally:
        shutil.rmtree(folder)

    assert str(folder) in said
    assert "COUTURE_HOME" in said


def test_a_home_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("99\n")

    said = refusal(tmp_path)

    assert "newer" in said
    assert str(tmp_path) in said
    assert (tmp_path / "version").read_text() == "99\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 64 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_with_too_little_space_is_refused(small_disk: Path) -> None:
    said = refusal(small_disk / "home")

    assert said == (
        f"couture-workflow: Only 0.1 GiB are free on the disk of {small_disk / 'home'} and the workbench "
        "needs at least 2 GiB: free some space, or choose another folder with --home or COUTURE_HOME."
    )


def test_a_second_workbench_on_a_home_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with layout.lock.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        said = refusal(tmp_path)

    assert said == (
        f"couture-workflow: A workbench runs on the home {tmp_path} already: stop it, or choose another "
        "folder with --home or COUTURE_HOME."
    )


def test_a_short_first_password_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, COUTURE_ADMIN_PASSWORD="short")

    assert "COUTURE_ADMIN_PASSWORD has 5 characters and needs at least 8" in said
    assert "short:" not in said


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(Exception, match=r"Port \d+ on 192\.0\.2\.1 cannot be opened"):
        embedded_checks.check_port("192.0.2.1", free_port())
