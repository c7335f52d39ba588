"""The model server of a workbench from the first model on: wait, make sure of its runtime, serve.

One process, which becomes one program after the other: ``waiting`` for the first model, this module, which
makes the runtime, ``waiting`` for the ports, the server. So whoever ends the service ends what it is at, and
what fails for want of something outside becomes ``waiting`` again instead of an end.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from types import FrameType
from typing import NoReturn

from couture_workflow import settings
from couture_workflow.exceptions import CoutureError, RuntimeMissingError
from couture_workflow.services.models import readiness, serving, waiting
from couture_workflow.services.models.document import SERVED
from couture_workflow.services.runtimes import install, installed
from couture_workflow.services.runtimes.progress import Progress

#: Seconds after which an installation that failed is tried again.
AGAIN = 600.0
#: Environment variable, between our own programs only: what the console was told last.
_TOLD = "_COUTURE_MODEL_SERVER_TOLD"
_NO_NETWORK = re.compile(
    r"connection broken|Max retries|NewConnectionError|NameResolution|ProxyError|timed out|unreachable", re.I
)
_LABEL = "stable"
#: This module, also where it is the program and so has another name.
_PROGRAM = "couture_workflow.services.models.on_demand"


@dataclass(frozen=True)
class Place:
    """Where the server of a workbench is.

    :param state: the file that tells what goes on.
    :param chosen: whether somebody has chosen the ports.
    """

    home: Path
    state: Path
    rest_port: int = serving.REST_PORT
    grpc_port: int = serving.GRPC_PORT
    chosen: bool = False

    def words(self) -> list[str]:
        """Return it as arguments of this module."""
        return [
            str(self.home),
            str(self.state),
            str(self.rest_port),
            str(self.grpc_port),
            str(int(self.chosen)),
        ]


def service(place: Place) -> list[str]:
    """Return the command of the service: it waits for the first model."""
    folder = place.home / "files" / "models"
    return [*_wait(place, "model", folder, f"{SERVED}."), *_ensure(place)]


def _wait(place: Place, *what: object) -> list[str]:
    """Return the begin of a command that waits; the command that it becomes has to follow."""
    return [sys.executable, "-I", "-S", waiting.__file__, str(place.state), *map(str, what), "--"]


def _ensure(place: Place) -> list[str]:
    return [sys.executable, "-P", "-m", _PROGRAM, *place.words()]


def _progress(state: Path) -> Progress:
    """Return the steps of the installation, which pages show too."""

    def tell(detail: str, share: float | None = None) -> None:
        waiting.tell(str(state), waiting.INSTALLING, readiness.installing(detail), share)

    found = Progress(1)
    found.told = tell
    tell("")
    return found


def main(arguments: Sequence[str]) -> NoReturn:
    """Make sure of the runtime, then become what waits for the ports and serves."""
    home, state, rest, grpc, chosen = arguments
    place = Place(Path(home), Path(state), int(rest), int(grpc), chosen == "1")
    signal.signal(signal.SIGTERM, _end)
    try:
        program = _runtime(place)
    except (CoutureError, OSError) as error:
        why = f"The model server could not be installed: {in_short(str(error))}"
        _wait_after(error, f"{why} Type: {install.SERVING_COMMAND}, or wait:", place)
    try:
        serving.prepare(_config(place))
    except (CoutureError, OSError) as error:
        _wait_after(error, f"The model server cannot be started: {error} Then", place)
    _serve(place, program)


def _end(number: int, frame: FrameType | None) -> None:
    """End in order, so that pip is ended too."""
    raise SystemExit(128 + number)


def _config(place: Place) -> Path:
    return serving.config_of(place.home)


def _runtime(place: Place) -> str:
    try:
        return serving.python()
    except RuntimeMissingError:
        if _TOLD not in os.environ:
            _notice(
                "There is a model to serve, so the model server is installed now, once (about "
                f"{install.SERVING_DOWNLOAD} MB are downloaded). {place.home / 'logs' / 'serving.log'} tells "
                "how far it is."
            )
        before = os.umask(0o022)  # like all runtimes it may be read by others
        try:
            install.install_serving(progress=_progress(place.state))
        finally:
            os.umask(before)
        return installed.serving()


def _notice(text: str) -> None:
    """Say to the console what was not said last."""
    if os.environ.get(_TOLD) != text:
        os.environ[_TOLD] = text
        waiting.notice(text)


def _wait_after(error: CoutureError | OSError, said: str, place: Place) -> NoReturn:
    """Say why there is no server, and try again later, or as soon as somebody has made the runtime."""
    # In the log alone: begun so, no line is one for the console.
    sys.stdout.write(indent(f"{error}\n", "> "))
    sys.stdout.flush()
    said = f"{said} it is tried again every {AGAIN / 60:.0f} minutes, and uploads are kept."
    runtime = settings.runtimes_path() / "serving"
    missing = [] if runtime.exists() else [runtime]
    waiting.tell(str(place.state), waiting.FAILED, said)
    _notice(said)
    words = [*_wait(place, "pause", AGAIN, *missing), *_ensure(place)]
    os.execv(words[0], words)  # noqa: S606


def in_short(said: str) -> str:
    """Return why an installation failed as one sentence; all of it is in the log."""
    if _NO_NETWORK.search(said):
        return "the package index cannot be reached. Check the network and pip's settings."
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = next((line for line in lines if re.match(r"(ERROR|error|E)\b", line)), lines[0] if lines else "")
    return f"{first[:300].rstrip('. ')}." if first else "nothing says why."


def _serve(place: Place, program: str) -> NoReturn:
    options = serving.Options(
        _config(place), grpc_port=place.grpc_port, rest_port=place.rest_port, default_label=_LABEL
    )
    words = _wait(place, "ports", _config(place), place.rest_port, place.grpc_port, int(place.chosen))
    sys.stdout.flush()
    os.execve(  # noqa: S606
        words[0], [*words, *serving.command(program, options)], serving.environment(os.environ)
    )


if __name__ == "__main__":
    main(sys.argv[1:])
