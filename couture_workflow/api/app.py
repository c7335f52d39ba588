"""The REST API: one FastAPI application for each noun, behind one guard and with one way to tell errors."""

from __future__ import annotations

import importlib
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from couture_workflow.api.archives.routes import archive_router
from couture_workflow.api.auth import Guard, refusal
from couture_workflow.api.openapi import add_description
from couture_workflow.exceptions import CoutureError
from couture_workflow.services.archives.import_export import NOUNS
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.errors import describe, plain
from couture_workflow.web.paths import APIS

log = logging.getLogger(__name__)

#: Problems of a body that are told, and characters of a name in it: a body of 1 MiB can have 350,000.
_MOST_TOLD, _LONGEST_PART = 20, 100

#: Noun of ``paths.APIS`` -> modules below this package whose ``router`` it is made of, beside its archives.
_ROUTERS = {
    "configs": ("spark.routes",),
    "dependencies": ("files.dependencies",),
    "artifacts": ("files.artifacts",),
    "dags": ("dags.routes",),
    "notebooks": ("jupyter.routes", "schedules.routes"),
    "runs": ("runs.routes", "runs.outputs", "runs.frame"),
    "git_remote": ("git.routes",),
    "hadoop": ("hadoop.routes",),
    "kerberos": ("kerberos.routes",),
    "ldap": ("ldap.routes",),
    "mail": ("mail.routes",),
    "sla": ("sla.routes",),
    "eda": ("eda.sources", "eda.connections", "eda.data", "eda.runs", "eda.outputs", "eda.compare"),
    "models": ("models.models", "models.versions", "models.labels", "models.trying"),
}


def api_apps() -> dict[str, FastAPI]:
    """Return noun -> application, to be mounted at ``paths.APIS``."""
    return {noun: _app(noun) for noun in APIS}


def _app(noun: str) -> FastAPI:
    app = FastAPI(
        title=f"Couture Workflow: {noun}",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        default_response_class=JSONResponse,
    )
    for archived in NOUNS:
        if archived == noun:
            app.include_router(archive_router(archived))
    for module in _ROUTERS[noun]:
        app.include_router(importlib.import_module(f"couture_workflow.api.{module}").router)
    add_description(app, noun)
    app.add_middleware(Guard, routes=lambda: app.routes)
    app.add_exception_handler(CoutureError, _our_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _unexpected)
    return app


async def _our_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, CoutureError):
        raise TypeError(error)
    report = describe(error)
    if report.status >= 500:
        log.error("%s: %s", report.code, error)
    return JSONResponse(report.json(), status_code=report.status)


async def _http_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError(error)
    response: Response = refusal(error)
    return response


async def _validation_error(_request: Request, error: Exception) -> Response:
    """Name the first field that is at fault, and the first few of them in the sentence."""
    problems: list[Any] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    told = [_told(problem) for problem in problems[:_MOST_TOLD]]
    detail = "; ".join(f"{field or 'body'}: {why}" for field, why in told)
    if (more := len(problems) - len(told)) > 0:
        detail += f"; and {more:,} more like these"
    body = {"error": "invalid", "detail": detail, "field": told[0][0] if told else ""}
    return JSONResponse(body, status_code=422)


def _told(problem: dict[str, Any]) -> tuple[str, str]:
    """Return the field that is at fault, empty for the body as a whole, and why it is."""
    if problem["type"] == "json_invalid":
        return "", f"It is no JSON ({problem['ctx']['error']}, at character {problem['loc'][-1] + 1})."
    return ".".join(str(part)[:_LONGEST_PART] for part in problem["loc"][1:]), problem["msg"]


async def _unexpected(_request: Request, _error: Exception) -> Response:
    """Answer in JSON; Starlette logs the error itself."""
    return JSONResponse(plain(500).json(), status_code=500)
