"""Programs that do not come from PyPI: Java, git; for the tests a JDK, Maven, Chromium, servers and more.

On Debian and Ubuntu they are installed through apt when the caller is root; otherwise the error is the one
line to type.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from couture_workflow.exceptions import RuntimeMissingError
from couture_workflow.services.runtimes import installed, python_ldap
from couture_workflow.services.runtimes.progress import follow

#: Tells Debian whether the server of a package may be started.
_POLICY = Path("/usr/sbin/policy-rc.d")


@dataclass(frozen=True)
class Program:
    """Something that must be on this machine.

    :param packages: names of the Debian packages that bring it, best first.
    :param is_service: the package would start a server, which nobody here wants.
    """

    name: str
    packages: tuple[str, ...]
    present: Callable[[], bool]
    is_service: bool = False


def _has_java() -> bool:
    try:
        installed.java()
    except RuntimeMissingError:
        return False
    return True


def _on_path(*names: str) -> Callable[[], bool]:
    return lambda: any(shutil.which(name) for name in names)


def _in_sbin(name: str) -> Callable[[], bool]:
    """Look where programs of administrators are, too."""
    return lambda: bool(shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"))


def _header(name: str) -> Callable[[], bool]:
    return lambda: any((Path(root) / name).exists() for root in python_ldap.INCLUDES)


def _has_postgresql() -> bool:
    return any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) and bool(shutil.which("psql"))


def _openjdk(kind: str) -> tuple[str, ...]:
    return tuple(f"openjdk-{version}-{kind}-headless" for version in (17, 21, 25))


JAVA = Program("Java 17 or newer", _openjdk("jre"), _has_java)
GIT = Program("git", ("git",), _on_path("git"))
JDK = Program("a Java compiler", _openjdk("jdk"), _on_path("javac"))
CHROMIUM = Program("Chromium", ("chromium", "chromium-browser"), _on_path("chromium", "chromium-browser"))
CURL = Program("curl", ("curl",), _on_path("curl"))
MAVEN = Program("Maven", ("maven",), _on_path("mvn"))
KINIT = Program("kinit", ("krb5-user",), _on_path("kinit"))
KDC = Program("a Kerberos KDC", ("krb5-kdc",), lambda: Path("/usr/sbin/krb5kdc").exists())
KADMIN = Program("kadmin.local", ("krb5-admin-server",), lambda: Path("/usr/sbin/kadmin.local").exists())
FAKETIME = Program(
    "libfaketime", ("libfaketime",), lambda: any(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
)
DOCKER = Program("Docker", ("docker.io",), lambda: bool(shutil.which("docker") and shutil.which("dockerd")))

SLAPD = Program("OpenLDAP's server", ("slapd",), _in_sbin("slapd"), is_service=True)
LDAP_UTILS = Program("OpenLDAP's commands", ("ldap-utils",), _on_path("ldapadd"))
LDAP_HEADERS = Program("OpenLDAP's headers", ("libldap-dev", "libldap2-dev"), _header("ldap.h"))
SASL_HEADERS = Program("SASL's headers", ("libsasl2-dev",), _header("sasl/sasl.h"))

POSTGRESQL = Program("PostgreSQL's server", ("postgresql",), _has_postgresql, is_service=True)
MARIADB = Program("MariaDB's server", ("mariadb-server",), _in_sbin("mariadbd"), is_service=True)
MARIADB_HEADERS = Program(
    "MariaDB's headers", ("libmariadb-dev",), lambda: bool(shutil.which("mariadb_config"))
)
REDIS = Program("Redis", ("redis-server",), _on_path("redis-server"), is_service=True)

#: What the workbench needs, and what its tests need beside that.
FOR_RUNNING = (JAVA, GIT)
FOR_TESTS = (
    *(JAVA, GIT, JDK, MAVEN, CHROMIUM, CURL, DOCKER),
    *(KINIT, KDC, KADMIN, FAKETIME),
    *(SLAPD, LDAP_UTILS, LDAP_HEADERS, SASL_HEADERS),
    *(POSTGRESQL, MARIADB, MARIADB_HEADERS, REDIS),
)


def in_words(programs: Iterable[Program]) -> str:
    """Return them in words."""
    return ", ".join(program.name for program in programs)


def ensure(programs: Iterable[Program], *, report: Callable[[str], None]) -> None:
    """Install what is missing, or raise the one line to type.

    :param report: is told what is being installed.
    """
    missing = [program for program in programs if not program.present()]
    if not missing:
        return
    names = " and ".join(program.name for program in missing)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        line = " ".join(program.packages[0] for program in missing)
        raise RuntimeMissingError(
            f"{names} is missing on this machine. Type: sudo apt-get install --yes {line}"
        )
    report(f"installing {names} with apt-get")
    packages = [_available(program) for program in missing]
    with _not_started() if any(program.is_service for program in missing) else nullcontext():
        _apt("install", "--yes", "--no-install-recommends", *packages)
    for program in missing:
        if not program.present():
            raise RuntimeMissingError(
                f"{program.name} is still missing after apt-get install {' '.join(packages)}: "
                "install it by hand."
            )


@contextmanager
def _not_started() -> Iterator[None]:
    """Keep Debian from starting the servers of packages, unless the machine has its own rule for that."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


def _available(program: Program) -> str:
    for refreshed in (False, True):
        if refreshed:
            _apt("update")
        for package in program.packages:
            found = subprocess.run(["apt-cache", "show", package], capture_output=True)  # noqa: S603, S607
            if found.returncode == 0 and found.stdout:
                return package
    raise RuntimeMissingError(
        f"apt-get knows none of {', '.join(program.packages)}: install {program.name} by hand."
    )


def _apt(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if said := follow(["apt-get", "-qq", *arguments], lambda line: None, environment=environment):
        raise RuntimeMissingError(
            f"apt-get {arguments[0]} failed. It says:\n{said}\nType: apt-get {' '.join(arguments)}"
        )
