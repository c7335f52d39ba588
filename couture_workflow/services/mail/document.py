"""The settings of the mail server: what each may be, and ``mail.yaml`` in the configuration repository."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import yaml

from couture_workflow.exceptions import CorruptError, InvalidError
from couture_workflow.services.texts import plain_yaml

PATH = "mail.yaml"
VERSION = 1
#: Name of the password in what is sent and shown; what stands for it there means "leave it as it is".
PASSWORD = "password"  # noqa: S105
MASK = "******"

Security = Literal["none", "starttls", "tls"]
SECURITIES: tuple[Security, ...] = get_args(Security)
#: The usual port of each.
PORTS: Mapping[Security, int] = {"none": 25, "starttls": 587, "tls": 465}

_LONGEST = 500
_ATOM = r"[\w!#$%&'*+/=^`{|}~-]+"
_BARE = rf"{_ATOM}(?:\.{_ATOM})*@[\w-]+(?:\.[\w-]+)*"
#: What an address consists of, with a name before it or not; quoted parts before the @ are left to history.
#: A name, also one in letters of any language, or an address of either IP.
_HOST = re.compile(r"[\w.:%\[\]-]*")
_ADDRESS = re.compile(rf"{_BARE}|(?:\"[^\"\\?]*\" *|[\w .'&+/-]*)<{_BARE}>")
_MOST_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Server:
    """A mail server, and how to talk to it.

    :param host: its name or address, "" for none: no mail is sent.
    :param security: "starttls" encrypts after the greeting, "tls" from the first byte on.
    :param verify: refuse a certificate that this machine does not trust.
    :param user: account to log in with, "" for none.
    :param sender: address that mails come from.
    :param timeout: seconds to wait for an answer.
    """

    host: str = ""
    port: int = PORTS["starttls"]
    security: Security = "starttls"
    verify: bool = True
    user: str = ""
    sender: str = ""
    timeout: int = 30

    def json(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return asdict(self)


NAMES = tuple(field.name for field in fields(Server))
NOBODY = Server()


def normal(data: Mapping[str, Any]) -> Server:
    """Return settings that somebody sent, checked, or raise ``InvalidError``.

    What is left out has its default. The password is none of them.
    """
    unknown = sorted(str(name) for name in data if name not in NAMES and name != PASSWORD)
    if unknown:
        raise InvalidError(
            f"There is no setting {unknown[0][:60]!r}. These are: {', '.join(NAMES)}, {PASSWORD}.",
            field=unknown[0],
        )
    security = data.get("security", NOBODY.security)
    if security not in SECURITIES:
        raise InvalidError(f"security must be one of {', '.join(SECURITIES)}.", field="security")
    verify = data.get("verify", True)
    if not isinstance(verify, bool):
        raise InvalidError("verify must be true or false.", field="verify")
    server = Server(
        host=_line(data, "host"),
        port=_number(data, "port", PORTS[security], 65535),
        security=security,
        verify=verify,
        user=_line(data, "user"),
        sender=_line(data, "sender"),
        timeout=_number(data, "timeout", NOBODY.timeout, _MOST_SECONDS),
    )
    return _checked(server)


def is_address(text: str) -> bool:
    """Tell whether a text is an address of mail, with or without a name: ``Ann <ann@example.org>``."""
    return len(text) <= _LONGEST and text.isprintable() and bool(_ADDRESS.fullmatch(text))


def _is_host(text: str) -> bool:
    try:
        text.encode("idna")
    except UnicodeError:
        return False
    return bool(_HOST.fullmatch(text))


def _checked(server: Server) -> Server:
    if not _is_host(server.host):
        raise InvalidError(
            f"{server.host!r} is no name of a server. Give the name or the address alone, such as "
            "smtp.example.org.",
            field="host",
        )
    if server.sender and not is_address(server.sender):
        raise InvalidError(
            f"{server.sender!r} is no address. Give one such as airflow@example.org, or Airflow "
            "<airflow@example.org>.",
            field="sender",
        )
    if server.host and not server.sender:
        raise InvalidError(
            "Say which address mails come from: servers refuse mails of a sender that they do not know.",
            field="sender",
        )
    return server


def _line(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name, "")
    text = value.strip() if isinstance(value, str) else None
    if text is None or len(text) > _LONGEST or not text.isprintable():
        raise InvalidError(
            f"{name} must be one line of at most {_LONGEST} characters without control characters.",
            field=name,
        )
    return text


def _number(data: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = data.get(name, default)
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal()) or not 0 < int(text[:9]) <= most:
        raise InvalidError(f"{name} must be a whole number from 1 to {most}.", field=name)
    return int(text)


def parse(content: bytes) -> Server:
    """Read the text of ``mail.yaml``."""
    try:
        data = plain_yaml.load(content.decode("utf-8-sig"))
        if not isinstance(data, dict) or data.pop("version", VERSION) != VERSION:
            raise InvalidError(f"it is no list of settings of version {VERSION}.")
        data.pop("password_changed", None)
        return normal(data)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, InvalidError) as error:
        raise CorruptError(
            f"{PATH} in the configuration repository is damaged: {' '.join(str(error).split())} Save the "
            "settings anew on Admin > Mail.",
            path=PATH,
        ) from error


def dump(server: Server, *, password_changed: str = "") -> bytes:
    """Return the text of ``mail.yaml``.

    :param password_changed: when a password was saved with it, "" if none was.
    """
    data: dict[str, Any] = {"version": VERSION, **server.json()}
    if password_changed:
        data["password_changed"] = password_changed
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000).encode()
