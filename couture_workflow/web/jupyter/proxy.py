"""The way from Airflow's address to each person's own Jupyter server, and to nobody else's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache, partial

from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from couture_workflow.exceptions import JupyterError
from couture_workflow.services.jupyter.servers import Person, Servers
from couture_workflow.web.errors import describe, plain
from couture_workflow.web.jupyter import headers as heads
from couture_workflow.web.jupyter import request as requests
from couture_workflow.web.jupyter.admission import EVERY, Caller, Watches, caller_of
from couture_workflow.web.jupyter.http import Cut, HttpWay, Transports, no_server
from couture_workflow.web.jupyter.keeper import keep
from couture_workflow.web.jupyter.people import CAN_OPEN, base_path
from couture_workflow.web.jupyter.request import Asked, refuse
from couture_workflow.web.jupyter.sockets import SocketWay
from couture_workflow.web.paths import JUPYTER

log = logging.getLogger(__name__)

_NOT_YOURS = (
    "This is not your JupyterLab: everybody has one of their own, which nobody else may open. Yours is under "
    "Developer > Jupyter Notebook."
)
_FOREIGN = "JupyterLab takes changes and connections from its own pages only, not from those of another site."
_HUBS_OWN = (
    "The pages of JupyterHub itself are not shown here. Your own JupyterLab is under Developer > Jupyter "
    "Notebook; administrators find all servers under Developer > Jupyter Servers."
)
_NO_ROLE = f"Your role does not include “{CAN_OPEN}”. An administrator can change roles."
_NO_DATABASE = "The database does not answer, so nobody can be let in. Try again in a moment."


class JupyterProxy:
    """An ASGI application for all addresses below ``paths.JUPYTER``.

    :param servers: gives the people's servers.
    :param who: tells who calls with a token.
    :param every: seconds between two questions about an open connection.
    """

    def __init__(
        self,
        servers: Callable[[], Servers],
        *,
        who: Callable[[str | None], Awaitable[Caller]] = caller_of,
        every: float = EVERY,
    ) -> None:
        self.servers = servers
        self._who = who
        self._watches = Watches(self._is_welcome, every=every)
        self._transports = Transports()
        self._http = HttpWay(self._transports)
        self._sockets = SocketWay()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one websocket."""
        if scope["type"] not in ("http", "websocket"):
            return
        wanted = requests.asked(scope)
        token = wanted.cookies.get(COOKIE_NAME_JWT_TOKEN)
        try:
            caller = await self._who(token)
        except SQLAlchemyError as error:
            log.warning("Who calls could not be asked: %s", error)
            await refuse(scope, receive, send, plain(503, detail=_NO_DATABASE))
            return
        except JupyterError as error:
            await refuse(scope, receive, send, describe(error))
            return
        if caller.account is None or token is None:
            await requests.log_in(scope, receive, send, wanted)
        elif caller.person is None:
            await refuse(scope, receive, send, plain(403, detail=_NO_ROLE))
        elif scope["type"] == "http" and wanted.path.rstrip("/") == JUPYTER:
            target = wanted.prefix + base_path(caller.person) + "lab"
            await requests.answer(scope, receive, send, requests.redirect(target))
        elif requests.is_hubs_page(scope, wanted):
            await requests.start_page(
                scope, receive, send, replace(wanted, path=base_path(caller.person), query="")
            )
        elif problem := _problem(scope, wanted, caller.person):
            await refuse(scope, receive, send, plain(problem[0], detail=problem[1]))
        else:
            async with self._watches.over(token, caller.person) as unwelcome:
                ask = partial(self._is_welcome, token, caller.person)
                await self._pass_on(scope, receive, send, wanted, caller.person, unwelcome, ask)

    async def _is_welcome(self, token: str, person: Person) -> bool:
        return (await self._who(token)).person == person

    async def _pass_on(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        wanted: Asked,
        person: Person,
        unwelcome: asyncio.Task[None],
        ask: Callable[[], Awaitable[bool]],
    ) -> None:
        try:
            servers = self.servers()
            server = await servers.find(person)
            badge = servers.headers(person, server) if server else {}
        except JupyterError as error:
            await refuse(scope, receive, send, describe(error))
            return
        if server is None or server.base_path != base_path(person):
            await no_server(scope, receive, send, wanted)
            return
        way = self._http if scope["type"] == "http" else partial(self._sockets, ask=ask)
        await way(
            scope,
            receive,
            send,
            wanted=wanted,
            server=server,
            badge=badge,
            account=person.name,
            unwelcome=unwelcome,
        )

    async def close(self) -> None:
        """Close what is kept open."""
        await self._transports.close()


def _problem(scope: Scope, wanted: Asked, person: Person) -> tuple[int, str] | None:
    """Return why a request of the person may not pass: status and sentence."""
    if requests.is_hubs_own(wanted):
        return 404, _HUBS_OWN
    if not wanted.path.startswith(base_path(person)):
        return 403, _NOT_YOURS
    if not wanted.is_plain or not wanted.host:
        return 400, ""
    if heads.is_foreign(scope["type"], scope.get("method", ""), scope["headers"], wanted.host):
        return 403, _FOREIGN
    if heads.first(scope["headers"], "service-worker"):
        return 403, "A service worker would go on for whoever logs in next, so JupyterLab may have none."
    return None


class JupyterFirst:
    """Serve JupyterLab outside of Airflow's middlewares: they hold answers back, and ask the database first.

    :param proxy: the application.
    """

    def __init__(self, app: ASGIApp, *, proxy: ASGIApp) -> None:
        self.app = app
        self._proxy = proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not requests.is_ours(scope):
            await self.app(scope, receive, send)
            return
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._proxy(scope, receive, noted)
        except Cut as cut:
            log.info("%s", cut)  # the server closes the connection of an answer without an end
            if not started:
                await refuse(scope, receive, send, plain(502, detail=str(cut)))


@cache
def proxy() -> JupyterProxy:
    """Return the application of this process."""
    from couture_workflow.web.jupyter.state import servers

    return JupyterProxy(servers)


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    keeper = asyncio.create_task(keep(proxy().servers))
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await proxy().close()


def jupyter_app() -> FastAPI:
    """Return the application to mount at ``paths.JUPYTER``."""
    app = FastAPI(title="JupyterLab", lifespan=_lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/", proxy())
    return app
