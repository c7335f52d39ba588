"""The store under kills, under several writers at once, on a full disk and with big files."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from couture_workflow.exceptions import ConflictError, NotFoundError, StorageFullError
from couture_workflow.services.workbench import doctor
from couture_workflow.store.files import Files
from couture_workflow.store.home import Store
from tests.support.processes import forked, wait_for

KILLS = 200
SHARED = "the same in both files"


def content_of(number: int) -> bytes:
    return f"{number} {SHARED}".encode() * (1 + number % 7 * 20_000)


def write_for_ever(store: Store, first: int, report: int) -> None:
    """Save and upload rising numbers without a pause; tell each one that is done."""
    for number in range(first, first + 1_000_000):
        head = store.config.head()
        text = str(number).encode()
        store.config.save({"one": text, "two": text}, author="ann", message=str(number), base=head)
        os.write(report, f"saved {number}\n".encode())
        with store.dependencies.upload("a.jar", user=str(number)) as upload:
            content = content_of(number)
            for start in range(0, len(content), 100_000):
                upload.write(content[start : start + 100_000])
            upload.commit()
        store.secrets.put("key", text)
        os.write(report, f"uploaded {number}\n".encode())
        store.artifacts.put("b.py", [text], user="ann")
        store.artifacts.delete("b.py")


def kill_in_the_middle(store: Store, first: int, *, whole_group: bool) -> dict[str, int]:
    """Run a writer, kill it some time after its first reports and return the last numbers it reported."""
    reading, report = os.pipe()
    child = forked(lambda: write_for_ever(store, first, report))
    os.close(report)
    with os.fdopen(reading) as lines:
        reports = [lines.readline() for _ in range(random.randrange(3))]
        time.sleep(random.uniform(0, 0.03))
        os.killpg(child, signal.SIGKILL) if whole_group else os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        reports += lines
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    return {what: int(number) for what, number in (report.split() for report in reports)}


def read_back(store: Store, done: dict[str, int]) -> int:
    """Check that everything reported is there and nothing is half there; return the newest number."""
    head = store.config.head()
    newest = 0
    if head is not None:
        one, two = (store.config.read(path, commit=head) for path in ("one", "two"))
        assert one == two
        newest = int(one)
    assert newest >= done.get("saved", 0)
    with contextlib.suppress(NotFoundError):
        file = store.dependencies.get("a.jar")
        assert int(file.uploaded_by) >= done.get("uploaded", 0)
        with store.dependencies.open("a.jar") as source:
            assert source.read() == content_of(int(file.uploaded_by))
        newest = max(newest, int(file.uploaded_by))
    if "uploaded" in done:
        assert int(store.secrets.get("key")) >= done["uploaded"]
    return newest


@pytest.mark.slow
def test_store_survives_two_hundred_kills_of_its_writer(store: Store) -> None:
    random.seed(1)
    done: dict[str, int] = {}
    newest = 0

    for number in range(KILLS):
        done |= kill_in_the_middle(store, newest + 1, whole_group=number % 2 == 0)
        newest = read_back(store, done)

    assert newest > KILLS / 4
    assert [finding for finding in doctor.check(store) if finding.path != store.root] == []
    messages = [int(commit.message) for commit in store.config.history(limit=1_000_000)]
    assert messages == sorted(set(messages), reverse=True)
    doctor.collect_garbage(store, older_than=0)
    assert list(store.blobs.temporary.iterdir()) == []
    read_back(store, done)


def test_leftovers_of_the_dead_are_swept_and_work_of_the_living_is_not(store: Store) -> None:
    reading, report = os.pipe()

    def begin() -> None:
        with store.dependencies.upload("dead.jar", user="ann") as upload:
            upload.write(b"half")
            os.write(report, b"x")
            time.sleep(60)

    with store.dependencies.upload("alive.jar", user="ann") as upload:
        child = forked(begin)
        os.read(reading, 1)
        assert len(list(store.blobs.temporary.iterdir())) == 2
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        upload.write(b"whole")

        swept = doctor.collect_garbage(store, older_than=0)

        assert (len(swept.paths), swept.size) == (1, 4)
        upload.commit()
    assert store.dependencies.open("alive.jar").read() == b"whole"


@pytest.mark.slow
def test_no_save_of_several_processes_is_lost(store: Store) -> None:
    writers, saves = 4, 15

    def count() -> None:
        for _ in range(saves):
            while True:
                head = store.config.head()
                value = int(store.config.read("count", commit=head)) if head else 0
                try:
                    store.config.save({"count": b"%d" % (value + 1)}, author="ann", message="", base=head)
                except ConflictError as conflict:
                    assert conflict.paths == ("count",)
                else:
                    break

    for child in [forked(count) for _ in range(writers)]:
        wait_for(child)

    assert store.config.read("count") == b"%d" % (writers * saves)
    assert len(store.config.history(limit=1000)) == writers * saves


@pytest.mark.slow
def test_no_upload_of_several_processes_is_lost(store: Store) -> None:
    writers, uploads = 4, 40

    def add(writer: int) -> None:
        for number in range(uploads):
            store.dependencies.put("a.jar", [f"{writer} {number}".encode()], user="ann")
            store.dependencies.put(f"{writer}-{number}.jar", [b"shared"], user="ann")
            assert f"{writer}-{number}.jar" in [file.name for file in store.dependencies.list()]

    for child in [forked(lambda writer=writer: add(writer)) for writer in range(writers)]:
        wait_for(child)

    file = store.dependencies.get("a.jar")
    contents = {store.dependencies.open("a.jar", version.number).read() for version in file.versions}
    assert contents == {
        f"{writer} {number}".encode() for writer in range(writers) for number in range(uploads)
    }
    assert [version.number for version in file.versions] == list(range(1, writers * uploads + 1))
    assert len(store.dependencies.list()) == 1 + writers * uploads


def test_garbage_is_collected_while_others_upload(store: Store) -> None:
    def add() -> None:
        for number in range(100):
            store.artifacts.put(f"{number}.py", [b"%d" % number], user="ann")

    child = forked(add)
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        doctor.collect_garbage(store, older_than=0)

    assert len(store.artifacts.list()) == 100
    for file in store.artifacts.list():
        assert store.artifacts.open(file.name).read() == file.name.removesuffix(".py").encode()


def test_reader_does_not_wait_for_a_writer(store: Store) -> None:
    head = store.config.save({"a": b"1"}, author="ann", message="", base=None).id
    store.dependencies.put("a.jar", [b"1"], user="ann")

    with store.config.writing(), store.dependencies.changing():
        assert store.config.read("a") == b"1"
        assert store.config.head() == head
        assert store.dependencies.open("a.jar").read() == b"1"
        assert len(store.dependencies.list()) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with three megabytes."""
    folder = tmp_path / "small disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root, where mounts are allowed, can make a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Use the disk up to its last byte."""
    path = folder / "filler"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    for size in (65536, 4096, 1):
        with contextlib.suppress(OSError):
            while os.write(descriptor, bytes(size)):
                pass
    os.close(descriptor)
    return path


def full_disk_leaves_all_as_it_was(store: Store, old: str) -> None:
    for write in (
        lambda: store.config.save({"a": os.urandom(70_000)}, author="ann", message="", base=old),
        lambda: store.config.save({f"b/{old}/{old}": b"2"}, author="ann", message="", base=old),
        lambda: store.dependencies.put("a.jar", [os.urandom(1000)] * 70, user="ann"),
        lambda: store.dependencies.materialize("a.jar", store.outputs),
        lambda: store.secrets.put("key", bytes(70_000)),
    ):
        with pytest.raises(StorageFullError, match="No space is left on the disk of .* is intact"):
            write()

    assert store.config.head() == old
    assert store.config.read("a") == b"1"
    assert store.dependencies.open("a.jar").read() == bytes(70_000)
    assert store.secrets.get("key") == b"1"
    assert list(store.blobs.temporary.iterdir()) == []
    assert list(store.outputs.iterdir()) == []


def with_old_content(root: Path) -> tuple[Store, str]:
    store = Store.open(root)
    store.dependencies.put("a.jar", [bytes(70_000)], user="ann")
    store.secrets.put("key", b"1")
    return store, store.config.save({"a": b"1"}, author="ann", message="", base=None).id


@pytest.mark.usefixtures("store")  # for the key
def test_full_disk_is_told_and_leaves_the_old_content(small_disk: Path) -> None:
    store, old = with_old_content(small_disk / "home")
    filler = fill(small_disk)

    full_disk_leaves_all_as_it_was(store, old)

    filler.unlink()
    assert store.config.save({"a": b"2"}, author="ann", message="", base=old).author == "ann"
    assert store.dependencies.put("a.jar", [b"2"], user="ann").current == 2
    assert store.config.check() == ""


@pytest.mark.slow
@pytest.mark.usefixtures("store")
def test_disk_that_fills_up_at_any_moment_never_breaks_the_store(small_disk: Path) -> None:
    store, head = with_old_content(small_disk / "home")
    number, refusals = 1, 0
    filler = fill(small_disk)
    for free in range(0, 120_000, 4096):
        os.truncate(filler, filler.stat().st_size - 4096)
        for write in ("save", "upload"):
            try:
                if write == "save":
                    change = {"a": os.urandom(20_000), f"folder{free}/b": b"%d" % free}
                    head = store.config.save(change, author="ann", message="", base=head).id
                else:
                    number = store.dependencies.put("a.jar", [os.urandom(30_000)], user="ann").current
            except StorageFullError:
                refusals += 1
        assert store.config.head() == head
        assert store.dependencies.get("a.jar").current == number
        assert store.config.check() == ""
        assert len(store.dependencies.path("a.jar").read_bytes()) == store.dependencies.get("a.jar").size
        assert doctor.collect_garbage(store).paths == ()

    assert refusals > 10


def test_limit_of_file_sizes_is_told_like_a_full_disk(store: Store) -> None:
    store, old = with_old_content(store.root)

    def write() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
        full_disk_leaves_all_as_it_was_with_limit(store, old)

    wait_for(forked(write))


def full_disk_leaves_all_as_it_was_with_limit(store: Store, old: str) -> None:
    for write in (
        lambda: store.config.save({"a": os.urandom(70_000)}, author="ann", message="", base=old),
        lambda: store.dependencies.put("a.jar", [os.urandom(1000)] * 70, user="ann"),
        lambda: store.secrets.put("key", bytes(70_000)),
    ):
        with pytest.raises(StorageFullError):
            write()
    assert store.config.head() == old
    assert store.secrets.get("key") == b"1"


GIBIBYTE = """
import json, os, pathlib, re, sys, time
from couture_workflow.store.home import Store

def memory(name):
    return int(re.search(name + r":\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) * 1024

files = Store.open(pathlib.Path(sys.argv[1])).dependencies
block = os.urandom(1024 * 1024)
pathlib.Path("/proc/self/clear_refs").write_text("5")
before, start = memory("VmRSS"), time.perf_counter()
file = files.put("big.jar", (block for _ in range(1024)), user="ann")
uploaded = time.perf_counter() - start
with files.open("big.jar") as source:
    size = 0
    while chunk := source.read(1024 * 1024):
        size += len(chunk)
growth = memory("VmHWM") - before
print(json.dumps({"growth": growth, "size": size, "recorded": file.size, "seconds": uploaded}))
"""


@pytest.mark.slow
def test_gibibyte_is_streamed_up_and_down_in_little_memory(store: Store) -> None:
    if shutil.disk_usage(store.root).free < 2 * 2**30:
        pytest.skip("2 GiB of free disk are wanting")
    output = subprocess.run(
        [sys.executable, "-c", GIBIBYTE, str(store.root)], capture_output=True, check=True
    )

    result = json.loads(output.stdout)

    assert (result["size"], result["recorded"]) == (2**30, 2**30)
    assert result["growth"] < 32 * 2**20
    store.dependencies.delete("big.jar")
    store.dependencies.deleted_manifests.path("big.jar").unlink()
    assert doctor.collect_garbage(store).size == 2**30
    assert Files(store.root / "files", "dependencies").list() == ()
