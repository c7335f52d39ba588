"""The Flask application behind the pages: account, permission, CSRF, headers and errors, in that order."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from airflow import settings
from airflow.api_fastapi.app import get_auth_manager, get_cookie_path
from airflow.configuration import conf
from flask import Flask, Response, abort, current_app, g, jsonify, render_template, request, session
from flask.json.provider import DefaultJSONProvider
from flask_appbuilder import BaseView
from flask_login import AnonymousUserMixin, LoginManager
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException

from couture_workflow import __version__
from couture_workflow.exceptions import CoutureError
from couture_workflow.web import assets
from couture_workflow.web.app import USER_KEY
from couture_workflow.web.errors import Report, describe, plain
from couture_workflow.web.fab import AirflowSecurityManager, PagesBuilder
from couture_workflow.web.paths import ASSETS, PAGES
from couture_workflow.web.security import AnyPermission, allowed

log = logging.getLogger(__name__)

_ROOT = Path(__file__).parent.parent

#: Pages hold forms of small texts; files go through the REST API, which streams.
_MAX_BODY = 8 * 2**20

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; frame-ancestors 'self'; base-uri 'self'; form-action 'self'; object-src 'none'",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Anonymous(AnonymousUserMixin):  # type: ignore[misc]
    """Nobody."""

    def get_name(self) -> str:
        """Return the name for logs."""
        return "anonymous"


class _Json(DefaultJSONProvider):
    """JSON that tells of data which is nested too deeply as of any other that cannot be read."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Read JSON or raise ``ValueError``."""
        try:
            return super().loads(s, **kwargs)
        except RecursionError as error:
            raise ValueError("The JSON is nested too deeply.") from error


def make_flask_app(pages: Iterable[type[BaseView]]) -> Flask:
    """Build the application that serves the pages given."""
    app = Flask("couture_workflow", root_path=str(_ROOT), static_folder=None)
    app.config.update(_config())
    app.json = _Json(app)
    login_manager = LoginManager(app)
    login_manager.anonymous_user = Anonymous
    login_manager.request_loader(lambda _request: _caller())
    app.before_request(_bind_account)
    app.before_request(_require_permission)  # before CSRF, whose hook reads the body
    CSRFProtect(app)
    app.register_error_handler(CoutureError, lambda error: _answer(describe(error)))
    app.register_error_handler(HTTPException, _http_error)
    app.after_request(_set_headers)
    app.teardown_appcontext(_end_session)
    app.context_processor(_template_context)
    app.jinja_env.globals.update(asset=_asset, may=_may)  # globals, so that macros see them too
    with app.app_context():
        builder = PagesBuilder(
            app, settings.Session, security_manager_class=AirflowSecurityManager, update_perms=False
        )
        for page in pages:
            builder.add_view_no_menu(page)
    return app


def _config() -> dict[str, Any]:
    secret = conf.get_mandatory_value("api", "secret_key")
    secure = conf.get("api", "base_url", fallback="").startswith("https") or conf.get(
        "api", "ssl_cert", fallback=""
    )
    return {
        # Another key than Airflow's own sessions have, the same in every worker and replica.
        "SECRET_KEY": hashlib.sha256(b"couture-workflow pages|" + secret.encode()).hexdigest(),
        # Holds the CSRF secret and messages; it authenticates nobody.
        "SESSION_COOKIE_NAME": "couture",
        "SESSION_COOKIE_PATH": get_cookie_path().rstrip("/") + PAGES,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": bool(secure),
        "WTF_CSRF_TIME_LIMIT": None,
        "MAX_CONTENT_LENGTH": _MAX_BODY,
        "MAX_FORM_MEMORY_SIZE": _MAX_BODY,
        "APP_NAME": "Couture Workflow",
        "FAB_BASE_TEMPLATE": "couture_workflow/base.html",
        "FAB_UPDATE_PERMS": False,
        "BABEL_DEFAULT_LOCALE": "en",
    }


def _caller() -> Any:
    return request.environ["asgi.scope"].get(USER_KEY)


def _bind_account() -> None:
    """Put the account on the request; what another account left in the browser's session is dropped.

    A request of nobody drops the messages alone: who logs in again, as the same person, can save what an open
    page still holds.
    """
    user = _caller()
    g.user = user or Anonymous()
    if user is None:
        session.pop("_flashes", None)
        return
    account = user.get_id()
    if session.get("account") != account:
        session.clear()
        session["account"] = account


def _require_permission() -> None:
    """Refuse whoever lacks the permission that the view declares, and everybody where it declares none."""
    user = _caller()
    if user is None:
        abort(401)
    if request.endpoint is None:
        return  # no such address: 404
    view = current_app.view_functions[request.endpoint]
    permission = getattr(view, "permission", None)
    if permission is None:
        log.error("%s declares no permission, so nobody may open it", request.endpoint)
        abort(403)
    if not allowed(user, permission, dag_id=(request.view_args or {}).get("dag_id")):
        abort(
            403, description=f"Your role does not include “{permission}”. An administrator can change roles."
        )
    if limits := getattr(view, "accepts", None):
        request.max_content_length, request.max_form_parts = limits


def wants_json() -> bool:
    """Tell whether the caller is a program: it asks for JSON, or sends it."""
    accept = request.accept_mimetypes
    return request.is_json or accept["application/json"] > accept["text/html"]


def _http_error(error: HTTPException) -> Any:
    if error.response is not None:  # a redirect or an answer that a view aborts with
        return error.response
    status = error.code or 500
    if isinstance(error, CSRFError):
        detail = "This page is out of date or was opened by another account. Reload it and try again."
        return _answer(Report(400, "csrf", "Reload the page", detail))
    if status < 400:
        return error
    custom = error.description if error.description != type(error).description and status < 500 else ""
    return _answer(plain(status, detail=custom or ""))


def _answer(report: Report) -> tuple[Any, int]:
    if wants_json():
        return jsonify(report.json()), report.status
    return render_template("couture_workflow/error.html", report=report), report.status


def _set_headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _end_session(_error: BaseException | None) -> None:
    if settings.Session is not None:
        settings.Session.remove()


def _asset(name: str) -> str:
    """Return the address of a static file."""
    return f"{request.script_root}{ASSETS}/{assets.version()}/{name}"


def _may(permission: AnyPermission, *, dag_id: str | None = None) -> bool:
    """Tell whether the caller has a permission."""
    return allowed(_caller(), permission, dag_id=dag_id)


def _template_context() -> dict[str, Any]:
    root = request.script_root
    base = root.removesuffix(PAGES)
    return {
        "pages_root": root,
        "api_root": f"{base}/api",
        "airflow_root": f"{base}/",
        "login_url": get_auth_manager().get_url_login(),
        "product_version": __version__,
    }
