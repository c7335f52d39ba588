"""One person's Jupyter server: its folders, its walls, its process below the reaper, its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import psutil
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from couture_workflow.exceptions import JupyterError
from couture_workflow.services.jupyter import accounts, launch
from couture_workflow.services.jupyter.accounts import Account, Accounts
from couture_workflow.services.jupyter.servers import Person
from couture_workflow.services.notebooks import people
from couture_workflow.services.processes import reaper

#: Header that tells a server who is there, and how long it is good, in seconds.
BADGE, GOOD_FOR = "X-Couture-User", 60
#: Seconds that a server may take to answer after its start, on the busiest machine.
_PATIENCE = 180.0
_GRACE = 5.0
_CONFIGURATION = Path(__file__).parents[2] / "runtimes" / "jupyter_server_config.py"
#: Never handed on: Airflow's and our own variables, other Pythons, and whatever is named like a secret.
_HIDDEN = re.compile(
    r"^_?AIRFLOW|^COUTURE_|^PYTHON|^VIRTUAL_ENV|^JUPYTER|SECRET|PASSW|TOKEN|CREDENTIAL|API_?KEY|PRIVATE",
    re.IGNORECASE,
)
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sys", "/opt")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd", "stdin", "stdout")
#: Where the machine's services have their sockets: Docker's would give the machine away.
_SOCKETS = ("/run",)
#: Where files of /etc lead to, with the machine's name servers.
_BESIDE_ETC = ("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", "/var/lib/extrausers")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all servers of a host share.

    :param home: the product's home.
    :param state: folder for the state of the host.
    :param python: of the runtime ``jupyter``.
    :param prefix: path of ``[api] base_url``, "" or such as ``/airflow``.
    :param idle: seconds after which a server that nobody uses ends.
    :param kernels: folders of further kernels, as in ``JUPYTER_PATH``.
    :param readable: further folders that notebooks read: Spark, Java.
    :param walls: without walls no server is started.
    :param accounts: of the operating system, one for each person; None: all run as this account.
    """

    home: Path
    state: Path
    python: Path
    prefix: str
    idle: int
    kernels: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    walls: bool = True
    accounts: Accounts | None = None


Prepare = Callable[[Person, Path, Account | None], Mapping[str, str]]


def new_key() -> tuple[str, str]:
    """Return a private and a public key in PEM."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


def badge(private_key: str, person: Person, base_path: str) -> str:
    """Return what the header ``BADGE`` says."""
    now = int(time.time())
    claims = {"sub": person.name, "aud": base_path, "iat": now, "exp": now + GOOD_FOR}
    return jwt.encode(claims, private_key, algorithm="EdDSA")


def base_path(person: Person) -> str:
    """Return what the addresses of a person's server begin with, behind the path of ``[api] base_url``."""
    return f"/jupyter/{people.folder_name(person.name)}/"


@dataclass
class JupyterProcess:
    """A server, from its start to its end."""

    person: Person
    surroundings: Surroundings
    prepare: Prepare = lambda person, folder, account: {}
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    waits_for: str = "Waiting for JupyterLab to start."
    problem: str = ""
    ready: bool = False
    is_ending: bool = False
    status: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.private_key, self._public_key = new_key()
        self._folder = self.surroundings.state / str(self.person.number)
        self._process: subprocess.Popen[bytes] | None = None
        self._spawned: asyncio.Task[None] | None = None
        self._client: httpx.AsyncClient | None = None
        self._account: Account | None = None

    @property
    def socket(self) -> Path:
        """The path of its socket."""
        return self._folder / "runtime" / "s"

    @property
    def base_path(self) -> str:
        """What its addresses begin with."""
        return base_path(self.person)

    async def start(self) -> None:
        """Start it and wait until it answers, or raise ``JupyterError``."""
        began = time.monotonic()
        self._spawned = asyncio.create_task(asyncio.to_thread(self._spawn))
        await asyncio.shield(self._spawned)
        while not await self.look():
            if (process := self._process) is None or process.poll() is not None:
                raise JupyterError(self._why())
            if time.monotonic() - began > _PATIENCE:
                await self.stop()
                raise JupyterError(f"JupyterLab did not answer in {_PATIENCE:.0f} seconds. Try again.")
            seconds = int(time.monotonic() - began)
            self.waits_for = f"Waiting for JupyterLab to answer, for {seconds} seconds now."
            await asyncio.sleep(0.05)
        self.ready = True

    async def look(self) -> bool:
        """Ask the server for its state; tell whether it answers."""
        if self.is_ending or not self.socket.exists():
            return False
        if self._client is None:
            transport = httpx.AsyncHTTPTransport(uds=str(self.socket), trust_env=False)
            self._client = httpx.AsyncClient(transport=transport, timeout=5, trust_env=False)
        client = self._client  # a stop meanwhile closes it
        headers = {BADGE: badge(self.private_key, self.person, self.base_path)}
        address = f"http://jupyter{self.surroundings.prefix}{self.base_path}api/"
        try:
            status = await client.get(address + "status?no_track_activity=1", headers=headers)
            kernels = await client.get(address + "kernels?no_track_activity=1", headers=headers)
            if status.status_code != 200 or kernels.status_code != 200:
                return False
            self.status = {**status.json(), "list": kernels.json()}
        except (httpx.HTTPError, RuntimeError, ValueError):  # RuntimeError: the client was closed
            return False
        return True

    def processes(self) -> list[psutil.Process]:
        """Return all its living processes, without the reaper."""
        found = []
        if self._process is not None:
            for pid in reaper.members(self._process.pid):
                with contextlib.suppress(psutil.NoSuchProcess):
                    found.append(psutil.Process(pid))
        return found

    @property
    def leader(self) -> int:
        """The process id of its reaper, 0 if it has none."""
        return self._process.pid if self._process else 0

    @property
    def ended(self) -> bool:
        """Tell whether it has ended."""
        return self._process is None or self._process.poll() is not None

    @property
    def has_room(self) -> bool:
        """Tell whether sockets and terminals of others are out of its reach."""
        return self._account is not None or not (self._folder / launch.NO_ROOM).exists()

    def last_activity(self) -> datetime:
        """Return when the person, or a kernel, last did something."""
        try:
            return datetime.fromisoformat(str(self.status["last_activity"]))
        except (KeyError, ValueError):
            return self.since

    def is_idle(self) -> bool:
        """Tell whether nobody has used it for the time of the option; kernels that run count as use."""
        kernels = self.status.get("list", [])
        is_used = self.status.get("connections", 0) or any(
            each.get("execution_state") in ("busy", "starting") for each in kernels
        )
        unused = (datetime.now(UTC) - self.last_activity()).total_seconds()
        return not is_used and unused >= self.surroundings.idle

    async def stop(self) -> None:
        """End it and everything below it."""
        self.is_ending = True
        if self._spawned is not None:
            await asyncio.gather(self._spawned, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        if (process := self._process) is not None:
            if process.stdin is not None:
                process.stdin.close()  # the reaper stops at the end of the pipe
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(self._wait, process)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _spawn(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)
        own, root = self._make_folders()
        if (numbers := self.surroundings.accounts) is not None:
            self._account = numbers.of(self.person.name)
        for name in ("runtime", "tmp"):
            (self._folder / name).mkdir(mode=0o700)
        server, start = self._folder / "server.json", self._folder / "start.json"
        server.write_text(json.dumps(self._server(root)), encoding="utf-8")
        command = [
            *(str(self.surroundings.python), "-P", "-m", "jupyterlab"),
            f"--config={_CONFIGURATION}",
        ]
        given = {**self._walls(own), **self._user(own, server), "command": command}
        start.write_text(json.dumps(given), encoding="utf-8")
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [
                    *(sys.executable, "-I", "-S", reaper.__file__, "--parent", str(os.getpid())),
                    *("--grace", str(_GRACE), "--folder", str(self._folder / "tmp"), "--"),
                    *(sys.executable, "-P", "-m", launch.__name__, str(start)),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=own,
                env=self._variables(own, server),
                start_new_session=True,
                umask=0o077 if self._account is None else 0o002,
            )

    def _user(self, own: Path, server: Path) -> dict[str, Any]:
        """Give the account what it needs, and return what its start has to know of it."""
        if (account := self._account) is None or (numbers := self.surroundings.accounts) is None:
            return {"user": None, "groups": [], "over": {}}
        numbers.hand_over(account, own, people.shared(self.surroundings.home))
        self._folder.chmod(0o711)
        (self._folder / "root").chmod(0o755)
        accounts.let_read(server, account)
        for name, group, mode in (("runtime", 0, 0o2750), ("tmp", account.uid, 0o700)):
            os.chown(self._folder / name, account.uid, group)  # the API server reaches the socket as group 0
            (self._folder / name).chmod(mode)
        over = numbers.name(account, self._folder, own)
        return {"user": account.uid, "groups": [account.shared], "over": over}

    def _make_folders(self) -> tuple[Path, Path]:
        """Make the person's folder, and the one that JupyterLab shows: links to what may be seen there."""
        home = self.surroundings.home
        own, shared = people.own(home, self.person.name), people.shared(home)
        for path in (own, shared):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        root = self._folder / "root"
        root.mkdir(mode=0o700)
        examples = people.top(home) / people.EXAMPLES
        for path in (own, shared, *([examples] if examples.is_dir() else [])):
            (root / path.name).symlink_to(path)
        return own, root

    def _server(self, root: Path) -> dict[str, Any]:
        return {
            "user": self.person.name,
            "public_key": self._public_key,
            "base_path": self.base_path,
            "base_url": self.surroundings.prefix + self.base_path,
            "socket": str(self.socket),
            "socket_mode": "0600" if self._account is None else "0660",
            "root": str(root),
            "preferred": str(root / people.folder_name(self.person.name)),
            "idle": self.surroundings.idle,
        }

    def _walls(self, own: Path) -> dict[str, Any]:
        home, given = self.surroundings.home, self.surroundings
        python = given.python
        read = [
            *_SYSTEM,
            *_readable_of_etc(),
            *_BESIDE_ETC,
            *(str(path) for path in (python.parents[1], python.resolve().parents[1], _CONFIGURATION.parent)),
            *(str(path) for path in (*given.readable, *given.kernels)),
            str(people.top(home) / people.EXAMPLES),
            str(self._folder),
        ]
        write = [
            *(str(path) for path in (own, people.shared(home))),
            *(str(self._folder / name) for name in ("runtime", "tmp")),
            *(f"/dev/{name}" for name in _DEVICES),
        ]
        hidden = [str(given.state), *_SOCKETS]
        if self._account is not None:
            hidden += accounts.closed([*read, *write])
        return {"read": read, "write": write, "hidden": hidden, "needs_walls": given.walls}

    def _variables(self, own: Path, server: Path) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not _HIDDEN.search(name)}
        path = f"{self.surroundings.python.parent}:{kept.get('PATH', os.defpath)}"
        ours = {
            "HOME": str(own),
            "TMPDIR": str(self._folder / "tmp"),
            "JUPYTER_RUNTIME_DIR": str(self._folder / "runtime"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "JUPYTER_CONFIG_PATH": str(_CONFIGURATION.parent / "lab" / "config"),
            "COUTURE_JUPYTER_SERVER": str(server),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        if self.surroundings.kernels:
            ours["JUPYTER_PATH"] = ":".join(map(str, self.surroundings.kernels))
        return {**kept, "PATH": path, **ours, **self.refresh()}

    def refresh(self) -> Mapping[str, str]:
        """Write anew what kernels read when they start; return the variables that tell them where it is."""
        return self.prepare(self.person, self._folder, self._account)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the reaper; if it was killed itself, do its work."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE * 2 + 5)
        deadline = time.monotonic() + _GRACE
        while (left := self._left(process.pid)) and time.monotonic() < deadline:
            for each in left:
                with contextlib.suppress(psutil.Error):
                    each.kill()
            time.sleep(0.02)
        if process.poll() is None:
            process.kill()
            process.wait()

    def _left(self, leader: int) -> list[psutil.Process]:
        """Return its living processes, also without the reaper, which adopts what loses its parent.

        Kernels, and what they start, may have sessions of their own: their variables tell whose they are.
        """
        session, runtime = set(reaper.members(leader)), str(self._folder / "runtime")
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                is_ours = process.pid in session or process.environ().get("JUPYTER_RUNTIME_DIR") == runtime
                if is_ours and process.pid != leader:
                    found |= {each.pid: each for each in (process, *process.children(recursive=True))}
        return [each for each in found.values() if each.pid != leader and _lives(each)]

    def _why(self) -> str:
        """Return why it ended."""
        if self._process is not None and self._process.returncode == launch.NO_WALLS:
            return (
                "This machine's kernel has no Landlock, so notebooks of one person could read another's and "
                "the workbench's keys. Use Linux 5.13 or newer with Landlock, or set [couture_workflow] "
                "jupyter_walls to False if everybody here may see everything."
            )
        try:
            said = (self._folder / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            said = []
        return f"JupyterLab ended while it started. It said last: {said[-1][:500] if said else 'nothing'}"


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def _readable_of_etc() -> Iterator[str]:
    """Give what of /etc everybody may read: as root, a notebook would read its secrets too."""
    for path in Path("/etc").iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mode & 0o004 and path.name not in ("ssh", "sudoers.d", "ssl"):
                yield str(path)
    yield "/etc/ssl/certs"
    yield "/etc/ssl/openssl.cnf"
