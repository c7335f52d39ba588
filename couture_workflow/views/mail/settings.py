"""The page *Admin > Mail*: the server that all mails go through, tried with a mail before it is saved."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from flask import Response, g, jsonify

from couture_workflow.permissions import EDIT, MAIL, READ, Permission
from couture_workflow.services.mail import configuration, document
from couture_workflow.services.mail.document import MASK, PORTS, SECURITIES
from couture_workflow.views.base import CouturePage, expose, requires, sent
from couture_workflow.web.mail import page as mail_page
from couture_workflow.web.state import store

CAN_READ = Permission(READ, MAIL)
CAN_EDIT = Permission(EDIT, MAIL)

#: Choice -> what the page calls it.
_SECURITY_NAMES = {
    "none": "not encrypted",
    "starttls": "STARTTLS",
    "tls": "TLS from the start",
}


class MailPage(CouturePage):
    """The page and the calls that its script makes."""

    route_base = "/mail"
    title = "Mail"
    summary = "The server that mails about failures, retries and missed SLAs go through, tried with a mail."
    icon = "mail"
    group = "Administer"
    permission = CAN_READ

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Show the settings that count now."""
        saved = configuration.to_show(store())
        newest = store().config.history(document.PATH, limit=1)
        values = mail_page.shown(saved)
        return self.page(
            "mail/settings.html",
            values=values,
            state=json.dumps({"base": saved.commit, "ports": PORTS}),
            mail=mail_page.state(),
            newest=newest[0] if newest else None,
            securities=SECURITIES,
            security_names=_SECURITY_NAMES,
            mask=MASK,
            to=str(getattr(g.user, "email", "") or ""),
            can_edit=CAN_EDIT,
        )

    @expose("/save", methods=["POST"])
    @requires(CAN_EDIT)
    def save(self) -> Response:
        """Save settings, which count for the next mail on."""
        payload = sent()
        saved = mail_page.save(payload.get("values"), g.user, base=_base(payload))
        return jsonify(commit=saved.commit)

    @expose("/test", methods=["POST"])
    @requires(CAN_EDIT)
    def test(self) -> Response:
        """Send a test mail with the settings of the form; nothing is stored."""
        payload = sent()
        found = mail_page.tried(payload.get("values"), payload.get("to"), g.user)
        answer = jsonify(**asdict(found))
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _base(payload: dict[str, Any]) -> str | None:
    base = payload.get("base")
    return base if isinstance(base, str) and base else None
