"""The page *Notebook Schedules*: what is scheduled, with its form; its scripts call the REST API."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from flask import Response, g, jsonify, request

from couture_workflow.exceptions import InvalidError, NotAllowedError
from couture_workflow.permissions import CREATE, DELETE, EDIT, NOTEBOOK_SCHEDULES, READ, Permission
from couture_workflow.services.notebooks import folders, kernels, people
from couture_workflow.services.notebooks import outputs as notebook_outputs
from couture_workflow.services.schedules import library, timing
from couture_workflow.services.schedules.form import Form
from couture_workflow.views.base import CouturePage, address_of, expose, number_asked, requires, user_name
from couture_workflow.views.schedules import rows as schedule_rows
from couture_workflow.views.schedules.rows import Wish
from couture_workflow.web.dags.live import live
from couture_workflow.web.schedules import saving
from couture_workflow.web.security import allowed, reads_dags
from couture_workflow.web.state import store

CAN_READ = Permission(READ, NOTEBOOK_SCHEDULES)
CAN_CREATE = Permission(CREATE, NOTEBOOK_SCHEDULES)
CAN_EDIT = Permission(EDIT, NOTEBOOK_SCHEDULES)
CAN_DELETE = Permission(DELETE, NOTEBOOK_SCHEDULES)

BADGES = {"success": "badge-ok", "failed": "badge-error", "running": "badge-info"}
#: What the form and the links of the list are made of, beside ``offset``.
_FILTERS = ("q", "owner", "sort", "order")
_PART = 50


class NotebookSchedulesPage(CouturePage):
    """The list, the form, and what the form asks for while it is filled in."""

    route_base = "/notebook-schedules"
    title = "Notebook Schedules"
    summary = "Notebooks that run as DAGs, once or again and again, with parameters and a copy of their own."
    icon = "schedule"
    group = "Run"
    permission = CAN_READ

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Show the schedules that the address asks for, of the DAGs that the account may read."""
        given = {name: value for name in _FILTERS if (value := request.args.get(name, "").strip())}
        problem, wish = "", Wish()
        try:
            wish = schedule_rows.wish_of(given)
        except InvalidError as error:
            problem = str(error)
        rights = _rights()
        found = schedule_rows.found(g.user, wish)
        offset = number_asked("offset", 0)
        me = user_name()
        return self.page(
            "schedules/schedules.html",
            rows=schedule_rows.rows(found[offset : offset + _PART], g.user, can_edit=rights["edit"]),
            problem=problem,
            given=given,
            filtered=bool(given.keys() & {"q", "owner"}) or bool(problem),
            rights=rights,
            reads_dags=reads_dags(g.user),
            badges=BADGES,
            mine=_address(given, owner="" if given.get("owner") == me else me),
            is_mine=given.get("owner") == me,
            sorted_by=lambda sort: _order(given, wish, sort),
            back=_address(given, offset=max(0, offset - _PART)) if offset else "",
            on=_address(given, offset=offset + _PART) if len(found) > offset + _PART else "",
            place=f"From {offset + 1:,} on, of {len(found):,}" if offset or len(found) > _PART else "",
        )

    @expose("/new")
    @requires(CAN_CREATE)
    def new(self) -> str:
        """Show the form; ``?path=`` is the notebook."""
        _demand_read()
        form = Form(notebook=request.args.get("path", "").strip("/"), html="code")
        state = {"form": {**form.json(), "when": {"kind": "now"}}, "editing": False, "base": None}
        return self._form("Schedule a notebook", state)

    @expose("/<name>/edit")
    @requires(CAN_EDIT)
    def edit(self, name: str) -> str:
        """Show the form as it was saved."""
        _demand_read()
        schedule = saving.schedule_of(g.user, name)
        form = schedule.form.json()
        if at := timing.time_of(schedule.form.when):
            form["when"]["at"] = at.replace(
                tzinfo=None, microsecond=0
            ).isoformat()  # on the clocks of its time zone
        state = {
            "form": form,
            "editing": True,
            "base": schedule.commit,
            "edited": schedule.edited,
            "unknown": schedule.unknown,
            "path": schedule.path,
            "parameters": [vars(each) for each in library.parameters(store(), schedule)],
            "files": [{"path": path, "size": size} for path, size in sorted(schedule.beside.items())],
        }
        return self._form(f"Edit {name}", state)

    @expose("/notebooks")
    @requires(CAN_READ)
    def notebooks(self) -> Response:
        """Return the notebooks that the account may schedule."""
        return jsonify(notebooks=folders.notebooks(people.top(store().root), user_name()))

    @expose("/<name>/live")
    @requires(CAN_READ)
    def live(self, name: str) -> Response:
        """Return what Airflow made of the DAG file as of ``?commit=``: waiting, parsed or error."""
        schedule = saving.schedule_of(g.user, name)
        [found] = live(store(), request.args.get("commit", ""), [schedule.path], user=g.user)
        return jsonify(state=found["state"], error=found["error"])

    @expose("/<name>/outputs")
    @requires(CAN_READ)
    def outputs(self, name: str) -> Response:
        """Return how many tries left outputs, and their bytes; more than that if they are not the whole."""
        room = notebook_outputs.room(store(), saving.schedule_of(g.user, name).dag_id)
        return jsonify(tries=room.tries, bytes=room.size, whole=room.is_whole)

    def _form(self, title: str, state: dict[str, Any]) -> str:
        known = {
            "kernels": [vars(kernel) for kernel in kernels.installed()],
            "zones": timing.zones(),
            "user": user_name(),
        }
        return self.page(
            "schedules/form.html",
            title=title,
            editing=state["editing"],
            folder=people.folder_name(user_name()),
            state=json.dumps({**state, **known}),
        )


def _rights() -> dict[str, bool]:
    return {
        name: allowed(g.user, permission)
        for name, permission in (("create", CAN_CREATE), ("edit", CAN_EDIT), ("delete", CAN_DELETE))
    }


def _demand_read() -> None:
    """Refuse the form to whoever cannot use it: it asks for notebooks, and for findings while one types."""
    if not allowed(g.user, CAN_READ):
        raise NotAllowedError(
            f'The form needs "{CAN_READ}" too, which your role does not include. An administrator can change '
            "roles."
        )


_address = partial(address_of, "NotebookSchedulesPage.index")


def _order(given: dict[str, str], wish: Wish, sort: str) -> dict[str, str]:
    """Return what the head of a column needs: the order of now, and the address that sorts by it."""
    is_now, first = wish.sort == sort, "desc" if sort == "last" else "asc"
    now = "desc" if wish.descending else "asc"
    other = {"asc": "desc", "desc": "asc"}[now]
    order = {"asc": "ascending", "desc": "descending"}[now] if is_now else ""
    return {"order": order, "href": _address(given, sort=sort, order=other if is_now else first)}
