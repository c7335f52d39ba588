"""What real SQL servers on loopback have in common: a folder of their own, an account, a start and an end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.services.daemons import TIED, wait_until
from tests.services.slapd import make_certificates
from tests.support.servers import free_port

#: What the servers' administrators are let in with; there are no others but those that tests make.
PASSWORD = "p'w \"d%s\\ ü€"


class SqlServer:
    """A server in a temporary folder, as an account that is not root.

    :param account: of the Debian package, taken where the tests run as root.
    """

    def __init__(self, account: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sql-", dir="/tmp"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            owner = pwd.getpwnam(account)
            self._as = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        make_certificates(self.folder)
        self.log = self.folder / "server.log"
        self._own()

    def _own(self) -> None:
        """Give what is in the folder to the account."""
        if self._as:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, self._as["user"], self._as["group"])

    def _run(self, command: list[str], *, text: str = "", environment: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            command,
            input=text.encode(),
            capture_output=True,
            cwd=self.folder,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", **(environment or {})},
            **self._as,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{(done.stdout + done.stderr).decode()[-3000:]}")
        return done.stdout.decode()

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        """Start it, with what it held before."""
        tied = TIED if shutil.which(TIED[0]) else []
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*tied, *self._command()],
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **self._as,
            )
        wait_until(self._answers, self.process, self.log, seconds=60)

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: at once, and orderly unless it is killed.

        :param number: of the signal.
        """
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(number)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let it be silent for a while: its processes stand still, the kernel goes on taking connections."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it and remove what it kept."""
        self.stop()
        with suppress(OSError):
            shutil.rmtree(self.folder)
