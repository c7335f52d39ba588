"""What Flask-AppBuilder is told when an API server starts: the saved settings, or local log-in and why."""

from __future__ import annotations

import logging
import os
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow.configuration import conf
from flask_appbuilder.const import AUTH_DB, AUTH_LDAP
from sqlalchemy.exc import SQLAlchemyError

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.ldap import applied, configuration, library, trial
from couture_workflow.services.ldap.applied import Applied
from couture_workflow.services.ldap.document import Document
from couture_workflow.services.ldap.fields import DATABASE, FIELDS, LDAP, PASSWORD
from couture_workflow.services.ldap.rules import errors
from couture_workflow.store.home import Store
from couture_workflow.web.ldap import SETTINGS, accounts
from couture_workflow.web.state import store

log = logging.getLogger(__name__)

_OPTION = "AIRFLOW__FAB__CONFIG_FILE"
_FORMER = "AIRFLOW__FAB__CONFIG_FILE_FORMER"
_FILE = Path(__file__).with_name("webserver_config.py")

_own = Applied()


def take_over() -> None:
    """Let Flask-AppBuilder read our file, which reads the installation's own one first; idempotent.

    In the environment, so that the workers of the server do so too.
    """
    present = str(conf.get("fab", "config_file", fallback="") or "")
    if present != str(_FILE):
        os.environ[_FORMER] = present
        os.environ[_OPTION] = str(_FILE)


def former_file() -> Path | None:
    """Return the installation's own ``webserver_config.py``, None if there is none."""
    path = Path(os.environ.get(_FORMER, ""))
    return path if path.is_file() else None


def here() -> Applied:
    """Return what this very process applied when it started."""
    return _own


def flask_settings() -> dict[str, Any]:
    """Return what Flask-AppBuilder is to be told, and note what was applied."""
    global _own
    former = _former_settings()
    found, settings = _settings(former)
    _own = found
    try:
        if found.commit or found.problem:
            _own = applied.record(store(), found)
    except (CoutureError, OSError) as error:  # the disk is full, say: people must get in all the same
        log.warning("What was applied of the LDAP settings cannot be noted: %s", error)
    if found.problem:
        log.error("People log in by local accounts, since the LDAP settings fail: %s", found.problem)
    return {**former, **settings}


def _former_settings() -> dict[str, Any]:
    if (path := former_file()) is None:
        return {}
    return {name: value for name, value in runpy.run_path(str(path)).items() if name.isupper()}


def _settings(former: dict[str, Any]) -> tuple[Applied, dict[str, Any]]:
    """Return what is applied and the settings for it; nothing is set where nothing was ever saved."""
    try:
        document = configuration.read(store())
    except (CoutureError, OSError) as error:
        return Applied(log_in=DATABASE, problem=str(error)), _local(former)
    if document.commit is None:
        return Applied(log_in=DATABASE), {}
    found = Applied(commit=document.commit, log_in=DATABASE)
    if not document.is_ldap:
        return found, _local(former)
    if problem := _nobody_left(document):
        return replace(found, problem=problem), _local(former)
    try:
        problem, bind_password = _check(store(), document)
    except (CoutureError, OSError) as error:
        problem, bind_password = str(error), ""
    if problem:
        return replace(found, problem=problem), {**_local(former), **_manager(document, former)}
    return replace(found, log_in=LDAP), _by_directory(document, bind_password, former)


def _nobody_left(document: Document) -> str:
    """Return why nobody could repair the settings, "" if somebody can; an import may name other accounts."""
    try:
        return next((p.message for p in accounts.problems(document) if p.field == "LOCAL_ACCOUNTS"), "")
    except SQLAlchemyError as error:  # the tables are not there yet
        log.warning("The local accounts cannot be looked at: %s", error)
        return ""


def _check(kept: Store, document: Document) -> tuple[str, str]:
    """Return what stands in the way, "" if nothing does, and the password of the service account."""
    if problem := library.problem():
        return problem, ""
    if wrong := errors(configuration.problems(kept, document, typed="")):
        return f"{wrong[0].field}: {wrong[0].message}", ""
    return "", configuration.password(kept, document) or ""


def _local(former: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of local log-in; nobody makes an account for themselves by it."""
    if former.get("AUTH_TYPE", AUTH_DB) == AUTH_DB:
        return {"AUTH_TYPE": AUTH_DB}
    return {"AUTH_TYPE": AUTH_DB, "AUTH_USER_REGISTRATION": False}


def _manager(document: Document, former: dict[str, Any]) -> dict[str, Any]:
    """Return who checks passwords: without the directory too, those of the local accounts alone count."""
    from couture_workflow.web.ldap.log_in import manager_class

    base = former.get("SECURITY_MANAGER_CLASS")
    return {"SECURITY_MANAGER_CLASS": manager_class(base), SETTINGS: document.json()}


def _by_directory(document: Document, bind_password: str, former: dict[str, Any]) -> dict[str, Any]:
    import ldap

    trial.use_limits(ldap, float(str(document.values["LDAP_TIMEOUT"])))
    data = document.json()
    return {
        **{field.name: data[field.name] for field in FIELDS if not field.is_ours and field.kind != "secret"},
        PASSWORD: bind_password,
        "AUTH_TYPE": AUTH_LDAP,
        **_manager(document, former),
    }
