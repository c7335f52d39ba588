"""The API server's side of the host: people's servers on this machine."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import JupyterError
from couture_workflow.services.jupyter import place
from couture_workflow.services.jupyter.process import BADGE, badge
from couture_workflow.services.jupyter.servers import Listed, Person, Progress, Server

#: Seconds that the host may take for an answer; seconds that an answer to ``find`` is good.
_PATIENCE, _GOOD = 30.0, 1.0
_LONGEST = 4 * 2**20
_NO_HOST = (
    "The service jupyter, which has people's Jupyter servers, does not run or does not answer. Look at its "
    "log: logs/jupyter.log of the home; in containers, docker compose logs jupyter."
)


class HostedServers:
    """People's servers behind the host of a home. For one event loop.

    :param home: of the product.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._found: dict[Person, tuple[float, Server | None]] = {}
        self._keys: dict[Person, str] = {}

    def available(self) -> bool:
        """Tell whether this installation has a host."""
        return place.endpoint_file(self._home).is_file()

    async def start(self, person: Person) -> Progress:
        """See ``Servers``."""
        self._found.pop(person, None)
        return self._progress(await self._ask("start", person))

    async def progress(self, person: Person) -> Progress:
        """See ``Servers``."""
        return self._progress(await self._ask("find", person))

    async def find(self, person: Person) -> Server | None:
        """See ``Servers``."""
        until, server = self._found.get(person, (0.0, None))
        if time.monotonic() < until:
            return server
        said = await self._ask("find", person)
        server = None
        if said["state"] == "ready" and said["number"] == person.number:
            server = Server(address=f"unix:{said['socket']}", base_path=said["base_path"])
            self._keys[person] = said["key"]
        if len(self._found) > 1000:
            self._found.clear()
        self._found[person] = (time.monotonic() + _GOOD, server)
        return server

    def headers(self, person: Person, server: Server) -> Mapping[str, str]:
        """See ``Servers``."""
        return {BADGE: badge(self._keys[person], person, server.base_path)}

    async def stop(self, person: Person) -> None:
        """See ``Servers``."""
        self._found.pop(person, None)
        await self._ask("stop", person)

    async def listed(self) -> list[Listed]:
        """See ``Servers``."""
        if not self.available():
            return []
        said = await self._ask("list")
        return [
            Listed(
                person=Person(number=each["number"], name=each["name"]),
                since=datetime.fromisoformat(each["since"]),
                last_activity=datetime.fromisoformat(each["last_activity"]),
                memory=each["memory"],
                kernels=each["kernels"],
                busy=each["busy"],
            )
            for each in said["servers"]
        ]

    @staticmethod
    def _progress(said: Mapping[str, Any]) -> Progress:
        if problem := said.get("problem"):
            raise JupyterError(str(problem))
        return Progress(state=said["state"], waits_for=said.get("waits_for", ""))

    async def _ask(self, what: str, person: Person | None = None) -> dict[str, Any]:
        endpoint = await asyncio.to_thread(place.read_endpoint, self._home)
        if endpoint is None:
            raise JupyterError(_NO_HOST)
        order: dict[str, Any] = {"secret": endpoint.secret, "do": what}
        if person is not None:
            order |= {"number": person.number, "name": person.name}
        try:
            async with asyncio.timeout(_PATIENCE):
                reader, writer = await asyncio.open_unix_connection(endpoint.socket, limit=_LONGEST)
                try:
                    writer.write(json.dumps(order).encode() + b"\n")
                    await writer.drain()
                    said = json.loads(await reader.readline())
                finally:
                    writer.close()
        except (OSError, ValueError, TimeoutError) as error:
            raise JupyterError(_NO_HOST) from error
        if found := said.get("error"):
            raise JupyterError(str(found))
        return dict(said)
