"""The OpenAPI description of each noun, made from its routes, for accounts that may read the noun."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from couture_workflow import __version__
from couture_workflow.api.auth import User, declared, requires
from couture_workflow.permissions import DEVELOPER_HUB, READ, Permission
from couture_workflow.web.errors import STATUS
from couture_workflow.web.paths import APIS

PATH = "/openapi.json"

#: Bytes, as a schema, and as the content of a body or of an answer.
BINARY = {"type": "string", "format": "binary"}
BINARY_CONTENT = {"application/octet-stream": {"schema": BINARY}}
#: Content of a body that is a JSON object.
OBJECT_CONTENT = {"application/json": {"schema": {"type": "object"}}}

_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The token that Airflow's own API uses, from POST /auth/token.",
    },
    "basic": {"type": "http", "scheme": "basic", "description": "User name and password."},
}
_ERROR = {
    "type": "object",
    "description": "Why a call was refused.",
    "required": ["error", "detail"],
    "properties": {
        "error": {
            "type": "string",
            "description": "A code that stays the same.",
            "examples": sorted({code for _, code in STATUS.values()}),
        },
        "detail": {"type": "string", "description": "What is wrong, which rule it breaks and what to do."},
        "field": {"type": "string", "description": "What is at fault in the request."},
        "member": {"type": "string", "description": "What is at fault in an archive."},
        "paths": {"type": "array", "items": {"type": "string"}, "description": "What a conflict is about."},
        "users": {"type": "array", "items": {"type": "string"}, "description": "Who uses what is in use."},
        "problems": {
            "type": "array",
            "items": {"type": "object"},
            "description": "All that the save gate or another check found.",
        },
    },
}
_REFUSALS = {
    "401": "Nobody is logged in.",
    "403": "The role does not include the permission.",
    "default": "The call was refused.",
}
#: What FastAPI describes errors with; ours look otherwise.
_FOREIGN = ("HTTPValidationError", "ValidationError")


def body_of(content: Mapping[str, Any], *, description: str = "") -> dict[str, Any]:
    """Return what the description of a route says of a body that it reads by itself.

    :param content: media type -> schema.
    """
    told = {"description": description} if description else {}
    return {"requestBody": {"required": True, **told, "content": dict(content)}}


def add_description(app: FastAPI, noun: str) -> None:
    """Make an application serve its own description."""
    reader = requires(_permission(app))

    @app.get(PATH, include_in_schema=False)
    def description(request: Request, _user: User = reader) -> dict[str, Any]:
        return describe_api(app, noun, root=str(request.scope.get("root_path", "")))


def describe_api(app: FastAPI, noun: str, *, root: str = "") -> dict[str, Any]:
    """Return the description of a noun's routes.

    :param root: where they are, with the prefix of ``[api] base_url``.
    """
    found = get_openapi(
        title=f"Couture Workflow: {noun}",
        version=__version__,
        description="Permissions are checked before a body is read. Errors are JSON, with a sentence.",
        routes=app.routes,
        servers=[{"url": root or APIS[noun]}],
    )
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _FOREIGN:
        schemas.pop(name, None)
    schemas["Error"] = _ERROR
    components["securitySchemes"] = _SCHEMES
    found["security"] = [{name: []} for name in _SCHEMES]
    permissions = {
        (route.path_format, method.lower()): str(declared(route))
        for route in _routes(app)
        for method in route.methods
    }
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            _complete(operation, permissions[path, method])
    return found


def _complete(operation: dict[str, Any], permission: str) -> None:
    """Add to one call the permission that it needs and what it answers when it refuses."""
    text = operation.get("description", "")
    operation["description"] = f"{text}\n\nNeeds “{permission}”.".strip()
    responses = operation["responses"]
    responses.pop("422", None)
    for status, why in _REFUSALS.items():
        responses[status] = {
            "description": why,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }


def _permission(app: FastAPI) -> Permission:
    """Return the first permission to read among the routes'."""
    found = (declared(route) for route in _routes(app))
    reading = (each for each in found if isinstance(each, Permission) and each.action == READ)
    return next(reading, Permission(READ, DEVELOPER_HUB))


def _routes(app: FastAPI) -> Iterator[APIRoute]:
    return (route for route in app.routes if isinstance(route, APIRoute))
