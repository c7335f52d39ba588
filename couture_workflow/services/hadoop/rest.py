"""Requests to a cluster's REST API, each in a process that is killed when its time is over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from couture_workflow.exceptions import HadoopError
from couture_workflow.services.hadoop import rest_call

#: Kind of failure -> what is wrong and what to do; {host} and {port} are the server's.
_FAILURES = {
    "ticket": (
        "Kerberos makes no token for HTTP/{host}",
        "Look whether the keytab is the right one, and whether the clock and the realm fit.",
    ),
    "certificate": (
        "its certificate is not trusted",
        "Add the certificate of its authority to the system's (update-ca-certificates), or name a file of "
        "it in the variable SSL_CERT_FILE.",
    ),
    "tls": ("it does not speak TLS", "Look whether the address is one of HTTP (yarn.http.policy)."),
    "name": (
        "there is no host {host}",
        "Correct the name, or the DNS server or /etc/hosts of this machine.",
    ),
    "refused": (
        "nothing listens at port {port} of {host}",
        "Look whether the service runs, and whether the port is right.",
    ),
    "network": ("the network does not lead there", "Look at the firewall and at the routes."),
    "answer": (
        "it does not answer in HTTP",
        "Look whether the port {port} is the one of its web pages.",
    ),
    "time": (
        "it did not answer within {seconds:.0f} seconds",
        "Look at the firewall, and whether the service hangs.",
    ),
}


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    :param location: where else it sends the caller, "" for nowhere.
    """

    status: int
    body: str
    location: str = ""


def call(
    method: str,
    url: str,
    *,
    seconds: float,
    body: Mapping[str, object] | None = None,
    spnego: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Answer:
    """Send a request and return the answer, whatever its status, or raise ``HadoopError``.

    :param seconds: until the process is killed.
    :param variables: KRB5CCNAME and KRB5_CONFIG of a ticket.
    """
    asked = {
        "method": method,
        "url": url,
        "body": None if body is None else json.dumps(body),
        "spnego": spnego,
        "seconds": seconds,
    }
    kept = {name: os.environ[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if name in os.environ}
    environment = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", **kept, **(variables or {})}
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-S", rest_call.__file__],
            input=json.dumps(asked).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            timeout=seconds,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _failed(url, "time", "", seconds) from None
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise _failed(url, "answer", f"exit code {done.returncode}", seconds) from None
    if "failed" in found:
        raise _failed(url, found["failed"], found["said"], seconds)
    return Answer(found["status"], found["body"], found.get("location", ""))


def _failed(url: str, kind: str, said: str, seconds: float) -> HadoopError:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    what, remedy = (text.format(host=parts.hostname, port=port, seconds=seconds) for text in _FAILURES[kind])
    words = f" ({said})" if said and kind not in ("time", "refused") else ""
    return HadoopError(f"{parts.scheme}://{parts.netloc} cannot be asked: {what}{words}.", remedy=remedy)
