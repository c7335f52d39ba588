"""The images of the stack of containers: pulled where a registry can be reached, else stood in for, or built.

They have names of their own, so that nothing else on the machine takes a stand-in for what it stands in for.
A stand-in is made from the Debian mirror that this machine's apt sources name, by the files in
``tests/docker``, and is made again only when they, or the certificates that the machine trusts, have changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import couture_workflow
from couture_workflow.exceptions import RuntimeMissingError
from couture_workflow.services.runtimes import system_packages
from couture_workflow.services.runtimes.system_packages import Program

ROOT = Path(couture_workflow.__file__).parent.parent
RECIPES = ROOT / "tests" / "docker"
#: What is kept from one run to the next: programs, and the images of an engine of our own.
CACHE = Path(sys.prefix) / "compose-tests"
#: The image of this project while it is tested, those that it needs, and the first part of their names.
PRODUCT, STAND_IN = "couture-workflow:test", "couture-workflow-tests"
NAMES = {
    "COUTURE_IMAGE": PRODUCT,
    "MYSQL_IMAGE": f"{STAND_IN}/mysql",
    "RABBITMQ_IMAGE": f"{STAND_IN}/rabbitmq",
}
BASE, MYSQL, RABBITMQ = "debian:bookworm-slim", "mysql:8.4", "rabbitmq:4-management"
RECIPE_LABEL = "couture.recipe"
#: "mariadb" takes MariaDB where MySQL would be a stand-in.
DATABASE_VARIABLE = "COUTURE_TEST_DATABASE"
#: Names an image of the product that is tested as it is, instead of one that is built.
IMAGE_VARIABLE = "COUTURE_TEST_IMAGE"
DEBOOTSTRAP = Program("debootstrap", ("debootstrap",), lambda: bool(shutil.which("debootstrap")))
PULL_TIMEOUT, BASE_TIMEOUT, BUILD_TIMEOUT = 900, 900, 1800
_INSTALLING = threading.Lock()


class ImageError(AssertionError):
    """An image cannot be made; the message ends with what the program said last."""


@dataclass(frozen=True)
class Images:
    """What is behind the names, in words, and the name of the base image."""

    base: str
    database: str
    broker: str


@dataclass
class Docker:
    """The client of an engine.

    :param host: address of the engine.
    :param report: gets a line for each step that takes its time.
    """

    host: str
    report: Callable[[str], None]
    program: str = field(init=False)
    variables: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.program, kit = _client()
        self.variables = {**os.environ, **kit, "DOCKER_HOST": self.host, "DOCKER": self.program}
        if subprocess.run([self.program, "compose", "version"], capture_output=True).returncode != 0:
            self._get_compose()

    def publish(self) -> None:
        """Let every program that the tests start find this client, its Compose and the engine."""
        programs = CACHE / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        (programs / "docker").unlink(missing_ok=True)
        (programs / "docker").symlink_to(self.program)
        os.environ.update(self.variables)
        os.environ["PATH"] = f"{programs}:{os.environ['PATH']}"

    def _get_compose(self) -> None:
        plugin = CACHE / "config" / "cli-plugins" / "docker-compose"
        if not plugin.exists():
            self.report("Getting Docker Compose 2 as Debian trixie packages it.")
            done = self.call([str(RECIPES / "compose-v2"), str(plugin)], timeout=300, check=False)
            if done.returncode != 0:
                pytest.skip(f"Docker Compose 2 is not there and cannot be had: {done.stdout[-500:]}")
        self.variables["DOCKER_CONFIG"] = str(CACHE / "config")

    def run(
        self, *words: str, timeout: float = 120, check: bool = True, **options: object
    ) -> subprocess.CompletedProcess[str]:
        """Run ``docker`` with these words."""
        return self.call([self.program, *words], timeout=timeout, check=check, **options)

    def call(
        self, command: list[str], *, timeout: float, check: bool = True, **options: object
    ) -> subprocess.CompletedProcess[str]:
        """Run a program that uses the engine; what it prints is text, errors among it."""
        try:
            done = subprocess.run(  # type: ignore[call-overload]
                command,
                env=self.variables,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=timeout,
                **{"stderr": subprocess.STDOUT, **options},
            )
        except subprocess.TimeoutExpired as error:
            said = error.stdout.decode("utf-8", "replace") if isinstance(error.stdout, bytes) else ""
            raise ImageError(f"{' '.join(command)} took more than {timeout:.0f} s.\n{said[-2000:]}") from None
        if check and done.returncode != 0:
            raise ImageError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}")
        return done

    def image(self, name: str) -> dict[str, object]:
        """Return what the engine knows of a local image, or an empty dictionary."""
        done = self.run("image", "inspect", name, check=False)
        return json.loads(done.stdout)[0] if done.returncode == 0 else {}


def _client() -> tuple[str, dict[str, str]]:
    """Return the first client on the path that can use BuildKit, or the first, and the variables for it."""
    found = [str(Path(folder) / "docker") for folder in os.get_exec_path()]
    clients = [path for path in found if os.access(path, os.X_OK)]
    for path in clients:
        if subprocess.run([path, "buildx", "version"], capture_output=True).returncode == 0:
            return path, {"DOCKER_BUILDKIT": "1"}
        said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
        version = re.search(r"version (\d+)\.", said)
        if version and 18 < int(version[1]) < 23:
            return path, {"DOCKER_BUILDKIT": "1"}
    return clients[0], {"DOCKER_BUILDKIT": "0"}


def prepare(docker: Docker) -> Images:
    """Make sure that every image of the stack is there and current."""
    # Each waits for its downloads, or keeps one core busy. MySQL's base is another one than everybody else's.
    with ThreadPoolExecutor() as pool:
        base = pool.submit(_base, docker)
        database = pool.submit(_database, docker, base.result)
        broker = pool.submit(_broker, docker, base.result())
        product = pool.submit(_product, docker, base.result())
        product.result()
        return Images(base.result(), database.result(), broker.result())


def _base(docker: Docker) -> str:
    return BASE if _library(docker, BASE) else _stand_in_base(docker, "bookworm")


def _product(docker: Docker, base: str) -> None:
    if given := os.environ.get(IMAGE_VARIABLE):
        docker.report(f"Testing the image {given} as it is.")
        docker.run("tag", given, PRODUCT)
    else:
        build(docker, base)


def _database(docker: Docker, base: Callable[[], str]) -> str:
    name = NAMES["MYSQL_IMAGE"]
    if _library(docker, MYSQL, name):
        return f"MySQL {_version(docker, name, 'mysqld', '--version')} (library image)"
    if os.environ.get(DATABASE_VARIABLE) != "mariadb":
        try:
            _stand_in(docker, name, base=_stand_in_base(docker, "sid"), file="database/mysql.Dockerfile")
            return f"MySQL {_version(docker, name, 'mysqld', '--version')} (Debian sid)"
        except ImageError as error:
            docker.report(f"MySQL itself cannot be had: {error}")
    _stand_in(docker, name, base=base(), file="database/mariadb.Dockerfile")
    return f"MariaDB {_version(docker, name, 'mariadbd', '--version')} (Debian bookworm), not MySQL"


def _broker(docker: Docker, base: str) -> str:
    name = NAMES["RABBITMQ_IMAGE"]
    origin = "library image"
    if not _library(docker, RABBITMQ, name):
        _stand_in(docker, name, base=base, file="rabbitmq/Dockerfile")
        origin = "Debian trixie"
    return f"RabbitMQ {_version(docker, name, 'rabbitmqctl', 'version')} ({origin})"


def build(docker: Docker, base: str, *, name: str = PRODUCT, folder: Path = ROOT) -> str:
    """Build the image of the product from a folder of sources; quick when nothing has changed."""
    docker.report(f"Building {name} on {base}.")
    words = ["build", "--tag", name, "--build-arg", f"BASE={base}"]
    words += ["--build-arg", f"VERSION={couture_workflow.__version__}", "--file", "docker/Dockerfile", "."]
    with _timed(docker, name):
        docker.run(*words, timeout=BUILD_TIMEOUT, cwd=folder)
    return name


def _library(docker: Docker, library: str, name: str = "") -> bool:
    """Tell whether an image of the registry is there, pulled now or before, and give it a name."""
    if not docker.image(library).get("RepoDigests"):
        done = docker.run("pull", "--quiet", library, timeout=PULL_TIMEOUT, check=False)
        if done.returncode != 0:
            return False
    if name:
        docker.run("tag", library, name)
    return True


def _stand_in_base(docker: Docker, suite: str) -> str:
    name = f"{STAND_IN}/debian:{suite}"
    digest = _digest([RECIPES / "base", RECIPES / "mirror"], suite)
    if _recipe(docker, name) == digest:
        return name
    try:
        # One at a time: two bases are made at once, and apt-get does not wait for another.
        with _INSTALLING:
            system_packages.ensure([DEBOOTSTRAP], report=docker.report)
    except RuntimeMissingError as error:
        pytest.skip(f"no registry can be reached, and no base image can be made: {error}")
    if os.geteuid() != 0:
        pytest.skip("no registry can be reached, and only root can make a base image")
    docker.report(f"No registry can be reached: making {name} with debootstrap.")
    label = f"{RECIPE_LABEL}={digest}"
    with _timed(docker, name):
        docker.call([str(RECIPES / "base"), suite, name, label], timeout=BASE_TIMEOUT)
    return name


def _stand_in(docker: Docker, name: str, *, base: str, file: str) -> None:
    path = RECIPES / file
    digest = _digest(sorted(path.parent.iterdir()), file, str(docker.image(base)["Id"]))
    if _recipe(docker, name) != digest:
        docker.report(f"Building {name}.")
        words = ["build", "--tag", name, "--label", f"{RECIPE_LABEL}={digest}", "--build-arg", f"BASE={base}"]
        with _timed(docker, name):
            docker.run(*words, "--file", str(path), str(path.parent), timeout=BUILD_TIMEOUT)


@contextmanager
def _timed(docker: Docker, name: str) -> Iterator[None]:
    """Report how long it took to make an image."""
    began = time.monotonic()
    yield
    docker.report(f"{name}: {time.monotonic() - began:.0f} s.")


def _recipe(docker: Docker, image: str) -> str | None:
    config = docker.image(image).get("Config")
    labels = config.get("Labels") if isinstance(config, dict) else None
    return labels.get(RECIPE_LABEL) if labels else None


def _digest(files: Iterable[Path], *words: str) -> str:
    digest = hashlib.sha256("\0".join(words).encode())
    for path in [*files, *sorted(Path("/usr/local/share/ca-certificates").glob("*.crt"))]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _version(docker: Docker, image: str, program: str, word: str) -> str:
    said = docker.run("run", "--rm", "--network=none", "--entrypoint", program, image, word).stdout
    version = re.search(r"\d+\.\d+\.[\w.-]+", said)
    return version[0] if version else "of an unknown version"
