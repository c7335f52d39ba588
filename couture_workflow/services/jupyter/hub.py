"""People's servers at a team's own JupyterHub, whatever its Spawner, by its REST API and a service's token.

The user of the hub is called what a person's folder of notebooks is called, so no two people share one. The
hub's proxy is asked as the person, with a token that is good for minutes and for this server alone; the
service's own token goes to the hub and nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from couture_workflow.exceptions import JupyterError
from couture_workflow.services.jupyter.hub_api import NEEDED, NEEDED_TO_MAKE, Answer, HubApi, is_token, words
from couture_workflow.services.jupyter.servers import Listed, Person, Progress, Server
from couture_workflow.services.notebooks.people import folder_name

#: Seconds that what was found is good, and that nothing was found is.
_GOOD, _NOT_GOOD = 2.0, 0.5
#: Seconds that a person's token is good, and that are left of them when the next one is made.
_TOKEN_LIVES, _TOKEN_RENEWED = 300, 120.0
#: Seconds that a call waits until the hub knows of a start, that one may take to begin, and an end to come.
_SOON, _BEGINS, _ENDS = 10.0, 120.0, 60.0
_LOOKS_EVERY = 0.3
_MOST_KNOWN = 1000
#: People of one page of the hub's list, and pages.
_PAGE, _PAGES = 100, 100
_PAGED = "application/jupyterhub-pagination+json"
#: Among the options of a server that was started from here: whose it is.
_MARK = "couture_workflow"
#: Where a hub has its users' servers, below its base_url.
USERS = "user/"
_NOT_STARTED = "Your Jupyter server could not be started."


def hub_name(person: Person) -> str:
    """Return what the person is called at the hub: short, ASCII and hers alone."""
    return folder_name(person.name)


@dataclass
class _Known:
    """What is known of one person's server for a moment."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    until: float = 0.0
    server: Server | None = None
    problem: str = ""
    token: str = ""
    token_until: float = 0.0


class HubServers:
    """People's servers at a JupyterHub. For one event loop.

    :param address: of the hub, such as ``https://hub.example.org``.
    :param token: of the service that this installation is to the hub.
    :param prefix: path of ``[api] base_url``.
    :param path: where browsers find the hub's addresses below it, ``/jupyter/``.
    """

    def __init__(self, address: str, token: str, *, prefix: str, path: str) -> None:
        self._prefix, self._path = prefix, path
        self._api = HubApi(address, token, base_url=prefix + path)
        self._known: dict[Person, _Known] = {}
        self._starts: dict[Person, asyncio.Task[None]] = {}

    async def start(self, person: Person) -> Progress:
        """See ``Servers``."""
        self._of(person).until = 0.0
        task = self._starts.get(person)
        if task is None or task.done():
            task = self._starts[person] = asyncio.create_task(self._begin(person))
            task.add_done_callback(_forget)
        deadline = time.monotonic() + _SOON
        await asyncio.wait({task}, timeout=_LOOKS_EVERY)
        while not task.done() and time.monotonic() < deadline and await self._model(person) is None:
            await asyncio.wait({task}, timeout=_LOOKS_EVERY)  # another process is asked how far it is
        return await self.progress(person)

    async def progress(self, person: Person) -> Progress:
        """See ``Servers``."""
        model = await self._model(person)
        if (task := self._starts.get(person)) is not None and task.done():
            del self._starts[person]
            if model is None and not task.cancelled():
                task.result()
        if _is_ready(model):
            self._of(person).until = 0.0  # that it was not there a moment ago is no longer good
            return Progress(state="ready")
        event = await self._event(person)
        if model is not None and model.get("pending") == "stop":
            return Progress(state="starting", waits_for="Waiting for the former server to end.")
        if model is None and person not in self._starts and event.get("failed") is True:
            raise _failed(event)
        if model is not None or person in self._starts:
            waits_for = words(event.get("message")) or "Waiting for the JupyterHub."
            return Progress(state="starting", waits_for=waits_for)
        return Progress(state="stopped")

    async def find(self, person: Person) -> Server | None:
        """See ``Servers``."""
        known = self._of(person)
        if time.monotonic() >= known.until:
            async with known.lock:
                if time.monotonic() >= known.until:  # else another request has looked meanwhile
                    await self._look(person, known)
        if known.problem:
            raise JupyterError(known.problem)
        return known.server

    def headers(self, person: Person, server: Server) -> Mapping[str, str]:
        """See ``Servers``."""
        return {"Authorization": f"token {self._of(person).token}"}

    async def stop(self, person: Person) -> None:
        """See ``Servers``."""
        self._known.pop(person, None)
        if (task := self._starts.pop(person, None)) is not None:
            task.cancel()
        answer = await self._api.ask("DELETE", f"users/{self._name(person)}/server", patience=_ENDS)
        if answer.status in (401, 403):
            raise await self._refused(answer, "The Jupyter server could not be stopped.")
        if answer.status not in (202, 204, 404):
            raise self._api.failure("The Jupyter server could not be stopped.", answer)
        deadline = time.monotonic() + _ENDS
        while answer.status == 202 and await self._model(person) is not None:
            if time.monotonic() > deadline:
                raise JupyterError(
                    f"The JupyterHub still has not ended the server of {person.name} after {_ENDS:.0f} s. "
                    "Its log says why."
                )
            await asyncio.sleep(_LOOKS_EVERY)

    async def listed(self) -> list[Listed]:
        """Return the servers that run and were started from here; see ``Servers``."""
        found: list[Listed] = []
        for page in range(_PAGES):
            asked = f"users?state=active&limit={_PAGE}&offset={page * _PAGE}"
            answer = await self._api.ask("GET", asked, accept=_PAGED)
            if answer.status in (401, 403):
                raise await self._refused(answer, "The Jupyter servers could not be listed.")
            if answer.status != 200:
                raise self._api.failure("The Jupyter servers could not be listed.", answer)
            items = answer.said.get("items") if isinstance(answer.said, Mapping) else answer.said
            if not isinstance(items, list):
                raise self._api.odd_shape()
            found += _listed(items)
            if len(items) < _PAGE:
                break
        return found

    async def close(self) -> None:
        """Close the connections, and wait for no start."""
        for task in self._starts.values():
            task.cancel()
        await self._api.close()

    async def _look(self, person: Person, known: _Known) -> None:
        """Find the person's server; what is found is good for all requests of the next moment."""
        server, problem = None, ""
        try:
            if _is_ready(await self._model(person)):
                await self._renew(person, known)
                server = self._server(person)
            else:
                known.token = ""
        except JupyterError as error:
            problem = str(error)
        known.server, known.problem = server, problem
        known.until = time.monotonic() + (_GOOD if server else _NOT_GOOD)

    def _of(self, person: Person) -> _Known:
        if person not in self._known and len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        return self._known.setdefault(person, _Known())

    @staticmethod
    def _name(person: Person) -> str:
        return quote(hub_name(person), safe="")

    def _server(self, person: Person) -> Server:
        base_path = f"{self._path}{USERS}{hub_name(person)}/"
        return Server(address=self._api.origin, base_path=base_path, by_name=True)

    async def _model(self, person: Person) -> Mapping[str, Any] | None:
        """Return what the hub says of the person's server, None if there is none, nor a start or an end."""
        answer = await self._api.ask("GET", f"users/{self._name(person)}")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise await self._refused(answer, "Whether your Jupyter server runs is not known.")
        servers = answer.said.get("servers") if isinstance(answer.said, Mapping) else None
        if not isinstance(servers, Mapping):
            if refusal := await self._api.refusal():
                raise JupyterError(refusal)
            raise self._api.odd_shape()
        if (model := servers.get("")) is None:
            return None
        if not isinstance(model, Mapping):
            raise self._api.odd_shape()
        wanted = f"{self._prefix}{self._path}{USERS}{hub_name(person)}/"
        if model.get("stopped") is True and not model.get("pending"):
            return None
        if model.get("url") != wanted:
            raise JupyterError(
                f"The JupyterHub has your server at {words(str(model.get('url')))}, and it can be shown at "
                f"{wanted} alone. An administrator can set c.JupyterHub.base_url = "
                f"{self._prefix + self._path!r} in jupyterhub_config.py, and no subdomain_host."
            )
        return model

    async def _begin(self, person: Person) -> None:
        """Tell the hub to start the server, and wait until it has begun or refuses."""
        deadline = time.monotonic() + _BEGINS
        options = {_MARK: {"number": person.number, "name": person.name}}
        path, made = f"users/{self._name(person)}/server", False
        while True:
            answer = await self._api.ask("POST", path, body=options, patience=_BEGINS)
            if answer.status in (200, 201, 202, 204):
                return
            if answer.status == 404 and not made:
                await self._make(person)
                made = True
                continue
            if answer.status == 400:  # it runs, or something is under way
                model = await self._model(person)
                if model is not None and model.get("pending") != "stop":
                    return
                if model is not None and time.monotonic() < deadline:
                    await asyncio.sleep(_LOOKS_EVERY)
                    continue
            if answer.status >= 500 and (event := await self._event(person)).get("failed") is True:
                raise _failed(event)  # the answer itself has no reason
            raise await self._refused(answer, _NOT_STARTED)

    async def _event(self, person: Person) -> Mapping[str, Any]:
        return await self._api.event(f"users/{self._name(person)}/server/progress")

    async def _make(self, person: Person) -> None:
        """Make a user of the hub."""
        name = hub_name(person)
        answer = await self._api.ask("POST", "users", body={"usernames": [name]})
        if answer.status in (401, 403):
            if refusal := await self._api.refusal((*NEEDED, NEEDED_TO_MAKE)):
                raise JupyterError(f"The JupyterHub knows no user {name!r} and makes none. {refusal}")
            raise self._api.failure(f"The JupyterHub makes no user {name!r}.", answer)
        if answer.status == 409:
            return
        made = answer.said if isinstance(answer.said, list) else []
        if answer.status == 201 and [each.get("name") for each in made if isinstance(each, Mapping)] == [
            name
        ]:
            return
        said = answer.message or "it has given the user another name"
        raise JupyterError(
            f"The JupyterHub takes no user {name!r}, which is what the account {person.name!r} is called "
            f"there: {said}. Its Authenticator decides (username_pattern, normalize_username)."
        )

    async def _renew(self, person: Person, known: _Known) -> None:
        """Make sure of a token that is good for the person's own server and for nothing else."""
        began = time.monotonic()
        if known.token and known.token_until - began > _TOKEN_RENEWED:
            return
        name = hub_name(person)
        wanted = {
            "expires_in": _TOKEN_LIVES,
            "note": "Couture Workflow: JupyterLab in the browser",
            "scopes": [f"access:servers!user={name}"],
        }
        answer = await self._api.ask("POST", f"users/{self._name(person)}/tokens", body=wanted)
        token = answer.said.get("token") if isinstance(answer.said, Mapping) else None
        if answer.status not in (200, 201) or not is_token(token):
            raise await self._refused(answer, "The JupyterHub gives no token for your server.")
        known.token, known.token_until = str(token), began + _TOKEN_LIVES

    async def _refused(self, answer: Answer, what: str) -> JupyterError:
        """Return why the hub does not do something: the token's fault where it is, else its own words."""
        if answer.status in (401, 403, 404) and (refusal := await self._api.refusal()):
            return JupyterError(refusal)
        return self._api.failure(what, answer)


def _is_ready(model: Mapping[str, Any] | None) -> bool:
    return model is not None and model.get("ready") is True and not model.get("pending")


def _failed(event: Mapping[str, Any]) -> JupyterError:
    return JupyterError(f"{_NOT_STARTED} The JupyterHub says: {words(event.get('message'))}")


def _forget(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


def _listed(items: list[Any]) -> Iterator[Listed]:
    """Give the servers of people who started them from here; what users tell of themselves is checked."""
    for user in items:
        model = _at(_at(user, "servers"), "")
        mark = _at(_at(model, "user_options"), _MARK)
        number, name = _at(mark, "number"), _at(mark, "name")
        if type(number) is not int or not isinstance(name, str) or folder_name(name) != _at(user, "name"):
            continue
        since = _moment(_at(model, "started")) or _moment(_at(model, "last_activity"))
        yield Listed(
            person=Person(number=number, name=name),
            since=since or datetime.now(UTC),
            last_activity=_moment(_at(model, "last_activity")),
            memory=None,
            kernels=None,
            busy=None,
        )


def _at(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
