"""The joint between the API server and Jupyter servers: where a person's server is, and who is there.

What is behind it, servers of this machine or a JupyterHub, is nobody else's business.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Literal, Protocol

import httpx

State = Literal["starting", "ready", "stopped"]


@dataclass(frozen=True, kw_only=True)
class Person:
    """An account that may use Jupyter.

    :param number: of the account in Airflow's database; fixed as long as it exists.
    :param name: of the account.
    """

    number: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that answers.

    :param address: ``unix:/path/of/socket`` or ``http://host:port``.
    :param base_path: what the browser's addresses of it begin with, such as ``/jupyter/ann/``; the path of
        ``[api] base_url`` comes before it.
    :param by_name: it is asked by the name in its address, which whatever is in front of it may go by, and is
        told nothing of the browser's own address; else it is told the host that the browser knows.
    """

    address: str
    base_path: str
    by_name: bool = False


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a start has come.

    :param waits_for: what it waits for, in words, such as "Waiting for JupyterLab to answer.".
    """

    state: State
    waits_for: str = ""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A server in the administrator's list.

    :param memory: bytes that its processes have; None: not known.
    :param kernels: that are open; None: not known.
    :param busy: kernels that run a cell.
    """

    person: Person
    since: datetime
    last_activity: datetime | None
    memory: int | None
    kernels: int | None
    busy: int | None


@cache
def certificates() -> ssl.SSLContext:
    """Return the authorities that vouch for ``https://`` addresses: those of this machine and public ones.

    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` name others, such as a company's own.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.set_default_verify_paths()
    return context


class Servers(Protocol):
    """People's servers. Each call raises ``JupyterError`` with a sentence if it cannot be done."""

    async def start(self, person: Person) -> Progress:
        """Begin to start the person's server, if it does not run, and say how far it is; it does not wait."""

    async def progress(self, person: Person) -> Progress:
        """Say how far the person's server is, and raise why its start failed; nothing is started."""

    async def find(self, person: Person) -> Server | None:
        """Return the person's server if it answers; cheap enough to be asked at each request."""

    def headers(self, person: Person, server: Server) -> Mapping[str, str]:
        """Return headers that tell the server who is there, good for a minute."""

    async def stop(self, person: Person) -> None:
        """End the server and all that runs below it."""

    async def listed(self) -> list[Listed]:
        """Return all servers that run."""
