"""A real OpenLDAP server on loopback: ldap:// with STARTTLS and ldaps://, a certificate made on the spot.

``Slapd`` is a context manager; the fixture ``slapd`` runs one for all tests of a session. Debian's packages
slapd and ldap-utils have what it needs.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.workbench import free_port

SUFFIX = "dc=lab,dc=test"
PEOPLE, GROUPS = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"
SERVICE, SERVICE_PASSWORD = f"cn=binder,{SUFFIX}", "bind s3cret ü"
ADMINS, ANALYSTS, OPERATORS = (f"cn={name},{GROUPS}" for name in ("admins", "analysts", "operators"))

HOSTILE = ("*", "x)(uid=alice", "a)(|(uid=*", "o'brien, (the) \\ <b>", "zoë ünïcode")
#: Name -> groups whose members list the full name. The password is the name and " pw".
USERS: Mapping[str, tuple[str, ...]] = {
    "alice": ("admins", "analysts"),
    "bob": ("analysts",),
    "carol": (),
    "erin": ("analysts",),
    "frank": (),
    "admin": (),
    **dict.fromkeys(HOSTILE, ()),
}
#: Whom the group "operators" lists by the user name alone, as groups of the operating system do.
OPERATING = ("erin",)

_ROOT, _ROOT_PASSWORD = f"cn=root,{SUFFIX}", "root"
_PROGRAMS = ("slapd", "ldapadd")
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def missing() -> str:
    """Return the reason for a skip, "" if there can be a server."""
    absent = [name for name in _PROGRAMS if not shutil.which(name, path=_PATH)]
    return f"needs {' and '.join(absent)} (Debian: slapd, ldap-utils)" if absent else ""


def password(name: str) -> str:
    """Return the password of somebody."""
    return f"{name} pw"


def until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come about")
        time.sleep(0.02)


class Slapd:
    """The server, empty of everything but ``USERS`` and three groups.

    :param folder: of its own, with a short path.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "db").mkdir(parents=True)
        self.ca, self.other_ca = folder / "ca.pem", folder / "other-ca.pem"
        make_certificates(folder)
        self._configure()

    @property
    def url(self) -> str:
        """Return the address for STARTTLS; the LDAP library takes localhost for the machine's own name."""
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def secure_url(self) -> str:
        """Return the address that is encrypted from its first byte."""
        return f"ldaps://127.0.0.1:{self.tls_port}"

    def _configure(self) -> None:
        schemas = "".join(
            f"include /etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine", "nis", "inetorgperson")
        )
        (self.folder / "slapd.conf").write_text(
            f"{schemas}modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload memberof\n"
            f"pidfile {self.folder}/slapd.pid\nargsfile {self.folder}/slapd.args\n"
            f"TLSCACertificateFile {self.ca}\nTLSCertificateFile {self.folder}/cert.pem\n"
            f"TLSCertificateKeyFile {self.folder}/key.pem\n"
            f"database mdb\nmaxsize 33554432\nsuffix {SUFFIX}\nrootdn {_ROOT}\nrootpw {_ROOT_PASSWORD}\n"
            f"directory {self.folder}/db\nindex objectClass,uid eq\n"
            "overlay memberof\nmemberof-group-oc groupOfNames\nmemberof-member-ad member\n"
            "access to attrs=userPassword by anonymous auth by self write by * none\n"
            f'access to * by dn.exact="{SERVICE}" read by dn.children="{PEOPLE}" read by * none\n'
        )

    def __enter__(self) -> Slapd:
        """Start it and fill it."""
        self.start()
        try:
            # Through the server, not slapadd: only so does the overlay fill memberOf.
            done = subprocess.run(
                ["ldapadd", "-x", "-H", self.url, "-D", _ROOT, "-w", _ROOT_PASSWORD],
                input=entries().encode(),
                capture_output=True,
                env={**os.environ, "PATH": _PATH},
            )
            if done.returncode:
                raise RuntimeError(done.stderr.decode())
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()

    def start(self) -> None:
        """Start it, with what it held before."""
        self.process = subprocess.Popen(
            [str(shutil.which("slapd", path=_PATH)), "-d", "0", "-f", str(self.folder / "slapd.conf")]
            + ["-h", f"{self.url}/ {self.secure_url}/"],
            stdout=(self.folder / "slapd.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        until(self._answers)

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"slapd did not start:\n{(self.folder / 'slapd.log').read_text()[-2000:]}")
        try:
            for port in (self.port, self.tls_port):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Let it be down for a while: connections are refused."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let it be silent for a while: it takes connections and says nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def settings(self, **others: Any) -> dict[str, Any]:
        """Return settings that fit it: STARTTLS, a service account, roles by groups."""
        return {
            "AUTH_TYPE": "ldap",
            "LOCAL_ACCOUNTS": ["admin"],
            "AUTH_LDAP_SERVER": self.url,
            "AUTH_LDAP_USE_TLS": True,
            "AUTH_LDAP_TLS_DEMAND": True,
            "AUTH_LDAP_TLS_CACERTFILE": str(self.ca),
            "AUTH_LDAP_BIND_USER": SERVICE,
            "AUTH_LDAP_SEARCH": PEOPLE,
            "AUTH_USER_REGISTRATION": True,
            "AUTH_USER_REGISTRATION_ROLE": "Viewer",
            "AUTH_ROLES_MAPPING": {ADMINS: ["Admin"], ANALYSTS: ["User"]},
            "AUTH_ROLES_SYNC_AT_LOGIN": True,
            **others,
        }

    def change(self, text: str) -> None:
        """Change entries, by LDIF."""
        subprocess.run(
            ["ldapmodify", "-x", "-H", self.url, "-D", _ROOT, "-w", _ROOT_PASSWORD],
            input=text.encode(),
            check=True,
            capture_output=True,
        )


def make_certificates(folder: Path) -> None:
    """Make ca.pem; cert.pem and key.pem, signed by it, for 127.0.0.1; other-ca.pem, which signed nothing."""
    ca, other, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    (folder / "ca.pem").write_bytes(_certificate("Lab CA", ca, "Lab CA", ca, is_ca=True))
    (folder / "other-ca.pem").write_bytes(_certificate("Other CA", other, "Other CA", other, is_ca=True))
    (folder / "cert.pem").write_bytes(_certificate("lab", server, "Lab CA", ca, is_ca=False))
    (folder / "key.pem").touch(mode=0o600)
    (folder / "key.pem").write_bytes(
        server.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool,
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)]) for each in (subject, issuer)]
    builder = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if not is_ca:
        alternatives = [x509.DNSName("lab.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def dn_of(name: str) -> str:
    """Return the full name of somebody."""
    odd = b'\\,+"<>;=# '
    letters = (f"\\{byte:02x}" if byte in odd or byte > 126 else chr(byte) for byte in name.encode())
    return f"uid={''.join(letters)},{PEOPLE}"


def _line(name: str, value: str) -> str:
    """Return a line of LDIF: in base64, in which any value is one line."""
    return f"{name}:: {base64.b64encode(value.encode()).decode()}\n"


def entries() -> str:
    """Return all entries as LDIF."""
    text = f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: Lab\ndc: lab\n\n"
    for unit in (PEOPLE, GROUPS):
        text += f"dn: {unit}\nobjectClass: organizationalUnit\nou: {unit.partition(',')[0][3:]}\n\n"
    text += f"dn: {SERVICE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: binder\n"
    text += _line("userPassword", SERVICE_PASSWORD) + "\n"
    for name in USERS:
        text += _line("dn", dn_of(name)) + "objectClass: inetOrgPerson\n" + _line("uid", name)
        text += _line("cn", name) + _line("sn", "Lab") + _line("givenName", name.title())
        text += (
            _line("mail", f"u{name.encode().hex()}@lab.test") + _line("userPassword", password(name)) + "\n"
        )
    for group in ("admins", "analysts"):
        text += f"dn: cn={group},{GROUPS}\nobjectClass: groupOfNames\ncn: {group}\n"
        text += "".join(_line("member", dn_of(name)) for name, of in USERS.items() if group in of) + "\n"
    text += f"dn: {OPERATORS}\nobjectClass: posixGroup\ncn: operators\ngidNumber: 700\n"
    return text + "".join(f"memberUid: {name}\n" for name in OPERATING)


@pytest.fixture(scope="session")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """Run a server for all tests of the session; skip where there can be none."""
    if reason := missing():
        pytest.skip(reason)
    with Slapd(tmp_path_factory.mktemp("slapd") / "d") as running:
        yield running
