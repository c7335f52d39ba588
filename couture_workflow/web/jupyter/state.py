"""What pages and REST API do with people's Jupyter servers: start, look, list and stop them, audited."""

from __future__ import annotations

from functools import cache, partial
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from anyio import to_thread

from couture_workflow import settings
from couture_workflow.exceptions import NotFoundError
from couture_workflow.services.jupyter.client import HostedServers
from couture_workflow.services.jupyter.hub import HubServers
from couture_workflow.services.jupyter.servers import Listed, Person, Progress, Servers
from couture_workflow.web.audit import audit
from couture_workflow.web.jupyter.people import has_hub, person_of
from couture_workflow.web.paths import JUPYTER


@cache
def servers() -> Servers:
    """Return the people's servers, of the home or at a hub; one object for the API server's loop."""
    if has_hub():
        prefix = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
        return HubServers(
            settings.jupyter_hub_url(), settings.jupyter_hub_token(), prefix=prefix, path=f"{JUPYTER}/"
        )
    return HostedServers(settings.home())


async def progress(person: Person) -> Progress:
    """Tell how a person's server is, without starting it."""
    return await servers().progress(person)


async def start(user: Any) -> Progress:
    """Begin to start the server of an account, if it does not run."""
    person = person_of(user)
    found = await servers().start(person)
    if found.state != "ready":
        await to_thread.run_sync(partial(audit, "jupyter.start", user))
    return found


async def stop(user: Any, person: Person) -> None:
    """Stop a person's server.

    :param user: the account that does it.
    """
    await servers().stop(person)
    await to_thread.run_sync(partial(audit, "jupyter.stop", user, account=person.name))


async def listed() -> list[Listed]:
    """Return the servers that run, by account."""
    return sorted(await servers().listed(), key=lambda each: each.person.name)


async def running(account: str) -> Person:
    """Return whose server is meant, by the name or else the number of the account, or raise."""
    people = [each.person for each in await listed()]
    for person in people:
        if person.name == account:
            return person
    for person in people:
        if str(person.number) == account:
            return person
    raise NotFoundError(
        f"{account!r} has no Jupyter server that runs. The page Jupyter Servers lists those that do."
    )
