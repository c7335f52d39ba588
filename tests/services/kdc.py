"""A Kerberos realm of its own for tests (MIT): nothing below /etc is read or written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.services import daemons
from tests.support.spark import free_ports

REALM = "TEST.EXAMPLE"
PATH = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin"
#: What the keytab of a cluster's daemons has.
DAEMONS = ("hdfs/localhost", "yarn/localhost", "HTTP/localhost")

_CLIENT = """[libdefaults]
  default_realm = {realm}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  rdns = false
  dns_canonicalize_hostname = false
  udp_preference_limit = 1
  ticket_lifetime = 1h
  renew_lifetime = 1d
  forwardable = true
[realms]
  {realm} = {{
    kdc = 127.0.0.1:{port}
  }}
[domain_realm]
  localhost = {realm}
"""
_SERVER = """[kdcdefaults]
  kdc_listen = 127.0.0.1:{port}
  kdc_tcp_listen = 127.0.0.1:{port}
[realms]
  {realm} = {{
    database_name = {folder}/principal
    key_stash_file = {folder}/stash
    acl_file = {folder}/kadm5.acl
    max_life = 1h
    max_renewable_life = 1d
    default_principal_flags = +preauth
    supported_enctypes = aes256-cts:normal aes128-cts:normal
  }}
[logging]
  kdc = FILE:{folder}/kdc.log
"""


class Kdc:
    """One realm; ``krb5_conf`` is for its clients."""

    def __init__(self, folder: Path) -> None:
        for program in ("krb5kdc", "kadmin.local", "kdb5_util", "kinit"):
            if not shutil.which(program, path=PATH):
                pytest.skip("needs a Kerberos server (Debian: krb5-kdc krb5-admin-server krb5-user)")
        (self.port,) = free_ports(1)
        self.folder = folder
        folder.mkdir(parents=True, mode=0o700)
        said = {"realm": REALM, "port": self.port, "folder": folder}
        self.krb5_conf = folder / "krb5.conf"
        self.krb5_conf.write_text(_CLIENT.format(**said))
        (folder / "kdc.conf").write_text(_SERVER.format(**said))
        self.process: subprocess.Popen[bytes] | None = None
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master")

    def keytab(self, path: Path, *principals: str) -> Path:
        """Write a keytab with new keys of principals, which are made where they are new."""
        for principal in principals:
            if f"{principal}@{REALM}" not in self._admin("listprincs").split():
                self._admin(f"addprinc -randkey -maxrenewlife 1d {principal}")
            self._admin(f"ktadd -k {path} {principal}")
        path.chmod(0o600)
        return path

    def start(self) -> None:
        """Start the KDC and wait until it answers."""
        log = self.folder / "out.log"
        words = [
            str(shutil.which("krb5kdc", path=PATH)),
            "-n",
            "-r",
            REALM,
            "-P",
            str(self.folder / "kdc.pid"),
        ]
        self.process = daemons.start(words, log, self.environment())
        daemons.wait_until(lambda: daemons.answers(self.port), self.process, log)

    def stop(self) -> None:
        """Stop the KDC."""
        if self.process is not None:
            daemons.stop(self.process)
            self.process = None

    def environment(self) -> dict[str, str]:
        """Return the variables of its programs."""
        own = {"KRB5_CONFIG": str(self.krb5_conf), "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf")}
        return {**os.environ, **own, "PATH": PATH}

    def _admin(self, query: str) -> str:
        done = self._run("kadmin.local", "-r", REALM, "-q", query)
        assert ": " not in done.stderr, done.stderr  # it exits with 0 after a query that failed
        return done.stdout

    def _run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(shutil.which(program, path=PATH)), *words]
        return subprocess.run(
            command,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )


@contextmanager
def started(folder: Path) -> Iterator[Kdc]:
    """Run a KDC."""
    kdc = Kdc(folder)
    try:
        kdc.start()
        yield kdc
    finally:
        kdc.stop()
