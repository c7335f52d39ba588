"""An image with Python and bash for tests of tasks in containers, made from what this machine has."""

from __future__ import annotations

import io
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

IMAGE = f"tests/python:{platform.python_version()}"
#: What no test in a container imports, and takes most of the space.
LEFT_OUT = {
    "__pycache__", "ensurepip", "idlelib", "lib2to3", "site-packages", "test", "tests", "tkinter",
}  # fmt: skip


def load_python(host: str) -> str:
    """Make the image in an engine where it is not there yet, and return its name."""
    client = ["docker", "--host", host]
    if subprocess.run([*client, "image", "inspect", IMAGE], capture_output=True, check=False).returncode:
        subprocess.run([*client, "import", "-", IMAGE], input=_files(), check=True, capture_output=True)
    return IMAGE


def _files() -> bytes:
    """Return an archive of a file system: Python where it is here, both shells, their libraries."""
    python, library = Path(sys.base_prefix, "bin", "python3").resolve(), Path(sysconfig.get_path("stdlib"))
    shells = {"/bin/bash": shutil.which("bash"), "/bin/sh": shutil.which("sh")}
    programs = [str(python), *filter(None, shells.values()), *map(str, library.glob("lib-dynload/*.so"))]
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", dereference=True) as archive:
        for path in sorted({*re.findall(r"(/\S+) \(0x", said), str(python)}):
            archive.add(path, path)
        for name, path in shells.items():
            archive.add(str(path), name)
        archive.add(library, str(library), filter=_wanted)
        link = tarfile.TarInfo("usr/local/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, str(python)
        archive.addfile(link)
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(folder)
    return content.getvalue()


def _wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    name = Path(entry.name).name
    return None if name in LEFT_OUT or name.startswith("config-") else entry
