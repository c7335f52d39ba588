"""`couture-workflow backup` and `restore` on the home of an embedded workbench."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import StorageFullError
from couture_workflow.services.backup import backup
from couture_workflow.services.workbench import airflow_settings as embedded_settings
from couture_workflow.services.workbench import database as embedded_database
from couture_workflow.services.workbench import doctor
from couture_workflow.store import backup_archives
from couture_workflow.store.home import Store
from tests.support import homes
from tests.support.homes import couture
from tests.support.workbench import command, free_port

pytestmark = pytest.mark.slow

PHRASE = "a'b\"<&> ü pass"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with something of everything."""
    home = tmp_path_factory.mktemp("template") / "home"
    homes.make(home)
    homes.fill(home)
    return home


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    copy = Path(shutil.copytree(template, tmp_path / "hö'me", symlinks=True))
    embedded_settings.write_config(
        embedded_settings.Layout(copy), host="127.0.0.1", port=8080, examples=False
    )
    return copy


@pytest.fixture(scope="module")
def archive(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    file = tmp_path_factory.mktemp("archive") / "backup.tar.gz"
    done = couture("backup", file, "--home", template)
    assert done.returncode == 0, done.stderr
    return file


def state(home: Path) -> dict[str, Any]:
    """Return what a person would miss."""
    with contextlib.closing(sqlite3.connect(home / "airflow" / "airflow.db")) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        rows = {t: database.execute(f"SELECT * FROM {t} ORDER BY 1").fetchall() for (t,) in tables}
    key = (home / "airflow" / "keys" / "fernet_key").read_text().strip()
    store = Store(home, secret_key=key)
    files = [
        path
        for folder in ("runs", "outputs", "drafts", "files/dependencies", "files/artifacts")
        for path in sorted((home / folder).rglob("*"))
        if path.is_file() and not path.is_symlink() and path.suffix != ".lock" and path.name != ".lock"
    ]
    return {
        "rows": rows,
        "heads": [repository.head() for repository in store.repositories],
        "files": {os.fspath(path.relative_to(home)): path.read_bytes() for path in files},
        "secret": store.secrets.get("keytab"),
        "folder": (home / "dag-folder.json").read_text(),
        "contents": [store.dependencies.open("a.jar", number).read() for number in (1, 2)],
    }


def connections(home: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(home / "airflow" / "airflow.db")) as database:
        return [name for (name,) in database.execute("SELECT conn_id FROM connection")]


def add_connection(home: Path, name: str) -> None:
    with contextlib.closing(sqlite3.connect(home / "airflow" / "airflow.db", timeout=30)) as database:
        columns = "conn_id, conn_type, is_encrypted, is_extra_encrypted"
        database.execute(f"INSERT INTO connection ({columns}) VALUES (?, 'http', 0, 0)", (name,))
        database.commit()


def leftovers(home: Path) -> list[str]:
    return [
        path.name for path in home.rglob("*") if path.name.startswith(".restore") or path.name == "backup"
    ]


@pytest.mark.always
@pytest.mark.slow
def test_everything_comes_back_in_a_new_home(template: Path, archive: Path, tmp_path: Path) -> None:
    done = couture("restore", archive, "--home", tmp_path / "nëw")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Restored. The doctor says: all is well."
    assert state(tmp_path / "nëw") == state(template)
    assert archive.stat().st_mode & 0o777 == 0o600
    assert leftovers(tmp_path / "nëw") == []
    assert (tmp_path / "nëw" / "airflow" / "keys").stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "nëw" / "outputs" / "link").exists()


def assert_commands_work(home: Path, template: Path, tmp_path: Path, asked: dict[str, str]) -> None:
    """Fail unless each command that reads or writes a home works with a restored one."""
    for noun in ("dags", "dependencies"):
        done = couture("export", noun, tmp_path / f"{noun}.zip", "--home", home, **asked)
        assert done.returncode == 0, done.stdout + done.stderr
    done = couture("backup", tmp_path / "again", "--home", home, **asked)
    assert done.returncode == 0, done.stderr
    done = couture("restore", tmp_path / "again", "--home", tmp_path / "third", **asked)
    assert done.stdout.splitlines()[-1] == "Restored. The doctor says: all is well."
    assert state(tmp_path / "third") == state(template)
    done = couture("import", "dags", tmp_path / "dags.zip", "--dry-run", "--home", home, **asked)
    assert "Nothing was changed. The import would" in done.stdout, done.stdout + done.stderr
    done = couture("gc", "--home", home, **asked)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("earlier", [False, True])
def test_every_command_has_the_keys_before_the_first_start(
    template: Path, archive: Path, tmp_path: Path, earlier: bool
) -> None:
    """Also where an earlier version left an ``airflow.cfg`` with a key, or a variable has one.

    :param earlier: there was a home before, as an earlier version made it.
    """
    home = tmp_path / "nëw"
    layout = embedded_settings.Layout(home)
    stranger = embedded_settings.new_fernet_key()
    if earlier:
        homes.make(home)
        text = layout.config.read_text()
        line = next(line for line in text.splitlines() if line.startswith("fernet_key_cmd"))
        layout.config.write_text(text.replace(line, f"fernet_key = {stranger}"))
    asked = {"AIRFLOW__CORE__FERNET_KEY": stranger, "COUTURE_PORT": str(free_port())}
    done = couture("restore", archive, "--home", home, *(["--replace"] if earlier else []), **asked)
    assert done.returncode == 0, done.stderr

    looked = couture("doctor", "--home", home, **asked)
    assert looked.stdout.splitlines()[-1].endswith("all is well."), looked.stdout + looked.stderr
    if not earlier:
        assert_commands_work(home, template, tmp_path, asked)
    key = (template / "airflow" / "keys" / "fernet_key").read_text().strip()
    airflow = subprocess.run(
        [Path(command()[0]).with_name("airflow"), "config", "get-value", "core", "fernet_key"],
        env=homes.plain_environment(AIRFLOW_HOME=str(layout.airflow)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert key in airflow.stdout, airflow.stderr


@pytest.mark.always
@pytest.mark.slow
def test_a_home_that_is_not_empty_is_replaced_on_request_alone(home: Path, archive: Path) -> None:
    before = state(home)
    Store(home).dags.save({"two.py": homes.DAG}, author="ann", message="", base=Store(home).dags.head())
    (home / "runs" / "new").write_text("new")
    add_connection(home, "new")
    changed = state(home)

    refused = couture("restore", archive, "--home", home)

    assert refused.returncode == 1
    assert "are not empty: they hold commits in config.git" in refused.stderr
    assert "connections" in refused.stderr
    assert state(home) == changed

    done = couture("restore", archive, "--replace", "--home", home)

    assert done.returncode == 0, done.stderr
    assert state(home) == before
    assert leftovers(home) == []


@pytest.mark.slow
def test_a_backup_through_standard_output_is_nothing_but_the_backup(home: Path, tmp_path: Path) -> None:
    with (tmp_path / "b.tar.gz").open("wb") as file:
        done = subprocess.run(
            [*command(), "backup", "-", "--home", str(home)],
            env=homes.plain_environment(COUTURE_BACKUP_PASSPHRASE=PHRASE),
            stdout=file,
            stderr=subprocess.PIPE,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    assert b"Warning" not in done.stderr
    with tarfile.open(tmp_path / "b.tar.gz") as tar:
        assert tar.getnames()[-2:] == ["manifest.json", "keys.json"]

    with (tmp_path / "b.tar.gz").open("rb") as file:
        restored = subprocess.run(
            [*command(), "restore", "-", "--home", str(tmp_path / "new")],
            env=homes.plain_environment(COUTURE_BACKUP_PASSPHRASE=PHRASE),
            stdin=file,
            capture_output=True,
            timeout=120,
        )
    assert restored.returncode == 0, restored.stderr
    assert state(tmp_path / "new") == state(home)


@pytest.mark.always
@pytest.mark.slow
def test_keys_need_the_passphrase_that_they_were_encrypted_with(home: Path, tmp_path: Path) -> None:
    file, phrase = tmp_path / "b.tar.gz", tmp_path / "phrase"
    phrase.write_text(f"{PHRASE}\nnot this line\n")
    key = (home / "airflow" / "keys" / "fernet_key").read_bytes().strip()

    made = couture("backup", file, "--home", home, "--passphrase-file", phrase)
    missing = couture("restore", file, "--home", tmp_path / "new")
    wrong = couture("restore", file, "--home", tmp_path / "new", COUTURE_BACKUP_PASSPHRASE="wrong one")
    right = couture("restore", file, "--home", tmp_path / "new", COUTURE_BACKUP_PASSPHRASE=PHRASE)

    assert made.returncode == 0, made.stderr
    with tarfile.open(file) as tar:
        assert not any(key in (tar.extractfile(member) or io.BytesIO()).read() for member in tar)
    assert (missing.returncode, wrong.returncode, right.returncode) == (1, 1, 0)
    assert "Give the passphrase" in missing.stderr
    assert "The passphrase is not the one that the backup was made with" in wrong.stderr
    assert state(tmp_path / "new") == state(home)


@pytest.mark.slow
def test_keys_in_the_clear_are_warned_of(archive: Path, home: Path, tmp_path: Path) -> None:
    done = couture("backup", tmp_path / "b.tar.gz", "--home", home)

    assert "Warning: the keys are in this backup in the clear" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (("--passphrase-file", "/nowhere/x"), {}, "cannot be read from /nowhere/x: No such file"),
        (("--passphrase-file", "/dev/null"), {}, "is empty"),
        ((), {"COUTURE_BACKUP_PASSPHRASE": "short"}, "needs 8 characters"),
    ],
)
def test_a_passphrase_that_is_none_is_refused(
    arguments: tuple[str, ...], variables: dict[str, str], said: str, home: Path, tmp_path: Path
) -> None:
    done = couture("backup", tmp_path / "b", "--home", home, *arguments, **variables)

    assert done.returncode == 1
    assert said in done.stderr
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_places_that_are_no_file_are_refused(home: Path, tmp_path: Path) -> None:
    inside = couture("backup", home / "b.tar.gz", "--home", home)
    folder = couture("backup", tmp_path, "--home", home)
    nowhere = couture("backup", tmp_path / "no" / "b", "--home", home)
    missing = couture("restore", tmp_path / "none", "--home", home)

    assert "lies in the home" in inside.stderr
    assert "is a folder" in folder.stderr
    assert "There is no folder" in nowhere.stderr
    assert "There is no file" in missing.stderr


@pytest.mark.always
@pytest.mark.slow
def test_a_running_workbench_is_not_replaced(home: Path, archive: Path) -> None:
    with (home / "workbench.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = couture("restore", archive, "--replace", "--home", home)

    assert done.returncode == 1
    assert "A workbench runs on the home" in done.stderr


@pytest.mark.always
def test_a_damaged_backup_changes_nothing(home: Path, archive: Path, tmp_path: Path) -> None:
    before = state(home)
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "damaged").write_bytes(content)
    (tmp_path / "cut").write_bytes(archive.read_bytes()[:-100])

    for name in ("damaged", "cut"):
        done = couture("restore", tmp_path / name, "--replace", "--home", home)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
    assert state(home) == before
    assert leftovers(home) == []


def rewritten(archive: Path, target: Path, **about: Any) -> Path:
    """Write a backup with another manifest, as another version may have made it."""
    with tarfile.open(archive) as old, tarfile.open(target, "w:gz") as new:
        for member in old:
            content = (old.extractfile(member) or io.BytesIO()).read()
            if member.name == "manifest.json":
                content = json.dumps({**json.loads(content), **about}).encode()
                member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return target


@pytest.mark.slow
@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"layout": 99}, "newer Couture Workflow"),
        ({"format": 99}, "format 99"),
        ({"database": {"kind": "mysql", "revisions": {}}}, "one cannot be made of the other"),
        ({"database": {"kind": "sqlite", "revisions": {"alembic_version": "abcdefabcdef"}}}, "does not know"),
        ({"database": {"kind": "sqlite", "revisions": {"alembic_version": "../x"}}}, "does not know"),
        ({"database": None}, "makes no sense"),
    ],
)
def test_what_this_version_cannot_restore_is_refused(
    about: dict[str, Any], said: str, home: Path, archive: Path, tmp_path: Path
) -> None:
    file = rewritten(archive, tmp_path / "other", **about)

    done = couture("restore", file, "--replace", "--home", home)

    assert done.returncode == 1
    assert said in done.stderr


@pytest.mark.slow
def test_a_damaged_content_is_told_and_kept_as_it_is(home: Path, tmp_path: Path) -> None:
    path = Store(home).dependencies.path("a.jar")
    path.chmod(0o600)
    path.write_bytes(b"tWo")

    made = couture("backup", tmp_path / "b", "--home", home)
    restored = couture("restore", tmp_path / "b", "--home", tmp_path / "new")

    assert made.returncode == 1
    assert f"{path}: the content is damaged" in made.stderr
    assert restored.returncode == 1
    assert "1 problem(s) found" in restored.stdout


@pytest.mark.slow
def test_a_database_that_cannot_be_brought_up_to_date_changes_nothing(
    home: Path, archive: Path, tmp_path: Path
) -> None:
    before = state(home)
    with tarfile.open(archive) as tar:
        content = {member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar}
    about, keys = json.loads(content.pop("manifest.json")), content.pop("keys.json")
    with (tmp_path / "other").open("wb") as file:
        writer = backup_archives.Writer(file.write)
        for name, told in content.items():
            writer.add_bytes(name, b"no database" if name == "database/airflow.db" else told)
        kept = {name: about[name] for name in about if name not in ("product", "format", "members")}
        writer.finish(kept, lambda _manifest: keys)

    done = couture("restore", tmp_path / "other", "--replace", "--home", home)

    assert done.returncode == 1
    assert "cannot be brought up to date (" in done.stderr
    assert "file is not a database" in done.stderr
    assert state(home) == before
    assert [path.name for path in (home / ".restore").iterdir()] == ["migration.log"]
    assert leftovers(home / "airflow") == []


@pytest.mark.slow
def test_the_database_of_an_older_airflow_is_brought_up_to_date(home: Path, tmp_path: Path) -> None:
    layout = embedded_settings.Layout(home)
    present = state(home)
    subprocess.run(
        [command()[0].replace("couture-workflow", "airflow"), "db", "downgrade", "-n", "3.2.2", "--yes"],
        env=embedded_settings.environment(layout, base=homes.plain_environment()),
        capture_output=True,
        check=True,
    )
    layout.migrated.unlink()
    assert state(home) != present

    made = couture("backup", tmp_path / "b", "--home", home)
    done = couture("restore", tmp_path / "b", "--home", tmp_path / "new")

    assert (made.returncode, done.returncode) == (0, 0), made.stderr + done.stderr
    assert embedded_database.is_current(embedded_settings.Layout(tmp_path / "new"))
    assert state(tmp_path / "new")["rows"]["alembic_version"] == present["rows"]["alembic_version"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", folder], capture_output=True)
    if done.returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.slow
def test_a_disk_that_is_too_small_is_told_before(home: Path, archive: Path, small_disk: Path) -> None:
    (home / "outputs" / "large").write_bytes(os.urandom(48 * 2**20))

    made = couture("backup", small_disk / "b", "--home", home)

    assert made.returncode == 1
    assert f"MiB on the disk of {small_disk}" in made.stderr
    assert list(small_disk.iterdir()) == []

    (small_disk / "fill").write_bytes(bytes(60 * 2**20))
    restored = couture("restore", archive, "--home", small_disk / "new")

    assert restored.returncode == 1
    assert "Nothing was changed; free some space." in restored.stderr


@pytest.mark.slow
def test_a_disk_that_fills_up_leaves_nothing_behind(
    home: Path, archive: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "outputs" / "large").write_bytes(os.urandom(48 * 2**20))
    (small_disk / "fill").write_bytes(bytes(80 * 2**20))
    monkeypatch.setattr(backup, "check_free", lambda *_: None)
    (small_disk / "b").write_bytes(b"the old one")

    with pytest.raises(StorageFullError, match="No space is left"):
        backup.backup(home, small_disk / "b", passphrase=None, report=lambda _line: None)

    assert sorted(path.name for path in small_disk.iterdir()) == ["b", "fill"]
    assert (small_disk / "b").read_bytes() == b"the old one"
    assert leftovers(home) == []


class Changes:
    """Somebody who saves, uploads, deletes and writes to the database all the time."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.stop = threading.Event()
        self.counts: dict[str, int] = {}
        self.errors: list[BaseException] = []
        self.threads = [
            threading.Thread(target=self._repeat, args=(work,))
            for work in (self._save, self._upload, self._write, self._collect)
        ]

    def __enter__(self) -> Changes:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _repeat(self, work: Any) -> None:
        number = 0
        try:
            while not self.stop.is_set():
                number += 1
                work(number)
                self.counts[work.__name__] = number
        except BaseException as error:  # noqa: BLE001 (told by the test)
            self.errors.append(error)

    def _save(self, number: int) -> None:
        for repository in Store(self.home).repositories:
            base = repository.head()
            repository.save({f"d{number % 50}.yaml": str(number).encode()}, author="a", message="", base=base)

    def _upload(self, number: int) -> None:
        store = Store(self.home)
        store.artifacts.put(f"n{number % 7}.py", [str(number).encode() * 5000], user="ann")
        if number % 5 == 0:
            store.artifacts.delete(f"n{number % 7}.py")

    def _write(self, number: int) -> None:
        add_connection(self.home, f"c{number}")
        (self.home / "runs" / "sub" / f"r{number % 9}").write_text(str(number))

    def _collect(self, number: int) -> None:
        doctor.collect_garbage(Store(self.home), older_than=0.0)
        time.sleep(0.2)


@pytest.mark.slow
def test_a_backup_is_whole_while_everything_changes(home: Path, tmp_path: Path) -> None:
    with Changes(home) as changes:
        for number in range(4):
            made = couture("backup", tmp_path / f"b{number}", "--home", home)
            assert made.returncode == 0, made.stderr
    assert changes.errors == []
    assert min(changes.counts.values()) > 3

    for number in range(4):
        new = tmp_path / f"new{number}"
        done = couture("restore", tmp_path / f"b{number}", "--home", new)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (
            0,
            "Restored. The doctor says: all is well.",
        ), done.stdout + done.stderr


@contextlib.contextmanager
def killed(*arguments: str | Path, after: float) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command and kill it in the middle."""
    process = subprocess.Popen(
        [*command(), *map(str, arguments)],
        env=homes.plain_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(after)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    yield process


@pytest.mark.slow
def test_a_killed_backup_leaves_the_old_file_and_is_made_again(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.tar.gz"
    file.write_bytes(b"the old one")
    (home / "outputs" / "large").write_bytes(os.urandom(64 * 2**20))
    for after in (0.5, 1.5, 2.5, 3.0, 3.5):
        with killed("backup", file, "--home", home, after=after):
            if file.read_bytes() != b"the old one":
                backup_archives.read(io.BytesIO(file.read_bytes()))
    done = couture("backup", file, "--home", home)

    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar.gz", home.name]
    assert leftovers(home) == []


@pytest.mark.slow
def test_a_killed_restore_leaves_the_old_state_or_is_finished(home: Path, archive: Path) -> None:
    restored = state(home)
    add_connection(home, "old")
    Store(home).dags.save({"two.py": homes.DAG}, author="ann", message="", base=Store(home).dags.head())
    old = state(home)
    for after in (1.0, 2.0, 4.0, 6.0, 8.0, 9.0):
        with killed("restore", archive, "--replace", "--home", home, after=after):
            interrupted = (home / ".restore-plan.json").exists()
        assert interrupted or state(home) in (old, restored)
    done = couture("restore", archive, "--replace", "--home", home)

    assert done.returncode == 0, done.stderr
    assert state(home) == restored
    assert leftovers(home) == []


MOVES = """
import os, sys
from couture_workflow.services.backup import restore_plan
make, left = restore_plan.Move.make, int(sys.argv.pop(1))
def killed(self):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
    make(self)
restore_plan.Move.make = killed
from couture_workflow.cli import main
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 7, 11])
def test_a_restore_that_is_killed_between_two_moves_is_finished_by_the_next(
    count: int, home: Path, archive: Path, tmp_path: Path
) -> None:
    restored = state(home)
    add_connection(home, "old")
    words = [str(Path(command()[0]).with_name("python")), "-c", MOVES, str(count)]
    words += ["restore", str(archive), "--replace", "--home", str(home)]

    died = subprocess.run(words, env=homes.plain_environment(), capture_output=True, timeout=120)
    refused = couture("doctor", "--home", home)
    done = couture("restore", archive, "--replace", "--home", home)

    assert died.returncode == -signal.SIGKILL
    assert refused.returncode == 1
    assert "was interrupted while it put everything in place" in refused.stdout
    assert "Finishing a restore that was interrupted." in done.stdout
    assert done.returncode == 0, done.stderr
    assert state(home) == restored
    assert leftovers(home) == []
