"""Protected connections to a directory, tried by Python's own TLS: which servers answer, and why one fails.

The LDAP library of some systems has no more to say than "unknown error code". And where it uses GnuTLS, as
on Debian, its limits of time do not hold for the handshake: a server that takes a connection and says nothing
makes it ask the socket again and again, for ever. So it only gets servers that have just made a handshake.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

#: The extended request STARTTLS as LDAP has it on the wire: message 1, OID 1.3.6.1.4.1.1466.20037.
_STARTTLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
_SUCCESS = b"\x0a\x01\x00"
_PORTS = {"ldap": 389, "ldaps": 636}


def why(values: Mapping[str, Any], seconds: float) -> str:
    """Return what is wrong with the connection to the first server that fails, "" if nothing is found."""
    for address in str(values["AUTH_LDAP_SERVER"]).split():
        if said := _why(address, values, seconds):
            return said
    return ""


def answering(values: Mapping[str, Any], seconds: float) -> list[str]:
    """Return the servers that leave nobody waiting; what else is wrong with one, the LDAP library says."""
    return [each for each in str(values["AUTH_LDAP_SERVER"]).split() if not _is_silent(each, values, seconds)]


def _is_silent(address: str, values: Mapping[str, Any], seconds: float) -> bool:
    parts = urlsplit(address)
    if parts.scheme != "ldaps" and not values["AUTH_LDAP_USE_TLS"]:
        return False  # the limits of the LDAP library hold
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is said over it
    place = (parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 389))
    try:
        with contextlib.closing(socket.create_connection(place, timeout=seconds)) as connection:
            _protected(connection, place[0], parts.scheme, values, context)
    except TimeoutError:
        return True
    except OSError:
        return False
    return False


def _why(address: str, values: Mapping[str, Any], seconds: float) -> str:
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 389)
    place = f"{host}, port {port}"
    try:
        connection = socket.create_connection((host, port), timeout=seconds)
    except socket.gaierror as error:
        return (
            f"The name {host} cannot be resolved ({error.strerror}). Correct it, or look at the name server."
        )
    except TimeoutError:
        return (
            f"{place}, does not answer. Look whether a firewall is in between, and whether the address "
            "is right."
        )
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        return f"{place}, cannot be reached ({said}). Look whether the directory runs and listens there."
    with contextlib.closing(connection):
        try:
            return _protected(connection, host, parts.scheme, values, _context(values))
        except TimeoutError:
            return f"{place}, is silent: it takes the connection and says nothing."
        except ssl.SSLCertVerificationError as error:
            return _certificate(error, host)
        except ssl.SSLError as error:
            return (
                f"{place}, does not speak TLS as expected ({error.reason}). Look at scheme, port and "
                "STARTTLS."
            )
        except OSError as error:
            said = error.strerror or str(error)
            return f"{place}, ended the connection ({said.lower()}). Look at scheme, port and STARTTLS."


def _protected(
    connection: socket.socket, host: str, scheme: str, values: Mapping[str, Any], context: ssl.SSLContext
) -> str:
    """Make a handshake and return why there is none, "" if there is one or none is wanted."""
    if values["AUTH_LDAP_USE_TLS"]:
        connection.sendall(_STARTTLS)
        if _SUCCESS not in connection.recv(4096):
            return f"{host} refuses STARTTLS. Use ldaps://, or let the directory offer it."
    elif scheme != "ldaps":
        return ""
    with context.wrap_socket(connection, server_hostname=host):
        return ""


def _context(values: Mapping[str, Any]) -> ssl.SSLContext:
    file, folder = values["AUTH_LDAP_TLS_CACERTFILE"], values["AUTH_LDAP_TLS_CACERTDIR"]
    context = ssl.create_default_context(cafile=file or None, capath=folder or None)
    if values["AUTH_LDAP_ALLOW_SELF_SIGNED"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if values["AUTH_LDAP_TLS_CERTFILE"]:
        context.load_cert_chain(values["AUTH_LDAP_TLS_CERTFILE"], values["AUTH_LDAP_TLS_KEYFILE"] or None)
    return context


def _certificate(error: ssl.SSLCertVerificationError, host: str) -> str:
    said = error.verify_message
    if "match" in said.lower():
        return (
            f"The certificate of the directory is for another name: {said}. Write the name that it has "
            "as server."
        )
    if "expired" in said or "not yet valid" in said:
        return f"The certificate of the directory at {host}: {said}. Renew it, and compare the clocks."
    return (
        f"The certificate of the directory at {host} is not trusted: {said}. Name the file with the "
        "certificate of the authority that signed it."
    )
