"""The kernels that notebooks can name: that of the runtime ``jupyter``, and what ``JUPYTER_PATH`` adds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from couture_workflow import settings

#: Name of the kernel of the runtime, and names that notebooks use for the same.
DEFAULT, SAME = "python3", ("python", "python3", "")
_LARGEST, _MOST = 100_000, 200
_SYSTEM = (Path("/usr/local/share/jupyter"), Path("/usr/share/jupyter"))


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel that is installed.

    :param name: of its folder, by which notebooks name it.
    :param title: for people, such as "Python 3 (ipykernel)".
    """

    name: str
    title: str
    language: str


def installed() -> tuple[Kernel, ...]:
    """Return the kernels by name; of two of one name the first on the path counts, as in Jupyter."""
    found: dict[str, Kernel] = {}
    for path in specifications():
        kernel = _kernel(path)
        if kernel is not None:
            found.setdefault(kernel.name, kernel)
    default = Kernel(name=DEFAULT, title="Python 3", language="python")
    found.setdefault(DEFAULT, default)
    return tuple(found[name] for name in sorted(found))


def is_installed(name: str) -> bool:
    """Tell whether there is a kernel of this name; "python" and "" mean the one of the runtime."""
    return name in SAME or any(kernel.name == name for kernel in installed())


def specifications() -> Iterator[Path]:
    """Yield the files that describe kernels, in the order of the path."""
    for folder in _folders():
        try:
            yield from sorted(folder.glob("*/kernel.json"))[:_MOST]
        except OSError:
            continue


def programs() -> tuple[Path, ...]:
    """Return the environments that kernels of ``jupyter_path`` run in: what has to be readable for them."""
    found: dict[Path, None] = {}
    for folder in settings.jupyter_path():
        for path in sorted((folder / "kernels").glob("*/kernel.json"))[:_MOST]:
            program = _program(path)
            if program is None:
                continue
            for each in (program, program.resolve()):
                found[each.parent.parent if each.parent.name == "bin" else each] = None
    return tuple(path for path in found if len(path.parts) > 2)  # never the root


def _folders() -> list[Path]:
    tops = [*settings.jupyter_path(), settings.runtimes_path() / "jupyter" / "share" / "jupyter", *_SYSTEM]
    return [top / "kernels" for top in tops]


def _described(path: Path) -> dict[str, Any] | None:
    """Return what a file says of a kernel, None if it is no description of one."""
    try:
        with path.open("rb") as file:
            data: Any = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and isinstance(data.get("argv"), list) else None


def _program(path: Path) -> Path | None:
    """Return the program of a kernel, if its description says where it is."""
    argv = (_described(path) or {}).get("argv")
    return Path(argv[0]) if argv and isinstance(argv[0], str) and argv[0].startswith("/") else None


def _kernel(path: Path) -> Kernel | None:
    data = _described(path)
    if data is None:
        return None
    title, language = data.get("display_name"), data.get("language")
    return Kernel(
        name=path.parent.name.lower(),
        title=title if isinstance(title, str) else path.parent.name,
        language=language if isinstance(language, str) else "",
    )
