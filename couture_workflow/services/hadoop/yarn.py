"""YARN's ResourceManager: the state of the cluster and of its applications, and their end, over its REST API.

Where there are several ResourceManagers, each is asked in turn until the active one answers.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote as percent_encode
from urllib.parse import urlsplit

from couture_workflow.exceptions import HadoopError, InvalidError, NotFoundError
from couture_workflow.services.hadoop import groups, rest
from couture_workflow.services.kerberos.tickets import Ticket
from couture_workflow.store.names import quote

#: Seconds for one question.
SECONDS = 10.0

_ID = re.compile(r"application_\d{1,20}_\d{1,10}")
_PORTS = {"http": 8088, "https": 8090}
_ACTIVE = ("ACTIVE", "")
#: How deep queues may lie within each other, counted in objects and lists of JSON.
_DEEPEST = 60


@dataclass(frozen=True)
class ClusterState:
    """What a ResourceManager says of itself.

    :param state: STARTED when it works.
    :param ha_state: ACTIVE or STANDBY.
    :param address: of the one that answered.
    """

    state: str
    ha_state: str
    version: str
    address: str


@dataclass(frozen=True)
class Application:
    """What a ResourceManager says of an application.

    :param state: NEW to RUNNING, then FINISHED, FAILED or KILLED.
    :param final_status: UNDEFINED until it has ended, then SUCCEEDED, FAILED or KILLED.
    :param tracking_url: leads to the application's own pages.
    :param am_logs: the log of its first container, until the logs are aggregated.
    :param log_aggregation: SUCCEEDED once its logs can be read.
    """

    id: str
    state: str
    final_status: str
    diagnostics: str
    tracking_url: str
    am_logs: str
    log_aggregation: str
    user: str = ""
    queue: str = ""


class ResourceManager:
    """The ResourceManager of one cluster.

    :param properties: of the cluster's Hadoop group.
    :param ticket: of Kerberos, None for a cluster without it.
    :param user: who asks, where the cluster believes what it is told.
    :param seconds: for each question, until its process is killed.
    """

    def __init__(
        self, properties: Mapping[str, str], *, ticket: Ticket | None, user: str, seconds: float = SECONDS
    ) -> None:
        self.addresses = addresses(properties)
        self._ticket, self._user, self._seconds = ticket, user, seconds
        self._is_kerberized = groups.is_kerberized(properties)

    def state(self) -> ClusterState:
        """Return the state of the active one, of another one if none is active, or raise ``HadoopError``."""
        standby: ClusterState | None = None
        failure: HadoopError | None = None
        for address, seconds in self._turns():
            try:
                found = self._read_state(address, seconds)
            except HadoopError as error:
                failure = failure or error
                continue
            if found.ha_state in _ACTIVE:
                return found
            standby = standby or found
        if standby is None:
            raise failure or _nothing()
        return standby

    def application(self, id: str) -> Application:
        """Return the state of an application, or raise ``NotFoundError`` or ``HadoopError``."""
        answer = self._ask("GET", f"/ws/v1/cluster/apps/{_checked(id)}")
        if answer.status == 404:
            raise NotFoundError(
                f"The ResourceManager knows no {id}. It may have forgotten it, or never had it."
            )
        found = _object(answer, "app")
        return Application(
            id=id,
            state=str(found.get("state", "")),
            final_status=str(found.get("finalStatus", "")),
            diagnostics=str(found.get("diagnostics") or ""),
            tracking_url=str(found.get("trackingUrl") or ""),
            am_logs=str(found.get("amContainerLogs") or ""),
            log_aggregation=str(found.get("logAggregationStatus") or ""),
            user=str(found.get("user") or ""),
            queue=str(found.get("queue") or ""),
        )

    def kill(self, id: str) -> None:
        """End an application; one that has ended stays as it is. ``HadoopError`` if the caller may not."""
        answer = self._ask("PUT", f"/ws/v1/cluster/apps/{_checked(id)}/state", {"state": "KILLED"})
        if answer.status == 404:
            raise NotFoundError(
                f"The ResourceManager knows no {id}. It may have forgotten it, or never had it."
            )
        if answer.status not in (200, 202):
            raise _refused(answer, f"does not end {id}")

    def queues(self) -> frozenset[str]:
        """Return the names of the queues, also full ones such as "root.etl"; or raise ``HadoopError``."""
        answer = self._ask("GET", "/ws/v1/cluster/scheduler")
        scheduler = _object(answer, "scheduler").get("schedulerInfo")
        return frozenset(_queues(scheduler, depth=0))

    def largest_container(self) -> int:
        """Return the most memory that one container may have, in MiB, or raise ``HadoopError``.

        It is told to whoever begins a submission: an id is used up by it, and nothing else happens.
        """
        answer = self._ask("POST", "/ws/v1/cluster/apps/new-application", {})
        try:
            return int(_object(answer, "maximum-resource-capability")["memory"])
        except (KeyError, TypeError, ValueError):
            raise _refused(answer, "does not say how large a container may be") from None

    def _turns(self) -> Iterator[tuple[str, float]]:
        """Iterate over the addresses, with the seconds that are left for each, all within the time of one."""
        deadline = time.monotonic() + self._seconds
        for number, address in enumerate(self.addresses):
            left = deadline - time.monotonic()
            yield address, max(left / (len(self.addresses) - number), 1.0)

    def _read_state(self, address: str, seconds: float) -> ClusterState:
        answer = self._send("GET", address, "/ws/v1/cluster/info", None, seconds)
        if answer.status in (302, 307):  # what a standby one says to whoever asks for something else
            return ClusterState("STARTED", "STANDBY", "", address)
        found = _object(answer, "clusterInfo")
        return ClusterState(
            state=str(found.get("state", "")),
            ha_state=str(found.get("haState") or ""),
            version=str(found.get("resourceManagerVersion") or found.get("hadoopVersion") or ""),
            address=address,
        )

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> rest.Answer:
        """Ask the active one, or raise ``HadoopError``."""
        failure: HadoopError | None = None
        for address, seconds in self._turns():
            try:
                answer = self._send(method, address, path, body, seconds)
            except HadoopError as error:
                failure = failure or error
                continue
            if answer.status not in (302, 307) and "This is standby RM" not in answer.body[:200]:
                return answer
            failure = failure or HadoopError(
                f"The ResourceManager {address} is on standby, and no other one is active.",
                remedy="Look why none is, or name the active one in yarn-site.xml.",
            )
        raise failure or _nothing()

    def _send(
        self, method: str, address: str, path: str, body: Mapping[str, object] | None, seconds: float
    ) -> rest.Answer:
        spnego = self._is_kerberized and self._ticket is not None
        query = "" if spnego or not self._user else f"?user.name={percent_encode(self._user, safe='')}"
        variables = self._ticket.variables if self._ticket is not None else {}
        answer = rest.call(
            method, f"{address}{path}{query}", seconds=seconds, body=body, spnego=spnego, variables=variables
        )
        if answer.status == 401:
            raise HadoopError(
                f"The ResourceManager {address} does not know who asks: 401, {_said(answer)}.",
                remedy="Look at its HTTP principal."
                if spnego
                else "It wants Kerberos: give the group a keytab.",
            )
        return answer


def _queues(told: object, *, depth: int) -> Iterator[str]:
    """Iterate over the names of queues in what a scheduler tells of itself, whichever it is."""
    if depth > _DEEPEST:
        return
    if isinstance(told, Mapping):
        for key in ("queuePath", "queueName"):
            if isinstance(told.get(key), str):
                yield str(told[key])
        for value in told.values():
            yield from _queues(value, depth=depth + 1)
    elif isinstance(told, list):
        for each in told:
            yield from _queues(each, depth=depth + 1)


def addresses(properties: Mapping[str, str]) -> tuple[str, ...]:
    """Return the addresses of a cluster's ResourceManagers, or raise ``InvalidError``."""
    secure = properties.get("yarn.http.policy", "").strip().upper() == "HTTPS_ONLY"
    scheme, name = ("https", "webapp.https.address") if secure else ("http", "webapp.address")
    ids = [each.strip() for each in properties.get("yarn.resourcemanager.ha.rm-ids", "").split(",")]
    if properties.get("yarn.resourcemanager.ha.enabled", "").strip().lower() != "true":
        ids = [""]
    found = [
        f"{scheme}://{text}" for each in ids if (text := _address(properties, name, each, _PORTS[scheme]))
    ]
    if not found:
        raise InvalidError(
            "The group does not say where the ResourceManager is. Set yarn.resourcemanager.hostname or "
            f"yarn.resourcemanager.{name} in yarn-site.xml, as the cluster has it."
        )
    for each in found:
        _check_address(each)
    return tuple(found)


def _address(properties: Mapping[str, str], name: str, id: str, port: int) -> str:
    suffix = f".{id}" if id else ""
    given = properties.get(f"yarn.resourcemanager.{name}{suffix}", "").strip()
    host = properties.get(f"yarn.resourcemanager.hostname{suffix}", "").strip()
    if given and "${" not in given and not given.startswith("0.0.0.0:"):
        return given if ":" in given.rpartition("]")[2] else f"{given}:{port}"
    return f"{host}:{port}" if host and host != "0.0.0.0" else ""  # noqa: S104


def _check_address(address: str) -> None:
    try:
        parts = urlsplit(address)
        well = bool(parts.hostname and parts.port) and address == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        well = False
    if not well or "@" in address or not address.isascii() or not address.isprintable() or " " in address:
        raise InvalidError(
            f"{quote(address.partition('://')[2])} is no address of a ResourceManager. Write a host, "
            "a colon and "
            "a port, such as resourcemanager.example.org:8088."
        )


def _checked(id: str) -> str:
    if not _ID.fullmatch(id):
        raise InvalidError(
            f"{quote(id)} is no id of an application. One looks like application_1700000000000_0001.",
            field="id",
        )
    return id


def _object(answer: rest.Answer, name: str) -> Mapping[str, Any]:
    """Return the object of an answer, or raise ``HadoopError``."""
    try:
        found = json.loads(answer.body)[name] if answer.status == 200 else None
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, Mapping):
        raise _refused(answer, "gives another answer than a ResourceManager does")
    return found


def _refused(answer: rest.Answer, what: str) -> HadoopError:
    remedies = {403: "The account must be the owner, or an administrator of the queue."}
    remedy = remedies.get(answer.status, "Look whether the address is that of its web pages, and at its log.")
    return HadoopError(f"The ResourceManager {what}: {answer.status}, {_said(answer)}.", remedy=remedy)


def _said(answer: rest.Answer) -> str:
    """Return what an answer says, in one line."""
    try:
        data = json.loads(answer.body)
        # Jetty's own pages of errors have no RemoteException.
        message = data["RemoteException"]["message"] if "RemoteException" in data else data["message"]
    except (ValueError, KeyError, TypeError):
        found = re.search(r"<title>([^<]{0,500})</title>", answer.body)
        message = found[1] if found else answer.body[:200]
    return " ".join(str(message).split()).rstrip(".") or "without a word"


def _nothing() -> HadoopError:
    return HadoopError("No ResourceManager was asked.", remedy="Name one in the group's yarn-site.xml.")
