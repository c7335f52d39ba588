"""Waits for something at next to no cost, then becomes the command that follows: the same process goes on.

Run as a script, ``python -I -S waiting.py STATE WAIT ARGUMENTS... -- COMMAND...``. ``STATE`` is the file that
tells pages what goes on (``readiness``), and ``WAIT`` is one of

``model FOLDER PREFIX``
    until a manifest in the folder begins so: the home has its first model of the kind that is served;
``pause SECONDS [PATH]``
    so long, or until the path is there;
``ports CONFIG REST GRPC CHOSEN``
    until both ports are free on 127.0.0.1. ``CHOSEN`` is ``1`` where somebody has chosen them, so that a
    model server that answers there is the one that is meant.

The standard library alone, and little of it: most workbenches have no model, and wait all their life.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

#: What the state file says: no model yet, the runtime is made, that failed, others have the ports, another
#: server answers that may be used, the server was started.
IDLE, INSTALLING, FAILED, TAKEN, OTHER, STARTED = "idle", "installing", "failed", "taken", "other", "started"
#: Begins a line that the supervisor shows on the console, though it is no warning.
NOTICE = "NOTICE"
#: Seconds between two looks for a model, and for ports that are free.
LOOK, AGAIN = 2.0, 60.0
_HOST = "127.0.0.1"


def tell(state: str, name: str, said: str, share: float | None = None) -> None:
    """Replace the state file, which is for people alone: a full disk must end nothing here.

    :param share: how much of it is done, between 0 and 1; None if that is not known.
    """
    import json

    fresh = f"{state}.new"
    try:
        with open(fresh, "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump({"state": name, "said": said, "share": share}, file)
        os.replace(fresh, state)  # noqa: PTH105
    except OSError:
        return


def notice(text: str) -> None:
    """Say one line to the log and to the console."""
    os.write(1, f"{NOTICE} {text}\n".encode())


def for_model(state: str, folder: str, prefix: str) -> None:
    """Wait until a model of the kind is there."""
    if _has_model(folder, prefix):
        return
    tell(state, IDLE, "The model server starts when the first model for it is uploaded.")
    seen = None
    while True:
        now = _changed(folder)
        if now != seen and _has_model(folder, prefix):
            return
        # A second change within the clock's grain may leave the same time, so a fresh folder is read again.
        seen = now if time.time_ns() - now > 10**10 else None
        _sleep(LOOK)


def _has_model(folder: str, prefix: str) -> bool:
    try:
        return any(name.startswith(prefix) for name in os.listdir(folder))  # noqa: PTH208
    except OSError:
        return False


def _changed(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0


_PARENT = os.getppid()


def _sleep(seconds: float) -> None:
    """Sleep, and end if the supervisor has died: whoever adopts this process wants nothing of it."""
    if os.getppid() != _PARENT:
        sys.exit(0)
    time.sleep(seconds)


def pause(state: str, seconds: str, path: str = "") -> None:
    """Wait until the time is over, or what is missing is there."""
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until and not (path and os.path.exists(path)):  # noqa: PTH110
        _sleep(LOOK)


def for_ports(state: str, config: str, rest: str, grpc: str, chosen: str) -> None:
    """Wait until nobody else has the ports."""
    told = ""
    while taken := [port for port in (int(rest), int(grpc)) if _is_taken(port)]:
        is_server = int(rest) in taken and _is_model_server(int(rest))
        is_meant = is_server and (chosen == "1" or _is_followed(config))
        said = _used(int(rest)) if is_meant else _in_the_way(taken, is_server=is_server)
        if said != told:
            tell(state, OTHER if is_meant else TAKEN, said)
            notice(said)
            told = said
        deadline = time.monotonic() + AGAIN
        while time.monotonic() < deadline:
            _sleep(LOOK)
    tell(state, STARTED, "The workbench starts it, also after a crash; its log is serving.log.")


def _used(port: int) -> str:
    return (
        f"A model server that this workbench has not started answers at http://{_HOST}:{port}, so it is used "
        "and none is started. If it is another workbench's, set serving_url and serving_grpc to other ports."
    )


def _in_the_way(taken: list[int], *, is_server: bool) -> str:
    ports = f"Port {taken[0]} is" if len(taken) == 1 else f"Ports {taken[0]} and {taken[1]} are"
    whose = "the model server of another workbench" if is_server else "another program"
    return (
        f"{ports} taken by {whose}, so the models of this workbench are not served. Start it with other "
        f"ports, AIRFLOW__COUTURE_WORKFLOW__SERVING_URL=http://{_HOST}:PORT (serving_url) and "
        f"AIRFLOW__COUTURE_WORKFLOW__SERVING_GRPC={_HOST}:PORT (serving_grpc), or end what has these; it is "
        "tried again every minute."
    )


def _is_taken(port: int) -> bool:
    import errno
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:  # of any other fault the server itself tells
            return error.errno == errno.EADDRINUSE
    return False


def _is_model_server(port: int) -> bool:
    """Tell whether what listens answers as TensorFlow Serving does of a model that it does not have."""
    import socket

    request = f"GET /v1/models/- HTTP/1.1\r\nHost: {_HOST}:{port}\r\nConnection: close\r\n\r\n"
    answer = b""
    try:
        with socket.create_connection((_HOST, port), timeout=5) as connection:
            connection.sendall(request.encode())
            until = time.monotonic() + 5
            while len(answer) < 10_000 and time.monotonic() < until and (more := connection.recv(4096)):
                answer += more
    except OSError:
        pass
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    return status in ([b"404"], [b"400"], [b"401"]) and b'"error"' in body


def _is_followed(config: str) -> bool:
    """Tell whether a process on this machine, started by hand, serves this very configuration."""
    try:
        found = [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    except OSError:
        return False
    return any(os.fsencode(config) in _words(name) for name in found if int(name) != os.getpid())


def _words(process: str) -> list[bytes]:
    try:
        with open(f"/proc/{process}/cmdline", "rb") as file:  # noqa: PTH123
            return file.read().split(b"\0")
    except OSError:
        return []


WAITS: dict[str, Callable[..., None]] = {"model": for_model, "pause": pause, "ports": for_ports}


def main(arguments: list[str]) -> None:
    """Wait as the arguments say, then become their command."""
    end = arguments.index("--")
    state, wait, *given = arguments[:end]
    WAITS[wait](state, *given)
    command = arguments[end + 1 :]
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
