"""The page *Admin > LDAP Configuration*: log-in by a directory, tried before it is applied."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import Any

from flask import Response, g, jsonify, request

from couture_workflow.permissions import EDIT, LDAP_CONFIGURATION, READ, Permission
from couture_workflow.services.ldap import configuration as ldap_configuration
from couture_workflow.services.ldap import document as ldap_document
from couture_workflow.services.ldap.document import MASK, PATH
from couture_workflow.services.ldap.fields import (
    CHOICES,
    FIELDS,
    GROUPS,
    LEAST_SECONDS,
    MOST_SECONDS,
    PRESETS,
    preset,
)
from couture_workflow.views.base import CouturePage, expose, message_of, requires, sent
from couture_workflow.views.history import read_part
from couture_workflow.web.ldap import accounts, applying
from couture_workflow.web.ldap import page as ldap_page
from couture_workflow.web.state import store

CAN_READ = Permission(READ, LDAP_CONFIGURATION)
CAN_EDIT = Permission(EDIT, LDAP_CONFIGURATION)


class LdapConfigurationPage(CouturePage):
    """The page and the calls that its script makes."""

    route_base = "/ldap-configuration"
    title = "LDAP Configuration"
    summary = "Log in by Active Directory or OpenLDAP, tried as one person before it is applied."
    icon = "people"
    group = "Administer"
    permission = CAN_READ

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Show the settings; ``?restore=<version>`` opens the form with an earlier version to review."""
        present = ldap_page.present()
        restored = request.args.get("restore")
        shown = ldap_configuration.read(store(), commit=restored) if restored else present
        newest = ldap_configuration.history(store(), limit=1)
        state = {
            "base": present.commit,
            "values": ldap_page.masked(shown),
            "saved": ldap_page.masked(present),
            "presets": {name: preset(name) for name in PRESETS},
        }
        return self.page(
            "ldap/configuration.html",
            groups=[(group, [field for field in FIELDS if field.group == group.name]) for group in GROUPS],
            values=state["values"],
            state=json.dumps(state),
            log_in=ldap_page.state(),
            former=applying.former_file(),
            restored=bool(restored),
            newest=newest[0] if newest else None,
            choices=CHOICES,
            presets=PRESETS,
            seconds=(LEAST_SECONDS, MOST_SECONDS),
            roles=accounts.role_names(),
            mask=MASK,
            path=PATH,
            can_edit=CAN_EDIT,
        )

    @expose("/history")
    @requires(CAN_READ)
    def history(self) -> str:
        """Show who changed what and when."""
        history = read_part(partial(ldap_configuration.history, store()))
        return self.page("ldap/history.html", history=history, can_edit=CAN_EDIT)

    @expose("/history/<commit>")
    @requires(CAN_READ)
    def version(self, commit: str) -> Response:
        """Return what one version changed."""
        before = request.args.get("before")
        old = ldap_configuration.read(store(), commit=before) if before else ldap_document.DEFAULT
        new = ldap_configuration.read(store(), commit=commit)
        return jsonify(changes=[asdict(change) for change in ldap_document.changes(old, new)])

    @expose("/check", methods=["POST"])
    @requires(CAN_EDIT)
    def check(self) -> Response:
        """Return what is wrong with settings and what a save of them would change."""
        payload = sent()
        typed = _settings(payload)
        return jsonify(
            problems=[asdict(problem) for problem in ldap_page.problems(typed)],
            changes=ldap_page.changes(typed, base=_base(payload)),
        )

    @expose("/save", methods=["POST"])
    @requires(CAN_EDIT)
    def save(self) -> Response:
        """Save settings, which an API server takes up when it starts."""
        payload = sent()
        typed = _settings(payload)
        if told := ldap_page.refused(ldap_page.problems(typed)):
            answer = jsonify(**told)
            answer.status_code = 422
            return answer
        saved = ldap_page.save(typed, g.user, base=_base(payload), message=message_of(payload))
        return jsonify(commit=saved.commit)

    @expose("/test", methods=["POST"])
    @requires(CAN_EDIT)
    def test(self) -> Response:
        """Try to log in as somebody with the settings of the form; nothing is stored."""
        payload = sent()
        found = ldap_page.tried(
            _settings(payload), g.user, username=payload.get("username"), password=payload.get("password")
        )
        steps = [{**asdict(step), "title": step.title} for step in found.steps]
        answer = jsonify(ok=found.ok, steps=steps, roles=found.roles)
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _settings(payload: dict[str, Any]) -> ldap_page.Sent:
    values = payload.get("values")
    return ldap_page.read(values if isinstance(values, dict) else {})


def _base(payload: dict[str, Any]) -> str | None:
    base = payload.get("base")
    return base if isinstance(base, str) and base else None
