"""The bundle for machines without internet: made here, loaded by an engine that has no network at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from couture_workflow import __version__
from tests.support.docker import engine, load_shell, wait_for
from tests.support.images import CACHE
from tests.support.workbench import free_port

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
IMAGES = {
    "COUTURE_IMAGE": os.environ.get("COUTURE_IMAGE") or f"couture-workflow:{__version__}",
    "MYSQL_IMAGE": os.environ.get("MYSQL_IMAGE") or "mysql:8.4",
    "RABBITMQ_IMAGE": os.environ.get("RABBITMQ_IMAGE") or "rabbitmq:4-management",
}
#: Images that hold a shell and nothing else, so that a bundle of them is small.
SMALL = {name: f"{name.split('_')[0].lower()}-bundle-test:1" for name in IMAGES}
#: A namespace of its own for network and mounts: no interface but loopback, and Docker's own bridges.
OFFLINE = ["unshare", "--net", "--mount", "--propagation", "private"]


@dataclass
class Machine:
    """A machine without internet: an engine of its own, in a network namespace of its own."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def host(self) -> str:
        """Address of its engine."""
        return f"unix://{self.folder}/docker.sock"

    def run(self, *words: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program there: in its network, with its engine."""
        inside = ["nsenter", "--target", str(self.process.pid), "--net"]
        environment = {**os.environ, **variables, "DOCKER_HOST": self.host}
        return subprocess.run([*inside, *words], cwd=cwd, env=environment, capture_output=True, text=True)


@contextmanager
def machine(*, size: str = "") -> Iterator[Machine]:
    """Start a machine without internet.

    :param size: of its disk, such as ``200m``; the disk of this machine without it.
    """
    for program in ("docker", "dockerd", "unshare", "nsenter", "ip"):
        if not shutil.which(program):
            pytest.skip(f"needs {program}")
    if os.geteuid() != 0:
        pytest.skip("only root can start an engine of its own")
    folder = Path(tempfile.mkdtemp(prefix="offline-"))
    (folder / "data").mkdir()
    disk = f"mount -t tmpfs -o size={size} none {folder}/data && " if size else ""
    words = f"--data-root {folder}/data --exec-root {folder}/exec --host unix://{folder}/docker.sock"
    start = f"ip link set lo up && {disk}exec dockerd {words} --pidfile {folder}/pid"
    with (folder / "dockerd.log").open("wb") as output:
        process = subprocess.Popen([*OFFLINE, "sh", "-c", start], stdout=output, stderr=output)
    found = Machine(folder, process)
    try:
        wait_for(
            process,
            lambda: not found.run("docker", "version").returncode,
            folder / "dockerd.log",
            "no second engine",
        )
        yield found
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make a bundle of small images and return its file."""
    with tempfile.TemporaryDirectory(prefix="b-") as folder, engine(Path(folder)) as host:
        for name in SMALL.values():
            load_shell(host, name)
        target = tmp_path_factory.mktemp("bundle")
        done = make(target, DOCKER_HOST=host, **SMALL)
        assert done.returncode == 0, done.stderr
        yield next(target.glob("*.tar"))
        subprocess.run(["docker", "--host", host, "rmi", *SMALL.values()], capture_output=True)


@pytest.fixture(scope="module")
def offline() -> Iterator[Machine]:
    """Give a machine without internet."""
    with machine() as found:
        yield found


def make(target: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Make a bundle."""
    return subprocess.run(
        [sys.executable, ROOT / "tools/bundle.py", "--output", target],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )


def unpack(bundle: Path, target: Path) -> Path:
    """Unpack a bundle as its reader does, and return its folder."""
    target.mkdir(exist_ok=True)
    subprocess.run(["tar", "-xf", bundle, "-C", target], check=True)
    return target / "couture-workflow"


def load(offline: Machine, folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Load an unpacked bundle."""
    return offline.run("sh", str(folder / "load.sh"), *words, cwd=Path("/"), **variables)


def change_listing(folder: Path, pattern: str, replacement: str) -> None:
    """Change what an unpacked bundle says of its images, checksum included."""
    listing, sums = folder / "images.txt", folder / "SHA256SUMS"
    listing.write_text(re.sub(pattern, replacement, listing.read_text()))
    digest = hashlib.sha256(listing.read_bytes()).hexdigest()
    sums.write_text(re.sub(r"\w+(?=  images.txt)", digest, sums.read_text()))


def images(offline: Machine) -> set[str]:
    """Return the names of the images there."""
    return set(offline.run("docker", "images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split())


def test_the_bundle_holds_what_its_checksums_say(small: Path) -> None:
    with tarfile.open(small) as archive:
        sums = archive.extractfile("couture-workflow/SHA256SUMS")
        assert sums
        expected = dict(reversed(line.split("  ")) for line in sums.read().decode().splitlines())
        found = {}
        for member in archive.getmembers():
            content = archive.extractfile(member)
            assert content
            name = member.name.removeprefix("couture-workflow/")
            found[name] = hashlib.sha256(content.read()).hexdigest()
    del found["SHA256SUMS"]
    assert found == expected
    assert {"load.sh", "docker-compose.yml", "docker-compose.worker.yml", ".env.example"} <= found.keys()
    assert len([name for name in found if name.startswith("images/")]) == 3


def test_it_loads_once_and_leaves_alone_what_is_there(small: Path, offline: Machine, tmp_path: Path) -> None:
    folder = unpack(small, tmp_path)
    done = load(offline, folder)
    assert done.returncode == 0, done.stderr
    assert set(SMALL.values()) <= images(offline)
    again = load(offline, folder)
    assert again.returncode == 0
    assert again.stdout.count("is there already") == 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("damage", "is damaged"),
        ("shorten", "is damaged"),
        ("remove", "is missing"),
        ("remove the checksums", "SHA256SUMS or images.txt is missing"),
    ],
)
def test_a_damaged_bundle_loads_nothing(
    change: str, sentence: str, small: Path, offline: Machine, tmp_path: Path
) -> None:
    folder = unpack(small, tmp_path)
    last = sorted((folder / "images").iterdir())[-1]
    content = last.read_bytes()
    if change == "damage":
        last.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    elif change == "shorten":
        last.write_bytes(content[:-1])
    else:
        (last if change == "remove" else folder / "SHA256SUMS").unlink()
    offline.run("docker", "rmi", *SMALL.values())
    done = load(offline, folder)
    assert done.returncode == 1
    assert sentence in done.stderr and "nothing was loaded" in done.stderr
    assert not images(offline) & set(SMALL.values())


def test_images_of_another_architecture_are_refused(small: Path, offline: Machine, tmp_path: Path) -> None:
    folder = unpack(small, tmp_path)
    change_listing(folder, r"\t(amd64|arm64)\t", "\ts390x\t")
    done = load(offline, folder)
    assert done.returncode == 1
    assert "The images are for s390x and this Docker runs on" in done.stderr


def test_a_missing_image_is_a_sentence_when_the_bundle_is_made(tmp_path: Path) -> None:
    done = make(tmp_path, MYSQL_IMAGE="not-there:1")
    assert done.returncode == 1
    assert "The image not-there:1 is not on this machine. Type: docker pull not-there:1" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_too_small_is_a_sentence(small: Path, tmp_path: Path) -> None:
    folder = unpack(small, tmp_path)
    change_listing(folder, r"(sha256:\w+)\t\d+", r"\1\t500000000")
    with machine(size="64m") as crowded:
        # The disk is mounted in the machine's own namespace, so its programs have to run in there too.
        words = [
            "nsenter",
            "--target",
            str(crowded.process.pid),
            "--net",
            "--mount",
            "sh",
            f"{folder}/load.sh",
        ]
        environment = {**os.environ, "DOCKER_HOST": crowded.host}
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert done.returncode == 1
        assert "MB left and the images need" in done.stderr
        assert not images(crowded)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (None, "Docker is missing"),
        ("exit 1", "Docker's engine does not answer"),
        ("echo 19.03.15", "Docker 19.03.15 is too old"),
        ("echo 20.9.0", "Docker 20.9.0 is too old"),
    ],
)
def test_docker_that_cannot_be_used_is_a_sentence(
    answer: str | None, sentence: str, small: Path, tmp_path: Path
) -> None:
    folder = unpack(small, tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dirname", "tail", "sha256sum", "awk", "df"):
        (programs / name).symlink_to(shutil.which(name) or "")
    if answer:
        # An engine of that version cannot be had: a client that answers as it would.
        (programs / "docker").write_text(f"#!/bin/sh\n{answer}\n")
        (programs / "docker").chmod(0o755)
    done = subprocess.run(
        ["sh", folder / "load.sh"], env={"PATH": str(programs)}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert sentence in done.stderr


@pytest.fixture(scope="module")
def registry() -> str:
    """The program of a registry: the installed one, or Debian's, unpacked and not installed as a service."""
    if found := shutil.which("docker-registry"):
        return found
    folder = CACHE / "registry"
    program = folder / "usr/bin/docker-registry"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        get = "apt-get -qq download docker-registry && dpkg-deb -x docker-registry_*.deb . && rm *.deb"
        done = subprocess.run(["sh", "-c", get], cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"no registry to push to is installed, and none can be had: {done.stderr[-200:]}")
    return str(program)


def test_images_go_to_a_registry_of_ones_own(
    small: Path, offline: Machine, registry: str, tmp_path: Path
) -> None:
    folder = unpack(small, tmp_path)
    port = free_port()
    settings = tmp_path / "registry.yml"
    settings.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    inside = ["nsenter", "--target", str(offline.process.pid), "--net"]
    with subprocess.Popen(
        [*inside, registry, "serve", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            time.sleep(1)
            done = load(offline, folder, "--push", f"127.0.0.1:{port}/couture/")
        finally:
            server.terminate()
    assert done.returncode == 0, done.stderr
    for variable, name in SMALL.items():
        assert f"\n{variable}=127.0.0.1:{port}/couture/{name}\n" in done.stdout + "\n"
        assert (tmp_path / "registry/docker/registry/v2/repositories/couture" / name.split(":")[0]).is_dir()


def test_the_whole_stack_starts_without_internet(tmp_path: Path) -> None:
    done = make(tmp_path, **IMAGES)
    assert done.returncode == 0, done.stderr
    sys.stdout.write(done.stdout)
    bundle = next(tmp_path.glob("*.tar"))
    folder = unpack(bundle, tmp_path)
    bundle.unlink()
    with machine() as offline:
        started = time.monotonic()
        loaded = load(offline, folder)
        assert loaded.returncode == 0, loaded.stderr
        sys.stdout.write(f"Loaded within {time.monotonic() - started:.0f} s.\n")
        wanted = {name if ":" in name.rpartition("/")[2] else f"{name}:latest" for name in IMAGES.values()}
        assert wanted <= images(offline)
        version = offline.run("docker", "run", "--rm", IMAGES["COUTURE_IMAGE"], "couture-workflow", "version")
        assert __version__ in version.stdout
        variables = {**IMAGES, "COUTURE_ADMIN_PASSWORD": "a password for tests"}
        try:
            started = time.monotonic()
            up = offline.run("docker", "compose", "up", "--detach", "worker", cwd=folder, **variables)
            assert up.returncode == 0, up.stderr[-3000:]
            sys.stdout.write(f"Up after {time.monotonic() - started:.0f} s.\n")
            asked = offline.run(
                "curl", "--fail", "--silent", "http://127.0.0.1:8080/api/v2/version", cwd=folder
            )
            assert '"version"' in asked.stdout, asked.stderr
        finally:
            offline.run("docker", "compose", "down", "--volumes", "--timeout", "5", cwd=folder, **variables)
