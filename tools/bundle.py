"""Make one file that installs Couture Workflow on a machine without internet: `make bundle`.

It holds every image of docker-compose.yml, the compose files, a program that loads the images, and checksums.
Needs the images on this machine; MYSQL_IMAGE and its like name others, as they do for docker compose.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from couture_workflow import __version__

ROOT = Path(__file__).parent.parent
#: Compose names volumes after it, so it is the same for every version.
FOLDER = "couture-workflow"
#: Name in the bundle -> file of the project.
FILES = {
    "load.sh": "tools/bundle_load.sh",
    "INSTALL.md": "docs/install-offline.md",
    "LICENSE": "LICENSE",
    "docker-compose.yml": "docker-compose.yml",
    "docker-compose.docker.yml": "docker-compose.docker.yml",
    "docker-compose.expose.yml": "docker-compose.expose.yml",
    "docker-compose.tensorflow.yml": "docker-compose.tensorflow.yml",
    "docker-compose.worker.yml": "docker-compose.worker.yml",
    ".env.example": ".env.example",
}
#: The largest part is on the disk twice for a moment, and compression halves the images at least.
SHARE_OF_SIZE = 0.75


class BundleError(Exception):
    """Why there is no bundle, in a sentence."""


@dataclass(frozen=True)
class Image:
    """An image of the stack as it is on this machine."""

    variable: str
    name: str
    id: str
    size: int
    architecture: str

    @property
    def file(self) -> str:
        """Its file in the bundle."""
        return f"images/{re.sub(r'[^A-Za-z0-9._-]+', '_', self.name)}.tar.gz"


class Bundle:
    """A tar file that is written part by part and remembers the checksums."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._sums: list[str] = []

    def add(self, name: str, source: io.BufferedIOBase, size: int, *, mode: int = 0o644) -> None:
        """Add a file."""
        entry = tarfile.TarInfo(f"{FOLDER}/{name}")
        entry.size, entry.mode = size, mode
        hashing = _Hashing(source)
        self._archive.addfile(entry, hashing)  # type: ignore[arg-type]
        self._sums.append(f"{hashing.digest.hexdigest()}  {name}\n")

    def add_bytes(self, name: str, content: bytes, *, mode: int = 0o644) -> None:
        """Add a file by its content."""
        self.add(name, io.BytesIO(content), len(content), mode=mode)

    def close(self) -> None:
        """Write the checksums of everything that was added."""
        self.add_bytes("SHA256SUMS", "".join(self._sums).encode())


class _Hashing:
    def __init__(self, source: io.BufferedIOBase) -> None:
        self._source, self.digest = source, hashlib.sha256()

    def read(self, size: int) -> bytes:
        block = self._source.read(size)
        self.digest.update(block)
        return block


def main() -> int:
    """Make the bundle and say what its parts weigh."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, metavar="FOLDER", default=ROOT / "dist", help="default: dist")
    folder: Path = parser.parse_args().output
    try:
        images = [_inspect(*found) for found in _names()]
        target = folder / f"couture-workflow-{__version__}-{images[0].architecture}.tar"
        folder.mkdir(parents=True, exist_ok=True)
        _check_room(folder, images)
        with _replacing(target) as partial, tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as archive:
            _fill(Bundle(archive), images, folder)
    except (BundleError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _say(f"{_megabytes(target.stat().st_size):>8}  {target}")
    return 0


def _names() -> Iterator[tuple[str, str]]:
    """Give the variable and the name of each image of the compose file."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    for variable, default in dict(re.findall(r"image: \$\{(\w+):-([^}]+)\}", text)).items():
        name = os.environ.get(variable) or default
        # Without a tag, `docker save` would take every tag.
        yield variable, name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def _inspect(variable: str, name: str) -> Image:
    if not shutil.which("docker"):
        raise BundleError("Docker is missing: the images come from its engine. See docs/install-offline.md.")
    done = _docker("image", "inspect", name)
    if done.returncode:
        if "No such image" not in done.stderr:
            raise BundleError(f"Docker does not answer: {done.stderr.strip()}")
        remedy = f"make image IMAGE={name}" if variable == "COUTURE_IMAGE" else f"docker pull {name}"
        raise BundleError(f"The image {name} is not on this machine. Type: {remedy}")
    found = json.loads(done.stdout)[0]
    return Image(variable, name, found["Id"], int(found["Size"]), found["Architecture"])


def _docker(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607


def _check_room(folder: Path, images: list[Image]) -> None:
    needed = int(sum(image.size for image in images) * SHARE_OF_SIZE)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BundleError(
            f"The disk of {folder} has {_megabytes(free)} left; the bundle may need {_megabytes(needed)}. "
            "Make room, or name a folder of another disk: make bundle BUNDLE=FOLDER."
        )


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Give the name of a file that takes the target's place when all went well."""
    partial = target.with_name(f".{target.name}.partial")
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _fill(bundle: Bundle, images: list[Image], folder: Path) -> None:
    for name, source in FILES.items():
        content = (ROOT / source).read_bytes()
        bundle.add_bytes(name, content, mode=0o755 if name == "load.sh" else 0o644)
    lines = (f"{i.variable}\t{i.name}\t{i.id}\t{i.size}\t{i.architecture}\t{i.file}\n" for i in images)
    bundle.add_bytes("images.txt", "".join(lines).encode())
    for image in images:
        with tempfile.TemporaryFile(dir=folder) as part:
            _save(image, part.fileno())
            size = part.seek(0, os.SEEK_END)
            part.seek(0)
            bundle.add(image.file, part, size)
        _say(f"{_megabytes(size):>8}  {image.name} ({_megabytes(image.size)} unpacked)")
    bundle.close()


def _save(image: Image, target: int) -> None:
    # docker load reads gzip on every engine, zstd only on newer ones; pigz does the same on all cores.
    packer = shutil.which("pigz") or "gzip"
    save = ["docker", "save", image.name]
    with subprocess.Popen(save, stdout=subprocess.PIPE) as saving:  # noqa: S603
        packing = subprocess.run([packer, "-n"], stdin=saving.stdout, stdout=target, check=False)  # noqa: S603
        if saving.stdout:
            saving.stdout.close()
    if saving.returncode or packing.returncode:
        raise BundleError(f"The image {image.name} could not be saved; Docker's own message stands above.")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
