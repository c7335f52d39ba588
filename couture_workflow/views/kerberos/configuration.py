"""The page *Admin > Kerberos Configuration*: keytabs, and the krb5.conf that goes with them."""

from __future__ import annotations

import json
import shutil
from functools import partial

from flask import request

from couture_workflow.permissions import EDIT, KERBEROS_CONFIGURATION, READ, Permission
from couture_workflow.services.kerberos import configuration, pages
from couture_workflow.views.base import CouturePage, expose, requires
from couture_workflow.views.history import read_part
from couture_workflow.web.state import store

CAN_READ = Permission(READ, KERBEROS_CONFIGURATION)
CAN_EDIT = Permission(EDIT, KERBEROS_CONFIGURATION)

BADGES = {"error": "badge-error", "warning": "badge-warn", "note": "badge-info"}


class KerberosConfigurationPage(CouturePage):
    """The page. Its scripts save and test through the REST API."""

    route_base = "/kerberos-configuration"
    title = "Kerberos Configuration"
    summary = "Keytabs and the krb5.conf that jobs log in to secured clusters with."
    icon = "key"
    group = "Administer"
    permission = CAN_READ

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Show all of it; ``?restore=<version>`` opens an earlier krb5.conf to review."""
        saved = configuration.read(store())
        restored = request.args.get("restore")
        text = configuration.read(store(), commit=restored).text if restored else saved.text
        newest = configuration.history(store(), limit=1)
        state = {
            "saved": saved.text,
            "text": text or configuration.TEMPLATE,
            "commit": saved.commit,
            "changed": bool(restored),
        }
        return self.page(
            "kerberos/configuration.html",
            keytabs=pages.rows(store()),
            broken=pages.broken(store()),
            limit=pages.LIMIT,
            saved=saved,
            remarks=configuration.check(saved.text) if saved.text else [],
            badges=BADGES,
            newest=newest[0] if newest else None,
            has_kinit=shutil.which("kinit") is not None,
            state=json.dumps(state),
            can_edit=CAN_EDIT,
        )

    @expose("/history")
    @requires(CAN_READ)
    def history(self) -> str:
        """Show who changed the krb5.conf and when."""
        history = read_part(partial(configuration.history, store()))
        return self.page("kerberos/history.html", history=history, can_edit=CAN_EDIT)
