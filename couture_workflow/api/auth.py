"""Who calls the REST API: Bearer token, HTTP Basic or Airflow's cookie; checked before the body is read."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from anyio import to_thread
from fastapi import Depends, Request
from fastapi.routing import APIRoute
from fastapi.security.http import HTTPBasic
from fastapi.security.utils import get_authorization_scheme_param
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from couture_workflow.permissions import SharedSecret
from couture_workflow.web import bodies, log_in_limit
from couture_workflow.web.errors import plain
from couture_workflow.web.security import AnyPermission, allowed, fresh_user, user_of_token

log = logging.getLogger(__name__)

User = BaseUser

_USER_KEY = "couture.user"
_WRONG = "The user name or the password is wrong, or the token is not valid (any more)."
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="Couture Workflow"'}
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

#: Bytes of a body that FastAPI reads into memory and parses, where a route does not say otherwise.
MOST_PARSED = 2**20

_BASIC_SECONDS = 60.0
_BASIC_ENTRIES = 1000


def requires(permission: AnyPermission | SharedSecret, *, most: int = MOST_PARSED) -> Any:
    """Declare the permission of a route and get the caller: ``user: User = requires(Permission(READ, ...))``.

    ``Guard`` refuses whoever lacks it before FastAPI reads the body. An ``AirflowPermission`` is asked
    for the DAG in the path's ``dag_id``.

    :param most: bytes of a body that FastAPI parses; a route that reads its body itself counts itself.
    """

    def caller(request: Request) -> BaseUser | None:
        user: BaseUser | None = request.scope.get(_USER_KEY)
        return user

    caller.permission = permission  # type: ignore[attr-defined]
    caller.most = most  # type: ignore[attr-defined]
    return Depends(caller)


def declared(route: Any) -> AnyPermission | SharedSecret | None:
    """Return the permission that a route declares, None if it declares none."""
    if not isinstance(route, APIRoute):
        return None
    for dependency in route.dependant.dependencies:
        if permission := getattr(dependency.call, "permission", None):
            return permission  # type: ignore[no-any-return]
    return None


def _most(route: Any) -> int | None:
    """Return the bytes that a body may have, None for a route that reads its body itself."""
    if not isinstance(route, APIRoute) or route.body_field is None:
        return None
    found = (getattr(each.call, "most", None) for each in route.dependant.dependencies)
    return next((most for most in found if most is not None), MOST_PARSED)


class Guard:
    """Admit or refuse each call of an API before the application sees it: the body is still unread."""

    def __init__(self, app: ASGIApp, *, routes: Callable[[], list[Any]]) -> None:
        self.app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            route = await self._admit(scope)
        except HTTPException as error:
            response = refusal(error)
            await response(scope, receive, send)
            return
        user = scope.get(_USER_KEY)
        account = str(user.get_name()) if user else ""
        await bodies.streamed(self.app, scope, receive, send, account=account, most=_most(route))

    async def _admit(self, scope: Scope) -> Any:
        """Return the route that serves the call, None if there is none."""
        for route in self._routes():
            if isinstance(declared(route), SharedSecret) and route.matches(scope)[0] is Match.FULL:
                return route  # it compares the secret before it does anything
        user = await _authenticate(Request(scope))
        if user is None:
            sent = b"authorization" in dict(scope["headers"])
            raise HTTPException(401, _WRONG if sent else None, headers=_CHALLENGE)
        scope[_USER_KEY] = user
        for route in self._routes():
            match, found = route.matches(scope)
            if match is Match.FULL:
                await to_thread.run_sync(_authorise, user, route, found.get("path_params", {}))
                return route
        return None


def refusal(error: HTTPException) -> Any:
    """Turn a bare status into the JSON that every error of the API has."""
    from couture_workflow.web.answers import JSONResponse

    detail = error.detail if error.detail != _phrase(error.status_code) else ""
    report = plain(error.status_code, detail=str(detail))
    return JSONResponse(report.json(), status_code=error.status_code, headers=error.headers)


def _phrase(status: int) -> str:
    return str(HTTPException(status).detail)


def _authorise(user: BaseUser, route: Any, path_params: dict[str, Any]) -> None:
    permission = declared(route)
    if permission is None or isinstance(permission, SharedSecret):
        log.error("%s declares no permission, so nobody may call it", getattr(route, "path", route))
        raise HTTPException(403)
    if not allowed(user, permission, dag_id=path_params.get("dag_id")):
        raise HTTPException(
            403, f"Your role does not include “{permission}”. An administrator can change roles."
        )


async def _authenticate(request: Request) -> BaseUser | None:
    scheme, credentials = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() == "bearer":
        return await user_of_token(credentials)
    if scheme.lower() == "basic":
        given = await HTTPBasic(auto_error=False)(request)
        return await _basic(request, given.username, given.password) if given else None
    user = await user_of_token(request.cookies.get(COOKIE_NAME_JWT_TOKEN))
    if user and request.method not in _SAFE_METHODS and not request.headers.get("x-requested-with"):
        # A foreign page can make a browser send the cookie, but not this header.
        raise HTTPException(403, "A call with the browser's cookie needs the header X-Requested-With.")
    return user


class _BasicCache:
    """Accounts that logged in with a password in the last minute: one check of a password costs 0.1 to 0.5 s.

    Keyed by a digest with this process's key; an entry counts while the account's password hash is the same.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._entries: dict[bytes, tuple[BaseUser, Any, float]] = {}

    def digest(self, username: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{username}\0{password}".encode(), "sha256")

    def get(self, digest: bytes) -> tuple[BaseUser, Any] | None:
        entry = self._entries.get(digest)
        return entry[:2] if entry and entry[2] > time.monotonic() else None

    def put(self, digest: bytes, user: BaseUser) -> None:
        if len(self._entries) >= _BASIC_ENTRIES:
            self._entries.clear()
        self._entries[digest] = (user, getattr(user, "password", None), time.monotonic() + _BASIC_SECONDS)


_basic_cache = _BasicCache()


#: One password is checked once, however many calls bring it at the same time; and is counted once.
_checks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()


async def _basic(request: Request, username: str, password: str) -> BaseUser | None:
    digest = _basic_cache.digest(username, password)
    async with _checks.setdefault(digest, asyncio.Lock()):
        user, known = await to_thread.run_sync(_known, digest)
        if known or not log_in_limit.is_limited():
            return user if known else await to_thread.run_sync(_checked, digest, username, password)
        address = str((request.scope.get("client") or ("",))[0])
        if wait := await to_thread.run_sync(log_in_limit.attempts.begin, address, username):
            raise HTTPException(429, log_in_limit.sentence(wait), headers={"Retry-After": str(wait)})
        user = await to_thread.run_sync(_checked, digest, username, password)
        if user is not None:
            await to_thread.run_sync(log_in_limit.attempts.good, address, username)
        return user


def _known(digest: bytes) -> tuple[BaseUser | None, bool]:
    """Return the account that a password was checked for in the last minute, and whether that is known."""
    if hit := _basic_cache.get(digest):
        user = fresh_user(hit[0])
        if user is None or getattr(user, "password", None) == hit[1]:
            return user, True
    return None, False


def _checked(digest: bytes, username: str, password: str) -> BaseUser | None:
    user = fresh_user(_check_password(username, password))
    if user is not None:
        _basic_cache.put(digest, user)
    return user


def _check_password(username: str, password: str) -> BaseUser | None:
    manager: Any = get_auth_manager()
    app = getattr(manager, "flask_app", None)
    if app is None or not username or not password:  # not the FAB auth manager: Bearer tokens only
        return None
    with app.app_context():
        account: BaseUser | None = manager.create_token(
            headers={}, body={"username": username, "password": password}
        )
    return account
