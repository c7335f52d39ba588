"""The page *Developer > Code Bricks*: pieces of DAG code to insert in the editor, to add and to change."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import Any

from flask import Response, flash, g, jsonify, request

from couture_workflow.exceptions import CoutureError, InvalidError
from couture_workflow.permissions import CODE_BRICKS, CREATE, DELETE, EDIT, READ, Permission
from couture_workflow.services.bricks import document as brick_document
from couture_workflow.services.bricks import library as brick_library
from couture_workflow.services.bricks import rules as brick_rules
from couture_workflow.services.bricks.document import TYPES, Brick, Parameter
from couture_workflow.services.personal import view as personal_view
from couture_workflow.views.base import CouturePage, expose, message_of, requires, sent
from couture_workflow.views.history import read_part
from couture_workflow.web.audit import audit
from couture_workflow.web.state import store

CAN_READ = Permission(READ, CODE_BRICKS)
CAN_CREATE = Permission(CREATE, CODE_BRICKS)
CAN_EDIT = Permission(EDIT, CODE_BRICKS)
CAN_DELETE = Permission(DELETE, CODE_BRICKS)


class CodeBricksPage(CouturePage):
    """The list, the form with its review, the history, and what the editor's dialog asks for."""

    route_base = "/code-bricks"
    title = "Code Bricks"
    summary = "Pieces of DAG code that the editor inserts: operators, branches, sensors, and your own."
    icon = "brick"
    group = "Build"
    permission = CAN_READ

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Show all bricks."""
        listed = brick_library.all_of(store())
        return self.page(
            "bricks/bricks.html",
            entries=listed,
            hidden=brick_library.hidden(listed),
            tags=sorted({tag for entry in listed for tag in entry.brick.tags}, key=str.casefold),
            base=store().config.head() or "",
            can_create=CAN_CREATE,
            can_edit=CAN_EDIT,
            can_delete=CAN_DELETE,
        )

    @expose("/new")
    @requires(CAN_CREATE)
    def new(self) -> str:
        """Show an empty form, or one with a copy of another brick: ``?from=<name>``."""
        source = request.args.get("from", "")
        brick = brick_library.get(store(), source) if source else Brick(name="", title="")
        return self._form(brick, saved="", new=True)

    @expose("/<name>/edit")
    @requires(CAN_EDIT)
    def edit(self, name: str) -> str:
        """Show the form; ``?restore=<version>`` fills it with an earlier version."""
        saved = brick_library.text_of(store(), name)
        brick = brick_library.get(store(), name, commit=request.args.get("restore"))
        return self._form(brick, saved=saved, new=False)

    @expose("/<name>/history")
    @requires(CAN_READ)
    def history(self, name: str) -> str:
        """Show who changed a brick."""
        history = read_part(partial(brick_library.history, store(), name))
        shipped = brick_library.shipped().get(name)
        return self.page(
            "bricks/history.html",
            title=f"History of {name}",
            name=name,
            history=history,
            texts={
                entry.id: brick_library.text_of(store(), name, commit=entry.id) for entry in history.entries
            },
            oldest=brick_document.dump(shipped) if shipped else "",
            can_edit=CAN_EDIT,
        )

    @expose("/check", methods=["POST"])
    @requires(CAN_READ)
    def check(self) -> Response:
        """Return what is wrong with a draft, the text that would be saved and the code that it gives."""
        brick, _ = _draft()
        try:
            brick_rules.check(brick)
            rendered = brick_rules.render(brick, {})
        except InvalidError as error:
            return jsonify(problem=str(error), field=error.field, text="", code="")
        code = "\n".join(rendered.imports) + "\n\n\n" + rendered.body if rendered.imports else rendered.body
        return jsonify(problem="", field="", text=brick_document.dump(brick), code=code)

    @expose("/add", methods=["POST"])
    @requires(CAN_CREATE)
    def add(self) -> Response:
        """Save a new brick."""
        return self._save(new=True)

    @expose("/save", methods=["POST"])
    @requires(CAN_EDIT)
    def save(self) -> Response:
        """Save a brick that exists."""
        return self._save(new=False)

    @expose("/<name>/delete", methods=["POST"])
    @requires(CAN_DELETE)
    def delete(self, name: str) -> Response:
        """Delete a brick, or hide one that came with the package."""
        commit = brick_library.delete(store(), name, user=g.user.get_name(), base=_base())
        audit("bricks.delete", g.user, brick=name, commit=commit.id)
        return jsonify(commit=commit.id)

    @expose("/<name>/reset", methods=["POST"])
    @requires(CAN_EDIT)
    def reset(self, name: str) -> Response:
        """Take the shipped version again."""
        commit = brick_library.reset(store(), name, user=g.user.get_name(), base=_base())
        audit("bricks.reset", g.user, brick=name, commit=commit.id)
        return jsonify(commit=commit.id)

    @expose("/list")
    @requires(CAN_READ)
    def listing(self) -> Response:
        """Return what the editor's dialog offers."""
        usable = [entry for entry in brick_library.all_of(store()) if not entry.problem]
        user = personal_view.present().user
        listed = [(brick_library.owned_by(entry.brick, user), entry.origin) for entry in usable]
        return jsonify(bricks=[asdict(brick) | {"origin": origin} for brick, origin in listed])

    @expose("/<name>/render", methods=["POST"])
    @requires(CAN_READ)
    def render(self, name: str) -> Response:
        """Return the code of a brick with the values that were typed."""
        values = sent().get("values")
        if not isinstance(values, dict):
            raise InvalidError("The page sent no values. Reload the page.")
        rendered = brick_rules.render(
            brick_library.get(store(), name), {str(key): str(value) for key, value in values.items()}
        )
        return jsonify(imports=list(rendered.imports), body=rendered.body)

    def _form(self, brick: Brick, *, saved: str, new: bool) -> str:
        state = {"brick": asdict(brick), "saved": saved, "new": new, "base": store().config.head() or ""}
        return self.page(
            "bricks/form.html",
            title="New brick" if new else f"Edit {brick.title}",
            brick=brick,
            new=new,
            types=TYPES,
            state=json.dumps(state),
        )

    def _save(self, *, new: bool) -> Response:
        brick, payload = _draft()
        before = None if new else _present(brick.name)
        commit = brick_library.save(
            store(),
            brick,
            user=g.user.get_name(),
            base=_base(),
            message=message_of(payload),
            new=new,
        )
        audit("bricks.save", g.user, brick=brick.name, commit=commit.id, before=before)
        flash(f"Saved: {brick.title}", "ok")  # told by the page that the browser goes to
        return jsonify(commit=commit.id, name=brick.name)


def _present(name: str) -> str | None:
    try:
        return brick_document.dump(brick_library.get(store(), name))
    except CoutureError:
        return None


def _base() -> str | None:
    return str(sent().get("base") or "") or None


def _draft() -> tuple[Brick, dict[str, Any]]:
    """Return the brick that the form sent, and all that it sent."""
    payload = sent()
    given = payload.get("brick")
    if not isinstance(given, dict) or not all(
        isinstance(given.get(key, []), list) for key in ("tags", "parameters")
    ):
        raise InvalidError("The page sent something else than a brick. Reload the page.")
    parameters = [entry for entry in given.get("parameters", []) if isinstance(entry, dict)]
    brick = Brick(
        name=str(given.get("name", "")),
        title=str(given.get("title", "")).strip(),
        description=str(given.get("description", "")).strip(),
        tags=tuple(text for tag in given.get("tags", []) if (text := str(tag).strip())),
        parameters=tuple(_parameter(entry) for entry in parameters),
        code=brick_document.tidy(str(given.get("code", ""))),
    )
    return brick, payload


def _parameter(entry: dict[str, Any]) -> Parameter:
    choices = entry.get("choices")
    return Parameter(
        name=str(entry.get("name", "")).strip(),
        type=str(entry.get("type", "text")),
        default=str(entry.get("default", "")),
        help=str(entry.get("help", "")).strip(),
        choices=tuple(str(choice).strip() for choice in choices) if isinstance(choices, list) else (),
    )
