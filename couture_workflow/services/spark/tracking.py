"""What a running application is called and where its pages are, found while it runs.

Spark's log tells most of it. In local mode Spark 4 logs no application id, and with a high
``spark.log.level`` it logs nothing; then the driver's own web server is asked, on the port of its web
page among the ports that the job's processes listen on.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace

import psutil

from couture_workflow.services.spark.diagnosis import level

_APPLICATION = re.compile(r"\b(application_\d{10,}_\d+|app-\d{14}-\d{4,}|local-\d{13})\b")
_KUBERNETES = re.compile(
    r"with application ID (?P<application>\S+) and submission ID (?P<submission>\S+:\S+)"
)
_DRIVER = re.compile(r"\bdriver-\d{14}-\d{4,}\b")
_RUNS_ON = re.compile(r"\bdriver-\S+ is RUNNING on (?P<host>\S+):\d+")
_STARTED_AT = re.compile(r"SparkUI\b.* started at (?P<url>https?://[^\s\",]+)")
_JETTY = re.compile(r"Start Jetty (?P<host>\S+):\d+ for SparkUI")
_PORT = re.compile(r"Successfully started service 'SparkUI' on port (?P<port>\d+)")
_YARN_URL = re.compile(r"^\s*tracking URL: (?P<url>https?://\S+)")

_METRIC = re.compile(r'"(?P<application>(application_|app-|local-|spark-)[\w-]+)\.driver\.')

_EVERY = 0.5
_LOOK_FOR_PORTS_AFTER = 4.0
_GIVE_UP_AFTER = 120.0
_PORTS = 16
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_ANY_ADDRESS = {"0.0.0.0", "::", "*", ""}  # noqa: S104


@dataclass(frozen=True)
class Tracking:
    """What is known of an application.

    :param submission: what kills it on a cluster: a driver, an application or a submission.
    """

    application_id: str | None = None
    tracking_url: str | None = None
    submission: str | None = None


class Tracker:
    """Gather what is known from log lines and from the driver's web page.

    :param session: session of the driver's processes, None if it runs elsewhere.
    :param ui_port: the first port that the driver tries for its web page.
    :param driver_host: what others call the driver's machine, "" if nobody said.
    """

    def __init__(self, *, session: int | None, ui_port: int = 4040, driver_host: str = "") -> None:
        self.current = Tracking()
        self.session = session
        self.ui_port = ui_port
        self.driver_host = os.environ.get("SPARK_PUBLIC_DNS", "") or driver_host
        self._host = ""
        self._page = ""
        self._of_yarn = False
        self._started = self._probed = time.monotonic()

    def read(self, line: str) -> None:
        """Take what a line of Spark's log tells."""
        if found := _YARN_URL.match(line):
            self._of_yarn = True
            self._know(tracking_url=found["url"])
            return
        if not level(line):
            return
        if found := _KUBERNETES.search(line):
            self._know(application_id=found["application"], submission=found["submission"])
        elif found := _APPLICATION.search(line):
            self._know(application_id=found[0], submission=self.current.submission or found[0])
        if found := _DRIVER.search(line):
            self._know(submission=found[0])
        if found := _RUNS_ON.search(line):
            self._host = found["host"]
        self._read_page(line)

    def probe(self) -> None:
        """Ask the driver's web page for what the log does not tell; seldom, and not for ever."""
        now = time.monotonic()
        complete = self.current.application_id and self.current.tracking_url
        if complete or self.session is None or now - self._probed < _EVERY:
            return
        if now - self._started > _GIVE_UP_AFTER:
            return
        self._probed = now
        if not self._page and now - self._started > _LOOK_FOR_PORTS_AFTER:
            self._found(*_find_page(self.session, self.ui_port))
        if self._page and (application := _application(self._page)):
            submission = self.current.submission or application
            self._know(application_id=application, submission=submission)

    def _read_page(self, line: str) -> None:
        if found := _STARTED_AT.search(line):
            self._page = found["url"]
            self._know_page(found["url"])
        elif found := _JETTY.search(line):
            if not self._host or self.session is not None:
                self._host = found["host"]
        elif found := _PORT.search(line):
            self._found(self._host, found["port"])

    def _found(self, address: str, port: str) -> None:
        """Take the address that the driver's web page listens on."""
        if not port:
            return
        host = self.driver_host
        if self.session is None:
            host = "" if address in _ANY_ADDRESS else address
        else:
            self._page = f"http://{'localhost' if address in _ANY_ADDRESS else address}:{port}"
            host = host or (socket.gethostname() if address in _ANY_ADDRESS else address)
        if host:
            self._know_page(f"http://{host}:{port}")

    def _know_page(self, url: str) -> None:
        """Take the driver's own address; on YARN it lets nobody in but the proxy, whose address is known."""
        if not self._of_yarn:
            self._know(tracking_url=url)

    def _know(self, **news: str | None) -> None:
        self.current = replace(self.current, **news)


def _find_page(session: int, first_port: int) -> tuple[str, str]:
    """Return address and port of the web page among those that the session's processes listen on."""
    for address, port in sorted(_listening(session), key=lambda known: known[1]):
        if first_port <= port <= first_port + _PORTS:
            return address.removeprefix("::ffff:"), str(port)
    return "", ""


def _listening(session: int) -> Iterator[tuple[str, int]]:
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(pid) != session:
                continue
            for connection in psutil.Process(pid).net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    yield connection.laddr.ip, connection.laddr.port


def _application(page: str) -> str:
    """Return the application id, from the names of the driver's metrics.

    The REST interface tells it too, but starting it costs a driver a second of processor time.
    """
    try:
        with _DIRECT.open(f"{page}/metrics/json/", timeout=1) as answer:
            found = _METRIC.search(answer.read().decode(errors="replace"))
    except OSError:
        return ""
    return found["application"] if found else ""
