"""A mail server that keeps what it gets: SMTP over a real socket, with log-in, STARTTLS and refusals."""

from __future__ import annotations

import base64
import contextlib
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class _Server(socketserver.ThreadingTCPServer):
    """The server, and what its sessions share.

    :param accounts: name -> password; whoever sends a mail must have logged in then.
    :param refuse: the beginning of a command, in capitals -> the answer in the place of the usual one; "" for
        none, the connection ends; None for none, it stays.
    """

    daemon_threads = True

    def __init__(
        self,
        *,
        accounts: Mapping[str, str],
        refuse: Mapping[str, str | None],
        certificate: Path | None,
        encrypted: bool,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[str] = []
        self.accounts, self.refuse, self.encrypted = dict(accounts), refuse, encrypted
        self.context: ssl.SSLContext | None = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)


class _Session(socketserver.StreamRequestHandler):
    server: _Server
    secure = known = False

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            if self.server.encrypted:
                self._encrypt()
            self._say("220 tests")
            while (line := self.rfile.readline()) and self._command(line.decode().strip()):
                pass

    def _command(self, line: str) -> bool:
        """Answer a command; tell whether another one may follow."""
        upper = line.upper()
        for begin, answer in self.server.refuse.items():
            if upper.startswith(begin):
                if answer:
                    self._say(answer)
                elif answer is None:
                    self.rfile.read()  # until the other side has had enough
                return bool(answer)
        steps: dict[str, Callable[[str], None]] = {
            "EHLO": self._ehlo,
            "AUTH": self._auth,
            "STAR": self._starttls,
            "DATA": self._data,
            "MAIL": self._mail,
        }
        if upper.startswith("QUIT"):
            self._say("221 bye")
            return False
        steps.get(upper[:4], lambda _: self._say("250 ok"))(line)
        return True

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def _encrypt(self) -> None:
        assert self.server.context is not None
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.secure = True

    def _ehlo(self, _line: str) -> None:
        self._say("250-tests")
        if self.server.context is not None and not self.secure:
            self._say("250-STARTTLS")
        if self.server.accounts:
            self._say("250-AUTH PLAIN")
        self._say("250 8BITMIME")

    def _starttls(self, _line: str) -> None:
        self._say("220 go ahead")
        self._encrypt()

    def _auth(self, line: str) -> None:
        given = line.split()[2:]
        if not given:
            self._say("334 ")
            given = [self.rfile.readline().decode().strip()]
        _, name, password = base64.b64decode(given[0]).decode().split("\0")
        self.known = self.server.accounts.get(name) == password
        self._say("235 welcome" if self.known else "535 5.7.8 who are you")

    def _mail(self, _line: str) -> None:
        self._say("250 ok" if self.known or not self.server.accounts else "530 5.7.0 log in first")

    def _data(self, _line: str) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        self.server.mails.append(b"".join(lines).decode())
        self._say("250 2.0.0 queued as 4711")


@contextmanager
def mail_server(
    *,
    accounts: Mapping[str, str] | None = None,
    refuse: Mapping[str, str | None] | None = None,
    certificate: Path | None = None,
    encrypted: bool = False,
) -> Iterator[tuple[int, list[str]]]:
    """Give the port of an SMTP server on loopback, and the mails that it got so far.

    :param certificate: PEM file with key and certificate; the server has STARTTLS then.
    :param encrypted: it speaks TLS from the first byte on.
    """
    with _Server(
        accounts=accounts or {}, refuse=refuse or {}, certificate=certificate, encrypted=encrypted
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], server.mails
        finally:
            server.shutdown()
            thread.join()
