"""The page *Admin > Hadoop Configuration*: groups, their XML files and properties, the test of one."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import Any

from flask import Response, flash, g, jsonify, request

from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.permissions import EDIT, HADOOP_CONFIGURATION, READ, Permission
from couture_workflow.services.hadoop import files as hadoop_files
from couture_workflow.services.hadoop import groups as hadoop_groups
from couture_workflow.services.hadoop import pages as hadoop_pages
from couture_workflow.services.kerberos import keytabs
from couture_workflow.views.base import (
    CouturePage,
    accepts,
    attachment,
    expose,
    message_of,
    requires,
    sent,
)
from couture_workflow.views.history import read_part
from couture_workflow.web.hadoop import groups as web_groups
from couture_workflow.web.state import store

CAN_READ = Permission(READ, HADOOP_CONFIGURATION)
CAN_EDIT = Permission(EDIT, HADOOP_CONFIGURATION)

#: Properties that the page lists; a search finds the others.
MOST_ROWS = 500

_EMPTY = '<?xml version="1.0" encoding="UTF-8"?>\n<configuration>\n</configuration>\n'


class HadoopConfigurationPage(CouturePage):
    """The list of groups, a group, the editor of a file, the history, and the calls that the scripts make."""

    route_base = "/hadoop-configuration"
    title = "Hadoop Configuration"
    summary = "Groups of Hadoop's XML files, each of which leads jobs to one cluster."
    icon = "cluster"
    group = "Administer"
    permission = CAN_READ

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Show the groups."""
        return self.page("hadoop/groups.html", entries=hadoop_pages.overview(store()), can_edit=CAN_EDIT)

    @expose("/groups/<group>/")
    @requires(CAN_READ)
    def show_group(self, group: str) -> str:
        """Show a group: its files, warnings, and the properties that ``?search=`` finds."""
        search = request.args.get("search", "").strip()
        found = hadoop_groups.get(store(), group)
        shown = hadoop_pages.show(store(), group, search=search)
        return self.page(
            "hadoop/group.html",
            title=f"Hadoop group {group}",
            found=found,
            shown=shown,
            rows=shown.rows[:MOST_ROWS],
            search=search,
            keytabs=keytabs.names(store()),
            most_bytes=hadoop_files.MOST_BYTES,
            can_edit=CAN_EDIT,
        )

    @expose("/groups/<group>/edit")
    @requires(CAN_READ)
    def edit(self, group: str) -> str:
        """Show the text of ``?file=``; ``?restore=<version>`` an earlier one to save; neither: a new file."""
        found = hadoop_groups.get(store(), group)
        name, version = request.args.get("file", ""), request.args.get("restore")
        saved = hadoop_files.text(store(), group, name) if name in found.files else ""
        text = saved if name else _EMPTY
        if version:
            text = hadoop_files.text(store(), group, name, commit=version)
        elif name and name not in found.files:
            raise NotFoundError(f"The Hadoop group {group} has no file {name}. Choose one of its list.")
        state = {"group": group, "name": name, "text": text, "saved": saved, "base": found.commit}
        return self.page(
            "hadoop/file.html",
            title=f"{name or 'New file'} of {group}",
            found=found,
            name=name,
            is_here=name in found.files,
            state=json.dumps({**state, "restored": bool(version)}),
            can_edit=CAN_EDIT,
        )

    @expose("/groups/<group>/download")
    @requires(CAN_READ)
    def download(self, group: str) -> Response:
        """Send ``?file=``, secrets masked."""
        name = request.args.get("file", "")
        return attachment(hadoop_files.text(store(), group, name).encode(), "application/xml", name)

    @expose("/groups/<group>/history")
    @requires(CAN_READ)
    def history(self, group: str) -> str:
        """Show who changed the files of a group, or ``?file=`` of it, and when."""
        name = request.args.get("file", "")
        read = partial(hadoop_files.history, store(), group, name)
        return self.page(
            "hadoop/history.html",
            title=f"History of {name or 'the Hadoop group'}{' of' if name else ''} {group}",
            group=group,
            name=name,
            history=read_part(read, file=name or None),
            can_edit=CAN_EDIT,
        )

    @expose("/groups/<group>/history/<commit>")
    @requires(CAN_READ)
    def version(self, group: str, commit: str) -> Response:
        """Return what one version changed since the one ``before`` it."""
        name = request.args.get("file", "")
        found = hadoop_files.changes(store(), group, before=request.args.get("before") or None, commit=commit)
        return jsonify(changes=[asdict(change) for change in found if name in ("", change.file)])

    @expose("/add", methods=["POST"])
    @requires(CAN_EDIT)
    def add(self) -> Response:
        """Make a group."""
        return jsonify(name=web_groups.add(str(sent().get("name", "")).strip(), g.user).name)

    @expose("/groups/<group>/rename", methods=["POST"])
    @requires(CAN_EDIT)
    def rename(self, group: str) -> Response:
        """Give a group another name."""
        return jsonify(name=web_groups.rename(group, str(sent().get("name", "")).strip(), g.user).name)

    @expose("/groups/<group>/delete", methods=["POST"])
    @requires(CAN_EDIT)
    def delete(self, group: str) -> Response:
        """Delete a group."""
        return jsonify(commit=web_groups.delete(group, g.user).id)

    @expose("/groups/<group>/default", methods=["POST"])
    @requires(CAN_EDIT)
    def make_default(self, group: str) -> Response:
        """Make a group the default one."""
        return jsonify(name=web_groups.set_default(group, g.user).name)

    @expose("/groups/<group>/keytab", methods=["POST"])
    @requires(CAN_EDIT)
    def choose_keytab(self, group: str) -> Response:
        """Choose the keytab of a group, "" for the default one."""
        keytab = str(sent().get("keytab") or "") or None
        return jsonify(keytab=web_groups.set_keytab(group, keytab, g.user).keytab)

    @expose("/groups/<group>/test", methods=["POST"])
    @requires(CAN_EDIT)
    def test(self, group: str) -> Response:
        """Try what a job would do with a group."""
        return jsonify(steps=[asdict(step) for step in web_groups.test(group, g.user)])

    @expose("/groups/<group>/check", methods=["POST"])
    @requires(CAN_EDIT)
    @accepts(hadoop_files.MOST_BYTES, parts=0)
    def check(self, group: str) -> Response:
        """Return what a save of the text that was typed would do."""
        payload = sent()
        name, content = str(payload.get("name", "")).strip(), str(payload.get("text", "")).encode()
        return jsonify(draft=_draft(group, name, content, base=_base(payload)))

    @expose("/groups/<group>/save", methods=["POST"])
    @requires(CAN_EDIT)
    @accepts(hadoop_files.MOST_BYTES, parts=0)
    def save(self, group: str) -> Response:
        """Save the text that was typed."""
        payload = sent()
        name, content = str(payload.get("name", "")).strip(), str(payload.get("text", "")).encode()
        if payload.get("new") and name in hadoop_groups.get(store(), group).files:
            raise InvalidError(f"There is {name} already. Edit it, or choose another name.", field="name")
        commit = web_groups.save_files(
            group, {name: content}, g.user, base=_base(payload), message=message_of(payload)
        )
        flash(f"Saved: {name}", "ok")  # told by the page that the browser goes to
        return jsonify(commit=commit.id)

    @expose("/groups/<group>/upload/check", methods=["POST"])
    @requires(CAN_EDIT)
    @accepts(hadoop_files.MOST_BYTES, parts=hadoop_groups.MOST_FILES)
    def check_upload(self, group: str) -> Response:
        """Return what a save of the files that were sent would do."""
        base = hadoop_groups.get(store(), group).commit
        drafts = [_draft(group, name, content, base=base) for name, content in _uploaded().items()]
        return jsonify(drafts=drafts, base=base)

    @expose("/groups/<group>/upload/save", methods=["POST"])
    @requires(CAN_EDIT)
    @accepts(hadoop_files.MOST_BYTES, parts=hadoop_groups.MOST_FILES)
    def save_upload(self, group: str) -> Response:
        """Save the files that were sent."""
        form = {name: str(request.form.get(name, "")) for name in ("base", "message")}
        uploaded = _uploaded()
        commit = web_groups.save_files(group, uploaded, g.user, base=_base(form), message=message_of(form))
        flash(f"Saved: {', '.join(uploaded)}", "ok")
        return jsonify(commit=commit.id)

    @expose("/groups/<group>/delete-file", methods=["POST"])
    @requires(CAN_EDIT)
    def delete_file(self, group: str) -> Response:
        """Delete a file of a group."""
        payload = sent()
        name = str(payload.get("name", ""))
        return jsonify(commit=web_groups.delete_file(group, name, g.user, base=_base(payload)).id)


def _base(payload: dict[str, Any]) -> str | None:
    return str(payload.get("base") or "") or None


def _draft(group: str, name: str, content: bytes, *, base: str | None) -> dict[str, Any]:
    return asdict(hadoop_files.draft(store(), group, name, content, base=base))


def _uploaded() -> dict[str, bytes]:
    """Return the files that were sent, by name, or raise ``InvalidError``."""
    found: dict[str, bytes] = {}
    for file in request.files.getlist("files"):
        name = str(file.filename or "").replace("\\", "/").rpartition("/")[2]
        if name in found:
            raise InvalidError(f"The upload has two files {name}. Choose one of them.", field="files")
        found[name] = file.stream.read()
    return found
