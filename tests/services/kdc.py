"""A real MIT KDC on loopback, in a folder of its own: nothing below /etc is read or written.

    with kdc(tmp_path / "kdc") as running:
        keytab = running.keytab("etl")
        running.krb5_conf

The fixture ``kdc_server`` gives one for a module: ``from tests.services.kdc import kdc_server``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import free_port

REALM = "LAB.TEST"
NEEDED = {
    "krb5kdc": "krb5-kdc",
    "kdb5_util": "krb5-kdc",
    "kadmin.local": "krb5-admin-server",
    "kinit": "krb5-user",
}

#: The library that gives a program another time.
FAKETIME = tuple(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")))

_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
_PATIENCE = 60.0


def missing() -> str:
    """Return the Debian packages that a KDC needs and this machine has not, "" if it has all."""
    gone = [package for name, package in NEEDED.items() if shutil.which(name, path=_PATH) is None]
    return " ".join(dict.fromkeys([*gone, *([] if FAKETIME else ["libfaketime"])]))


def require() -> None:
    """Skip the test where there can be no KDC."""
    if packages := missing():
        pytest.skip(f"needs a Kerberos KDC (apt-get install {packages})")


class Kdc:
    """One realm with its KDC.

    :param enctypes: that new keys have, as kdc.conf writes them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        realm: str = REALM,
        enctypes: str = "aes256-cts:normal aes128-cts:normal",
        max_life: str = "1h",
        options: tuple[str, ...] = (),
    ) -> None:
        self.folder, self.realm = folder, realm
        self.port = free_port()
        folder.mkdir(parents=True, mode=0o700)
        self.krb5_conf = self.configuration(self.port)
        self._conf, self._kdc_conf = folder / "krb5.conf", folder / "kdc.conf"
        self._conf.write_text(self.krb5_conf)
        self._kdc_conf.write_text(
            f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{self.port}\n kdc_tcp_listen = 127.0.0.1:{self.port}\n"
            f"[realms]\n {realm} = {{\n  database_name = {folder}/principal\n"
            f"  key_stash_file = {folder}/stash\n  acl_file = {folder}/kadm5.acl\n  max_life = {max_life}\n"
            "  max_renewable_life = 1d\n  default_principal_flags = +preauth\n"
            f"  supported_enctypes = {enctypes}\n }}\n[logging]\n kdc = FILE:{folder}/kdc.log\n"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._known: set[str] = set()

    def configuration(self, port: int, *options: str) -> str:
        """Return a krb5.conf for clients, with the KDC at some port of this machine.

        :param options: further lines of [libdefaults].
        """
        more = "".join(f" {line}\n" for line in options)
        return (
            f"[libdefaults]\n default_realm = {self.realm}\n dns_lookup_kdc = false\n"
            " dns_lookup_realm = false\n rdns = false\n dns_canonicalize_hostname = false\n"
            f" udp_preference_limit = 1\n renew_lifetime = 1d\n{more}\n"
            f"[realms]\n {self.realm} = {{\n  kdc = 127.0.0.1:{port}\n }}\n\n"
            f"[domain_realm]\n localhost = {self.realm}\n"
        )

    def start(self, *, skew: int = 0) -> None:
        """Make the realm, if it is new, and start the KDC.

        :param skew: seconds that its clock is ahead.
        """
        if not (self.folder / "principal").exists():
            self._run("kdb5_util", "create", "-s", "-r", self.realm, "-P", "master")
        with (self.folder / "out.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program("krb5kdc"), "-n", "-r", self.realm, "-P", str(self.folder / "pid")],
                env={**self._environment(), **_skewed(skew)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the KDC did not start:\n{(self.folder / 'out.log').read_text()[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the KDC; ``start`` brings it back with the same realm."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Have no KDC for a while: connections are refused."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def skewed(self, seconds: int) -> Iterator[None]:
        """Have a KDC whose clock is ahead, for a while."""
        self.stop()
        try:
            self.start(skew=seconds)
            yield
        finally:
            self.stop()
            self.start()

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Have a KDC that takes connections and answers nothing, for a while."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def admin(self, query: str) -> str:
        """Run one command of kadmin, which ends with 0 whatever came of it."""
        done = self._run("kadmin.local", "-r", self.realm, "-q", query)
        if ": " in done.stderr:
            raise RuntimeError(done.stderr)
        return done.stdout

    def keytab(self, *principals: str, enctypes: str = "") -> bytes:
        """Return a keytab with new keys of principals, made when they are new: older keytabs are stale then.

        :param enctypes: of the keys, as kadmin writes them: "aes256-cts:normal".
        """
        path = self.folder / f"keytab-{time.monotonic_ns()}"
        choice = f"-e {enctypes} " if enctypes else ""
        for principal in principals:
            if principal not in self._known:
                self.admin(f"addprinc -randkey -maxrenewlife 1d {principal}")
                self._known.add(principal)
            self.admin(f"ktadd -k {path} {choice}{principal}")
        content = path.read_bytes()
        path.unlink()
        return content

    def _run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._program(name), *arguments],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )

    def _program(self, name: str) -> str:
        found = shutil.which(name, path=_PATH)
        assert found is not None, name
        return found

    def _environment(self) -> dict[str, str]:
        own = {"KRB5_CONFIG": str(self._conf), "KRB5_KDC_PROFILE": str(self._kdc_conf), "LC_ALL": "C"}
        return {**os.environ, **own}

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


def _skewed(seconds: int) -> dict[str, str]:
    """Return what makes a program see another time: not `faketime`, which stays as a parent."""
    if not seconds:
        return {}
    (library,) = FAKETIME[:1]
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{seconds:+d}s"}


@contextlib.contextmanager
def kdc(folder: Path, *, realm: str = REALM, **more: str) -> Iterator[Kdc]:
    """Run a KDC until the end of the block."""
    running = Kdc(folder, realm=realm, **more)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def kdc_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    """Run one KDC for the tests of a module."""
    require()
    with kdc(tmp_path_factory.mktemp("kdc") / "realm") as running:
        yield running
