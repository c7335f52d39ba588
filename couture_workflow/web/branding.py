"""The product's name and sign on Airflow's own pages: its bar (by its option ``theme``) and its log-in."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.configuration import conf
from jinja2 import ChoiceLoader, FileSystemLoader

from couture_workflow.web import assets
from couture_workflow.web.paths import ASSETS, PAGES

PRODUCT = "Couture Workflow"

#: What Flask-AppBuilder's pages stand in: Airflow's frame, and ours around it.
AIRFLOWS_FRAME, OUR_FRAME = "airflow/main.html", "couture_workflow/airflow.html"

_TEMPLATES = assets.FOLDER.parent / "templates"


def apply() -> None:
    """Put them there, when the API server has started; what somebody set otherwise stays."""
    _set_theme()
    if (app := getattr(get_auth_manager(), "flask_app", None)) is not None:
        _frame(app)


def name() -> str:
    """Return what the pages call this installation: ``[api] instance_name``, else the product's name."""
    return conf.get("api", "instance_name", fallback="") or PRODUCT


def _set_theme() -> None:
    """Choose the sign of Airflow's bar and of its tab in the browser: a path below ``[api] base_url``."""
    if not conf.get("api", "theme", fallback=""):
        conf.set("api", "theme", json.dumps({"icon": _asset("logo.svg")}))


def _asset(path: str) -> str:
    root = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    return f"{root}{PAGES}{ASSETS}/{assets.version()}/{path}"


def _frame(app: Any) -> None:
    """Let the pages of Airflow's auth manager stand in our frame, the log-in page among them."""
    builder = app.extensions.get("appbuilder")
    if getattr(builder, "base_template", None) != AIRFLOWS_FRAME:
        return
    app.jinja_loader = ChoiceLoader([app.jinja_loader, FileSystemLoader(_TEMPLATES)])
    app.config["APP_NAME"] = name()
    app.jinja_env.globals.update(couture_asset=_asset, couture_name=name())
    builder.base_template = OUR_FRAME
