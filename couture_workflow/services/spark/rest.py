"""Cluster mode on a standalone Spark master, through its REST server: submit, follow, kill.

Run as a script, ``python -I -S spark_rest.py run FILE``, in the place of ``spark-submit``: it prints the
driver's standard output and log as its own while the job runs and exits as the driver does; SIGTERM kills
the driver. ``python -I -S spark_rest.py kill DRIVER URL...`` kills alone. The file is JSON: ``rest`` and
``pages``, the addresses of the REST servers and web pages of the masters, ``request``, and ``interval``
in seconds. Of several masters the one that is alive is used. The standard library alone, since it starts
before every job.
"""

from __future__ import annotations

import json
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, TextIO

TIMEOUT = 10.0
PATIENCE = 120.0
STOPPED = 143
_ENDED = {"FINISHED": 0, "FAILED": 1, "ERROR": 1, "KILLED": 1}
_BYTES = re.compile(r"\A==== Bytes (\d+)-(\d+) of (\d+) of .* ====\n")
_LARGEST = 1 << 20
#: Like Spark's own client, past any proxy of the environment.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class RestError(Exception):
    """The master does not do what it was asked to do."""


class Unreachable(RestError):
    """No master answers."""


class RestClient:
    """The REST servers of the masters of one cluster; all but one of them are on standby."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses

    def create(self, request: dict[str, Any]) -> str:
        """Submit a driver and return its id."""
        answer = self._ask("POST", "/v1/submissions/create", request)
        return str(answer["submissionId"])

    def status(self, driver: str) -> dict[str, Any]:
        """Return what the master knows of a driver: its state, worker and message."""
        return self._ask("GET", f"/v1/submissions/status/{driver}")

    def kill(self, driver: str) -> dict[str, Any]:
        """Kill a driver."""
        return self._ask("POST", f"/v1/submissions/kill/{driver}")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        problems = []
        reached = False
        for address in list(self.addresses):
            try:
                answer = _call(method, address + path, body)
            except (OSError, ValueError) as error:
                problems.append(f"{address}: {error}")
                continue
            reached = True
            if answer.get("success"):
                self.addresses.sort(key=lambda other: other != address)
                return answer
            problems.append(f"{address}: {answer.get('message') or answer}")
        raise (RestError if reached else Unreachable)("; ".join(problems))


def _call(method: str, url: str, body: dict[str, Any] | None) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json;charset=UTF-8"},
    )
    try:
        with _DIRECT.open(request, timeout=TIMEOUT) as answer:
            content = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            try:
                content = json.load(error)
            except ValueError:
                raise OSError(
                    f"it answers {error.code} {error.reason}, so it is not a Spark REST server"
                ) from None
    if not isinstance(content, dict):
        raise ValueError("it is not a Spark REST server")
    return content


class DriverLog:
    """What a driver prints, read from the web page of its worker, as far as it can be reached."""

    def __init__(self, pages: list[str], driver: str) -> None:
        self.pages = pages
        self.driver = driver
        self.worker_page = ""
        self._read: dict[str, int] = {"stdout": 0, "stderr": 0}

    def find(self, worker: str) -> bool:
        """Find the page of a worker; return whether there is one."""
        for page in self.pages:
            try:
                with _DIRECT.open(f"{page}/json/", timeout=TIMEOUT) as answer:
                    workers = json.load(answer).get("workers", [])
            except (OSError, ValueError):
                continue
            for known in workers:
                if known.get("id") == worker and known.get("webuiaddress"):
                    self.worker_page = str(known["webuiaddress"]).rstrip("/")
                    return True
        return False

    def copy(self) -> None:
        """Write what is new to this process's own streams."""
        self._copy("stderr", sys.stderr)
        self._copy("stdout", sys.stdout)

    def _copy(self, name: str, stream: TextIO) -> None:
        while self.worker_page:
            start = self._read[name]
            url = (
                f"{self.worker_page}/log/?driverId={self.driver}&logType={name}"
                f"&offset={start}&byteLength={_LARGEST}"
            )
            try:
                with _DIRECT.open(url, timeout=TIMEOUT) as answer:
                    text = answer.read()
            except OSError:
                return
            head = _BYTES.match(text[:1000].decode(errors="replace"))
            if not head or int(head[2]) <= start:
                return
            stream.buffer.write(text[text.index(b"\n") + 1 :])
            stream.flush()
            self._read[name] = int(head[2])
            if int(head[2]) >= int(head[3]):
                return


class Follower:
    """One submission from its start to its end."""

    def __init__(self, description: dict[str, Any]) -> None:
        self.description = description
        self.client = RestClient(list(description["rest"]))
        self.stopped = False

    def run(self) -> int:
        """Submit, follow to the end and return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            driver = self.client.create(self.description["request"])
        except Unreachable as error:
            _say(
                "ERROR",
                f"No Spark master takes submissions ({error}). Cluster mode needs the REST server of the "
                "master: start it with spark.master.rest.enabled=true, and set spark.master.rest.port in the "
                "configurations if it is not 6066. Or use the deploy mode client.",
            )
            return 1
        except RestError as error:
            _say("ERROR", f"The Spark master refuses the submission ({error}).")
            return 1
        _say("INFO", f"Submitted {driver}")
        state = self._follow(driver)
        if self.stopped:
            return self._kill(driver)
        return _ENDED.get(state, 1)

    def _stop(self, *_: object) -> None:
        self.stopped = True

    def _follow(self, driver: str) -> str:
        log = DriverLog(list(self.description["pages"]), driver)
        state, heard = "", time.monotonic()
        while not self.stopped:
            try:
                status = self.client.status(driver)
            except RestError as error:
                if time.monotonic() - heard > PATIENCE:
                    _say(
                        "ERROR", f"{driver} is lost: no master has told of it for {PATIENCE:.0f} s ({error})."
                    )
                    return "LOST"
                self._sleep()
                continue
            heard = time.monotonic()
            if status.get("driverState") != state:
                state = str(status.get("driverState"))
                if state in _ENDED:
                    log.copy()
                _report(driver, state, status, log)
            log.copy()
            if state in _ENDED:
                return _ended(driver, state, status)
            self._sleep()
        return state

    def _sleep(self) -> None:
        deadline = time.monotonic() + float(self.description["interval"])
        while not self.stopped and time.monotonic() < deadline:
            time.sleep(0.05)

    def _kill(self, driver: str) -> int:
        """Kill the driver and wait until the master says that it is gone."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                self.client.kill(driver)
                if self.client.status(driver).get("driverState") in _ENDED:
                    break
            except RestError as error:
                _say("WARN", f"{driver} is not killed yet ({error}).")
            time.sleep(0.2)
        _say("INFO", f"Killed {driver}")
        return STOPPED


def _report(driver: str, state: str, status: dict[str, Any], log: DriverLog) -> None:
    where = f" on {status['workerHostPort']}" if status.get("workerHostPort") else ""
    _say("INFO", f"{driver} is {state}{where}")
    if state == "SUBMITTED":
        _say("INFO", f"{driver} waits for a worker with enough free memory and cores")
    if status.get("workerId") and not log.worker_page and not log.find(str(status["workerId"])):
        _say(
            "WARN",
            f"The driver's output cannot be shown here: no page of the worker {status['workerId']} is found "
            f"through {', '.join(log.pages)}. Set spark.master.ui.port in the configurations if the master's "
            "is another.",
        )


def _ended(driver: str, state: str, status: dict[str, Any]) -> str:
    if state == "KILLED":
        _say("ERROR", f"{driver} was killed on the cluster.")
    if state != "FINISHED" and status.get("message"):
        sys.stderr.write(f"{str(status['message']).strip()}\n")
    sys.stderr.flush()
    return state


def _say(level: str, text: str) -> None:
    """Write a line in the form of Spark's own log."""
    now = time.strftime("%y/%m/%d %H:%M:%S")
    sys.stderr.write(f"{now} {level} StandaloneSubmission: {text}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """Do ``run FILE`` or ``kill DRIVER URL...``; return the exit code."""
    if arguments[0] == "run":
        return Follower(json.loads(Path(arguments[1]).read_text())).run()
    try:
        RestClient(arguments[2:]).kill(arguments[1])
    except RestError as error:
        _say("ERROR", f"{arguments[1]} cannot be killed ({error}).")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
