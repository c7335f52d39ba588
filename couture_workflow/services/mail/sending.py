"""The sending of a mail, with what the server said: its own words tell best why it refuses."""

from __future__ import annotations

import base64
import hmac
import html
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import MailError
from couture_workflow.services.mail.document import Server

_LONGEST_LINE = 500
_MOST_LINES = 200
_MOST_CHALLENGES = 5
_ENDS_LINE = {"br", "/p", "/li", "/tr", "/pre", *(f"/h{size}" for size in range(1, 7))}
_TAG, _HREF = re.compile(r"<([^<>]*)>"), re.compile(r"""(?i)\bhref=["']([^"']*)["']""")
_NOT_ASCII = (553, b"this server takes no address with other characters than those of ASCII before the @")


@dataclass
class Talk:
    """What was said between us and the server, a line for each command and answer; secrets are hidden.

    :param answer: the server's last one; of a mail that it took, what it said to that.
    :param refused: the receivers that it did not take, while it took others, with its words; "" for none.
    """

    lines: list[str] = field(default_factory=list)
    answer: str = ""
    refused: str = ""

    def we(self, line: str) -> None:
        """Note what we said."""
        self._add(f"> {line}")

    def they(self, code: int, text: bytes | str) -> None:
        """Note what the server said."""
        words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        self.answer = f"{code} {' '.join(words.split())}"[:_LONGEST_LINE]
        self._add(self.answer)

    def _add(self, line: str) -> None:
        if len(self.lines) < _MOST_LINES:
            self.lines.append(line[:_LONGEST_LINE])


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class _Noted:
    """A client of ``smtplib`` that notes what is said. Mixed in before one of its classes."""

    talk: Talk
    user: str
    password: str
    docmd: Callable[..., tuple[int, bytes]]
    _is_secret = False

    def putcmd(self, cmd: str, args: str = "") -> None:
        """Send a command, noted without what belongs to a log-in."""
        shown = f"{cmd.split()[0] if cmd else ''} ******" if self._is_secret else f"{cmd} {args}".strip()
        self.talk.we(shown)
        super().putcmd(cmd, args)  # type: ignore[misc]

    def getreply(self) -> tuple[int, bytes]:
        """Return the server's answer."""
        code, text = super().getreply()  # type: ignore[misc]
        self.talk.they(code, b"..." if self._is_secret and code == 334 else text)
        return code, text

    def auth(
        self, mechanism: str, authobject: Callable[..., Any], *, initial_response_ok: bool = True
    ) -> tuple[int, bytes]:
        """Log in; nothing that is sent for it is noted. ``smtplib`` alone takes ASCII passwords only."""
        initial = authobject() if initial_response_ok else None
        command = mechanism.upper() if initial is None else f"{mechanism.upper()} {_base64(initial)}"
        self._is_secret = True
        try:
            code, text = self.docmd("AUTH", command)
            for _ in range(_MOST_CHALLENGES):
                if code != 334:
                    break
                code, text = self.docmd(_base64(authobject(base64.decodebytes(text))))
        finally:
            self._is_secret = False
        if code not in (235, 503):
            raise smtplib.SMTPAuthenticationError(code, text)
        return code, text

    def auth_cram_md5(self, challenge: Any = None) -> Any:
        """Return the answer to a challenge of CRAM-MD5."""
        if challenge is None:
            return None
        return f"{self.user} {hmac.HMAC(self.password.encode(), challenge, 'md5').hexdigest()}"


class _Plain(_Noted, smtplib.SMTP):
    """Plain at first; STARTTLS may follow."""


class _Encrypted(_Noted, smtplib.SMTP_SSL):
    """Encrypted from the first byte on."""


def compose(
    server: Server,
    *,
    to: Sequence[str],
    subject: str,
    body: str,
    copies: Sequence[str] = (),
    files: Iterable[str] = (),
    headers: Iterable[tuple[str, str]] = (),
    message_id: str = "",
) -> EmailMessage:
    """Return a mail in HTML, with the same as plain text beside it."""
    mail = EmailMessage()
    mail["From"] = server.sender
    for name, addresses in (("To", to), ("Cc", copies)):
        if addresses:
            mail[name] = ", ".join(addresses)
    mail["Subject"] = " ".join(subject.split())
    mail["Date"] = formatdate(localtime=True)
    domain = parseaddr(server.sender)[1].rpartition("@")[2] or None
    mail["Message-ID"] = f"<{message_id}@{domain}>" if message_id and domain else make_msgid(domain=domain)
    for name, value in headers:
        mail[name] = value
    mail.set_content(_plain(body))
    mail.add_alternative(body, subtype="html")
    for name in files:
        path = Path(name)
        mail.add_attachment(
            path.read_bytes(), maintype="application", subtype="octet-stream", filename=path.name
        )
    return mail


def send(server: Server, password: str, mail: EmailMessage, to: Sequence[str]) -> Talk:
    """Send a mail and return what was said, or raise ``MailError`` that carries it.

    :param to: all who get it, those of no header too.
    """
    talk = Talk()
    try:
        client = _connected(server, talk)
        try:
            if server.user:
                client.login(server.user, password)
            refused = _deliver(client, mail, server.sender, to)
            answer = talk.answer
        finally:
            _leave(client)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        why = _why(error)
        away = not talk.lines or isinstance(why, TimeoutError)
        raise MailError(_sentence(server, why), talk=talk.lines, away=away) from error
    talk.answer, talk.refused = answer, _refusals(refused)
    return talk


def _deliver(
    client: smtplib.SMTP, mail: EmailMessage, sender: str, to: Sequence[str]
) -> dict[str, tuple[int, bytes]]:
    """Hand a mail over, and return who does not get it.

    ``smtplib`` gives up a mail if any name or address is not ASCII and the server cannot do that. But names
    need not go there, domains have a spelling in ASCII, and of the rest the others shall have their mail.
    """
    client.ehlo_or_helo_if_needed()
    receivers = {each: _in_ascii(parseaddr(each)[1]) for each in to}
    refused: dict[str, tuple[int, bytes]] = {}
    if not client.has_extn("smtputf8"):
        refused = {each: _NOT_ASCII for each, address in receivers.items() if not address.isascii()}
        _keep_ascii(mail)
    reached = [address for each, address in receivers.items() if each not in refused]
    if not reached:
        raise smtplib.SMTPRecipientsRefused(refused)
    return refused | client.send_message(mail, from_addr=_in_ascii(parseaddr(sender)[1]), to_addrs=reached)


def _in_ascii(address: str) -> str:
    """Return an address with its domain in ASCII; as it is if that would be another domain."""
    local, _, domain = address.rpartition("@")
    try:
        spelled = domain.encode("idna").decode("ascii")
        same = spelled.encode().decode("idna").casefold() == domain.lower()
    except UnicodeError:
        return address
    return f"{local}@{spelled}" if same else address


def _keep_ascii(mail: EmailMessage) -> None:
    """Take out of a mail's header the addresses that its server could not read."""
    for name in ("To", "Cc"):
        if mail[name] is None or all(each.addr_spec.isascii() for each in mail[name].addresses):
            continue
        found = [(each.display_name, _in_ascii(each.addr_spec)) for each in mail[name].addresses]
        del mail[name]
        if kept := [Address(shown, addr_spec=address) for shown, address in found if address.isascii()]:
            mail[name] = kept


def _leave(client: smtplib.SMTP) -> None:
    """Say goodbye; what becomes of that does not matter to a mail that was taken."""
    if client.sock is not None:
        with suppress(smtplib.SMTPException, OSError):
            client.quit()
    client.close()


def _connected(server: Server, talk: Talk) -> smtplib.SMTP:
    """Return a client that is connected and, if so wished, encrypted."""
    context = ssl.create_default_context()
    if not server.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    # Made without a server at first, so that the greeting is noted too.
    client: _Plain | _Encrypted
    if server.security == "tls":
        client = _Encrypted(timeout=server.timeout, context=context)
    else:
        client = _Plain(timeout=server.timeout)
    client.talk = talk
    client._host = server.host  # type: ignore[union-attr] # what the certificate is compared with
    try:
        client.connect(server.host, server.port)
        if server.security == "starttls":
            client.starttls(context=context)
    except BaseException:
        client.close()
        raise
    return client


def _why(error: Exception) -> Exception:
    """Return the error of the connection behind one of ``smtplib``, if there is one."""
    if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(error.__context__, OSError):
        return error.__context__
    return error


def _sentence(server: Server, error: Exception) -> str:
    """Say what went wrong, and what the server said about it."""
    if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
        return _no_connection(server, error)
    place = f"{server.host}:{server.port}"
    match error:
        case smtplib.SMTPAuthenticationError():
            said = f"{place} refused the user name or the password of {server.user}"
        case smtplib.SMTPRecipientsRefused():
            said = f"{place} takes no mail for these addresses"
        case smtplib.SMTPSenderRefused():
            said = f"{place} takes no mail from {server.sender}"
        case smtplib.SMTPNotSupportedError():
            return f"{place} cannot do what the settings ask for ({error})"
        case smtplib.SMTPServerDisconnected():
            return f"{place} ended the connection ({error})"
        case _:
            said = f"{place} did not take the mail"
    return f"{said}. The server said: {_words(error)}"


def _words(error: Exception) -> str:
    """Return the server's own words of a refusal."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _refusals(error.recipients)
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        return f"{error.smtp_code} {' '.join(words.split())}"
    return str(error)


def _refusals(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return "; ".join(
        f"{address}: {code} {' '.join(text.decode('utf-8', 'replace').split())}"
        for address, (code, text) in refused.items()
    )


def _no_connection(server: Server, error: OSError) -> str:
    place = f"{server.host}:{server.port}"
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"The certificate of {place} is not trusted here: {error.verify_message}. Have this machine "
                "trust who signed it, or switch off the check of certificates."
            )
        case ssl.SSLError():
            return (
                f"{place} does not speak TLS in this way ({error.reason or error}). STARTTLS is usual on "
                "port 587, TLS from the start on 465."
            )
        case TimeoutError():
            return f"{place} did not answer within {server.timeout} seconds. Check name, port and firewall."
        case socket.gaierror():
            return f"The name {server.host} cannot be resolved. Check how it is spelled."
        case ConnectionRefusedError():
            return f"Nothing listens at {place}. Check the port, and whether the server runs."
        case _:
            return f"{place} cannot be reached ({error}). Check name, port and firewall."


def _plain(body: str) -> str:
    """Return the text of simple HTML, with the addresses that its links lead to."""
    links: list[str] = []

    def text_of(tag: re.Match[str]) -> str:
        name = tag[1].split(maxsplit=1)[0].lower().rstrip("/") if tag[1].strip() else ""
        if name == "a":
            found = _HREF.search(tag[1])
            links.append(found[1] if found else "")
        elif name == "/a" and links:
            return f": {link}" if (link := links.pop()) else ""
        return "\n" if name in _ENDS_LINE else ""

    return html.unescape(_TAG.sub(text_of, body)).strip() + "\n"
