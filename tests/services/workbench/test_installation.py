"""The doctor around a home: a destroyed database, keys, port, rights, clock and runtimes, each by name."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from couture_workflow.exceptions import StartError
from couture_workflow.services.models import waiting
from couture_workflow.services.workbench import (
    airflow_settings,
    checks,
    database_check,
    embedded,
    installation,
    model_service,
)
from couture_workflow.services.workbench.airflow_settings import Layout
from couture_workflow.services.workbench.doctor import Finding
from couture_workflow.store.home import Store
from tests.support.homes import couture
from tests.support.workbench import free_port

#: As much of Airflow's database as is looked at, and enough rows for many pages.
_TABLES = """
PRAGMA journal_mode = wal;
CREATE TABLE alembic_version (version_num TEXT);
CREATE TABLE alembic_version_fab (version_num TEXT);
CREATE TABLE connection (conn_id TEXT, password TEXT, extra TEXT, is_encrypted BOOL, is_extra_encrypted BOOL);
CREATE TABLE variable (key TEXT, val TEXT, is_encrypted BOOL);
CREATE TABLE filler (x TEXT);
CREATE INDEX fillers ON filler (x);
"""


def revision() -> str:
    """Return a revision that the installed Airflow knows."""
    import airflow

    path = sorted((Path(airflow.__file__).parent / "migrations" / "versions").glob("0*.py"))[-1]
    line = next(line for line in path.read_text().splitlines() if line.startswith("revision"))
    return line.split("=")[1].strip(" \"'")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An embedded home with a small database, secrets in it and a free port."""
    layout = checks.check_home(tmp_path / "hö'me %41?#")
    airflow_settings.write_config(layout, host="127.0.0.1", port=free_port(), examples=False)
    with contextlib.closing(sqlite3.connect(layout.database)) as database:
        database.executescript(_TABLES)
        database.execute("INSERT INTO alembic_version VALUES (?)", (revision(),))
        database.executemany("INSERT INTO filler VALUES (?)", [(f"{n:0500}",) for n in range(200)])
        token = encrypt(layout, "a password")
        database.execute("INSERT INTO connection VALUES ('one', ?, ?, 1, 1)", (token, token))
        database.execute("INSERT INTO connection VALUES ('plain', 'x', NULL, 0, 0)")
        database.execute("INSERT INTO variable VALUES ('two', ?, 1)", (token,))
        database.commit()
    layout.migrated.write_text("")
    return layout


def encrypt(layout: Layout, text: str) -> str:
    from cryptography.fernet import Fernet

    return Fernet((layout.keys / "fernet_key").read_text().strip()).encrypt(text.encode()).decode()


def findings(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """Return what is found, runtimes left out."""
    monkeypatch.setattr(installation, "check_runtimes", lambda: iter(()))
    monkeypatch.delenv("COUTURE_PORT", raising=False)
    return installation.check(Store(layout.home))


def shape(folder: Path) -> dict[str, tuple[int, int, int, int]]:
    """Return what shows that something below a folder was changed."""
    return {
        os.fspath(path): (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ino)
        for path in [folder, *folder.rglob("*")]
        for found in [path.lstat()]
    }


def test_a_sound_home_has_no_findings_and_is_left_as_it_is(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shape(layout.home)

    assert findings(layout, monkeypatch) == []
    assert shape(layout.home) == before


def test_a_home_before_its_first_start_is_sound(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    layout.database.unlink()
    layout.migrated.unlink()

    assert findings(layout, monkeypatch) == []


def other_bytes(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(b"rubbish." * 512 + content[4096:])


def one_other_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(b"T" + content[1:])


def cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_off_in_the_head(path: Path) -> None:
    os.truncate(path, 40)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def overwritten_in_the_middle(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096)


def overwritten_after_the_head(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3996)


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def unreadable(path: Path) -> None:
    """A file that even root cannot read: reading from it fails."""
    path.unlink()
    path.symlink_to("/proc/self/mem")


def gone(path: Path) -> None:
    path.unlink()


def another_database(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE other (x)")


#: How it is destroyed -> what is said, and whether a start sees it too.
DESTROYED = {
    other_bytes: ("begins with other bytes", True),
    one_other_byte: ("begins with other bytes", True),
    cut_off: ("is cut off: it has", True),
    cut_off_in_the_head: ("is cut off: only 40 bytes are left", True),
    emptied: ("is empty", True),
    overwritten_in_the_middle: ("is damaged", False),
    overwritten_after_the_head: ("is damaged", False),
    replaced_by_a_folder: ("something else in the place of the database", True),
    unreadable: ("cannot be read: Input/output error", True),
    gone: ("is missing", True),
    another_database: ("has no tables of Airflow", False),
}


@pytest.mark.parametrize(
    ("destroy", "said", "at_start"),
    [(destroy, *what) for destroy, what in DESTROYED.items()],
    ids=[destroy.__name__ for destroy in DESTROYED],
)
def test_a_destroyed_database_is_named(
    destroy: Callable[[Path], None],
    said: str,
    at_start: bool,
    layout: Layout,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    destroy(layout.database)

    (finding,) = findings(layout, monkeypatch)

    assert finding.path == layout.database
    assert said in finding.problem
    assert "restore" in finding.remedy or "right to read" in finding.remedy
    assert bool(database_check.problem_at_start(layout)) is at_start


def test_a_workbench_does_not_start_on_a_destroyed_database(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_bytes(layout.database)
    monkeypatch.setattr(embedded, "_ensure_runtimes", lambda variables, report: None)
    said: list[str] = []

    with pytest.raises(StartError) as refused:
        embedded.run(embedded.Options(layout.home, port=free_port()), report=said.append)

    assert str(layout.database) in str(refused.value)
    assert "begins with other bytes" in str(refused.value)
    assert "couture-workflow doctor" in str(refused.value)
    assert said == []


def test_changes_that_are_in_the_log_alone_are_seen(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a workbench that was killed leaves them, and as a running one has them."""
    with contextlib.closing(sqlite3.connect(layout.database)) as database:
        database.execute("UPDATE variable SET val = 'gAAAAAnothing'")
        database.commit()
        (finding,) = findings(layout, monkeypatch)

    assert "the variable 'two'" in finding.problem


def test_the_database_of_a_newer_airflow_is_named(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(sqlite3.connect(layout.database)) as database:
        database.execute("UPDATE alembic_version SET version_num = 'feedfacecafe'")
        database.execute("INSERT INTO alembic_version_fab VALUES ('.*')")
        database.commit()

    assert [finding.problem for finding in findings(layout, monkeypatch)] == [
        "The database is of a newer Airflow (revision feedfacecafe) than is installed.",
        "The database is of a newer Airflow's FAB provider (revision .*) than is installed.",
    ]


def test_what_the_key_does_not_open_is_named(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    (layout.keys / "fernet_key").write_text(airflow_settings.new_fernet_key())

    (finding,) = findings(layout, monkeypatch)

    assert finding.path == layout.database
    for what in ("password of the connection 'one'", "extra of the connection 'one'", "variable 'two'"):
        assert what in finding.problem
    assert "plain" not in finding.problem
    assert "Put the key back" in finding.remedy


@pytest.mark.parametrize("name", sorted(airflow_settings.KEYS))
def test_a_key_that_is_missing_empty_or_open_to_others_is_named(
    name: str, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = layout.keys / name
    path.chmod(0o640)
    assert [str(found) for found in findings(layout, monkeypatch)] == [
        f"{path}: Others may read the key (mode 640). Type: chmod 600 {path}"
    ]

    path.chmod(0o600)
    path.write_text("\n")
    (empty,) = findings(layout, monkeypatch)
    assert (empty.path, empty.problem) == (path, "There is no usable key in it.")

    path.unlink()
    (missing,) = findings(layout, monkeypatch)
    assert missing.path == path
    assert missing.problem == "The key cannot be read: No such file or directory."
    assert "Restore it from a backup" in missing.remedy


def test_the_folder_of_the_keys_is_missing(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(layout.keys)

    assert [found.path for found in findings(layout, monkeypatch)][:1] == [layout.keys]


@pytest.fixture
def listener() -> Iterator[int]:
    """Return a port that somebody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield int(server.getsockname()[1])


def test_a_port_that_another_program_has_is_named(
    layout: Layout, listener: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow_settings.write_config(layout, host="127.0.0.1", port=listener, examples=False)

    (finding,) = findings(layout, monkeypatch)

    assert finding.path == f"port {listener}"
    assert "cannot be opened" in finding.problem
    assert "COUTURE_PORT" in finding.problem


def test_a_running_workbench_must_answer_on_its_port(
    layout: Layout, listener: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with checks.locked(layout):
        (finding,) = findings(layout, monkeypatch)
        airflow_settings.write_config(layout, host="127.0.0.1", port=listener, examples=False)
        assert findings(layout, monkeypatch) == []

    assert "nothing answers on its port" in finding.problem
    assert "api-server.log" in finding.remedy


def test_why_a_running_workbench_has_no_model_server_is_named(
    layout: Layout, listener: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow_settings.write_config(layout, host="127.0.0.1", port=listener, examples=False)
    state = str(model_service.state_file(layout.home))
    waiting.tell(state, waiting.FAILED, "It could not be installed.")
    with checks.locked(layout):
        (finding,) = findings(layout, monkeypatch)
        waiting.tell(state, waiting.STARTED, "It is started.")
        assert findings(layout, monkeypatch) == []

    assert (finding.path, finding.problem) == ("model server", "It could not be installed.")
    assert finding.remedy.endswith("serving.log tells more.")


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701])
def test_others_may_not_use_the_home_of_a_workbench(
    mode: int, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout.home.chmod(mode)

    (finding,) = findings(layout, monkeypatch)

    assert str(finding) == f"{layout.home}: Others may use it (mode {mode:o}). Type: chmod 700 {layout.home}"
    checks.check_home(layout.home)
    assert stat.S_IMODE(layout.home.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("mode", "group", "said"),
    [
        (0o770, 0, ""),
        (0o2770, 0, ""),
        (0o775, 0, "Everybody may use it (mode 775)"),
        (0o770, 4711, "The group 4711 may use it"),
        (0o700, 4711, ""),
    ],
)
def test_services_share_a_home_by_their_group_alone(
    mode: int, group: int, said: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.stat

    def as_owned(path: Path, **options: bool) -> os.stat_result:
        found = real(path, **options)
        if path == store.root:
            values = list(found)
            values[stat.ST_GID] = group
            values[stat.ST_MODE] = stat.S_IFDIR | mode
            return os.stat_result(values)
        return found

    monkeypatch.setattr(Path, "stat", as_owned)

    assert said in "".join(map(str, installation._check_rights(store)))
    assert bool(said) == bool([*installation._check_rights(store)])


def test_a_clock_that_is_slow_is_named(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    future = time.time() + 3600
    os.utime(layout.database, (future, future))

    (finding,) = findings(layout, monkeypatch)

    assert finding.path == layout.database
    assert "changed in the future" in finding.problem
    assert "Set the clock" in finding.remedy


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo no library >&2; exit 127", "ends with exit code 127: no library"),
        ("exit 1", "ends with exit code 1: it says nothing"),
        (None, "does not start: No such file or directory"),
        ("exit 0", ""),
    ],
)
def test_a_runtime_that_does_not_start_is_named(text: str | None, said: str, tmp_path: Path) -> None:
    command = program(tmp_path / "java", text) if text else str(tmp_path / "none")

    found = [*installation._started("runtime java", [command, "-version"])]

    assert [(f.path, said in f.problem, f.remedy) for f in found] == (
        [("runtime java", True, "Type: couture-workflow install")] if said else []
    )


def test_a_runtime_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__RUNTIMES_PATH", str(tmp_path))
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "none"))

    found = {str(finding.path): str(finding) for finding in installation.check_runtimes()}

    assert str(tmp_path) in found["runtime jupyter"]
    assert "couture-workflow install" in found["runtime jupyter"]
    assert str(tmp_path / "none") in found["runtime spark"]


@pytest.mark.slow
def test_the_command_names_it_all_and_makes_nothing(layout: Layout) -> None:
    """The command too leaves a home as it is, even where a folder is missing."""
    (layout.airflow / "logs").mkdir()  # Airflow makes it, whichever of its commands is run
    other_bytes(layout.database)
    layout.home.chmod(0o711)
    shutil.rmtree(layout.home / "config.git")
    before = shape(layout.home)

    done = couture("doctor", "--home", layout.home)

    assert done.returncode == 1
    assert f"{layout.database}: It is no database of SQLite" in done.stdout
    assert f"Type: chmod 700 {layout.home}" in done.stdout
    assert f"{layout.home / 'config.git'}: The repository is missing" in done.stdout
    assert shape(layout.home) == before


def test_the_database_of_an_airflow_of_ones_own_is_looked_at(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = shutil.copy(layout.database, tmp_path / "own.db")  # a path that is an address too
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{database}")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", (layout.keys / "fernet_key").read_text().strip())
    assert [*installation._check_configured()] == []

    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", airflow_settings.new_fernet_key())
    (locked,) = installation._check_configured()
    assert "the variable 'two'" in locked.problem

    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite:////nowhere/airflow.db")
    (unreachable,) = installation._check_configured()
    assert unreachable.problem == "The database cannot be read: unable to open database file."
    assert "sql_alchemy_conn" in unreachable.remedy


@pytest.mark.parametrize(
    ("url", "apart", "named"),
    [("mysql://x", 400, True), ("mysql://x", 10, False), ("sqlite://x", 400, False)],
)
def test_a_database_server_with_another_time_is_named(url: str, apart: float, named: bool) -> None:
    found = [*installation._check_servers_clock(lambda query: [(time.time() - apart,)], url)]

    assert bool(found) is named
