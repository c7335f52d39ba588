"""The page *DAG Repository*: the git remote that the DAG files come from and go to."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from flask import Response, g, jsonify, request

from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.permissions import DAG_REPOSITORY, EDIT, READ, Permission
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.git import remote as git_remote
from couture_workflow.services.git import sync as git_sync
from couture_workflow.services.git import watch as git_watch
from couture_workflow.services.git.remote import MODES, Credential, Remote
from couture_workflow.views.base import CouturePage, expose, requires, sent
from couture_workflow.web.audit import audit
from couture_workflow.web.git import look as web_git_remote
from couture_workflow.web.paths import APIS
from couture_workflow.web.state import store

CAN_READ = Permission(READ, DAG_REPOSITORY)
CAN_EDIT = Permission(EDIT, DAG_REPOSITORY)

BADGES = {"ok": "badge-ok", "error": "badge-error", "conflict": "badge-warn"}
_SHOWN = 200_000  # characters of a file in a conflict


class DagRepositoryPage(CouturePage):
    """The page and the calls that its script makes."""

    route_base = "/dag-repository"
    title = "DAG Repository"
    summary = "Follow a git remote, or synchronise the DAG files with it both ways."
    icon = "branch"
    group = "Administer"
    permission = CAN_READ

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Show the settings and the state."""
        remote = git_remote.load(store())
        found = git_remote.state(store())
        return self.page(
            "git/repository.html",
            remote=remote,
            found=found,
            notes=found.notes if remote.is_set else git_sync.notes(store()),
            badges=BADGES,
            modes=MODES,
            watched=git_watch.is_watched(store()),
            files=len(dag_repository.files(store())) if not remote.is_set else 0,
            head=store().dags.head(),
            hook_path=f"{APIS['git_remote']}/hook",
            state=json.dumps({"commit": remote.commit, "remote": git_remote.as_form(remote)}),
            can_edit=CAN_EDIT,
        )

    @expose("/state")
    @requires(CAN_READ)
    def state(self) -> Response:
        """Return what the last look at the remote found, and whether there is one now."""
        looking = git_sync.is_looking(store())
        return jsonify(looking=looking, **asdict(git_remote.state(store())))

    @expose("/save", methods=["POST"])
    @requires(CAN_EDIT)
    def save(self) -> Response:
        """Save the settings and look at the remote; without an address only if that is said to be meant."""
        payload = sent()
        remote, values = _remote(payload)
        if not remote.is_set and payload.get("disconnect") is not True:
            raise InvalidError(
                "Type the address of the repository. To end a connection, choose Disconnect.", field="url"
            )
        before = git_remote.as_form(git_remote.load(store()))
        saved = git_remote.save(
            store(), remote, user=g.user.get_name(), base=payload.get("base") or None, values=values
        )
        audit(
            "dag_repository.save",
            g.user,
            before=before,
            after=git_remote.as_form(saved),
            new_secrets=sorted(prefix for prefix, value in values.items() if value),
        )
        found = web_git_remote.synchronise()
        return jsonify(commit=saved.commit, state=asdict(found))

    @expose("/sync", methods=["POST"])
    @requires(CAN_EDIT)
    def sync(self) -> Response:
        """Look at the remote now."""
        found = web_git_remote.synchronise()
        web_git_remote.tell_looked(g.user, found)
        return jsonify(asdict(found))

    @expose("/conflict")
    @requires(CAN_READ)
    def conflict(self) -> Response:
        """Return a file as it is here and as the remote has it."""
        found, path = git_remote.state(store()), request.args.get("path", "")
        if path not in found.paths:
            raise NotFoundError(f"{path} is in no conflict any more. Reload the page.")
        return jsonify(ours=_text(found.local, path), theirs=_text(found.remote, path))

    @expose("/resolve", methods=["POST"])
    @requires(CAN_EDIT)
    def resolve(self) -> Response:
        """Merge with the side that was chosen for each file."""
        choices = sent().get("choices")
        if not isinstance(choices, dict):
            raise InvalidError("The page sent no choices. Reload the page.", field="choices")
        before = store().dags.head()
        user = g.user.get_name()
        found = web_git_remote.patiently(lambda: git_sync.resolve(store(), choices, user=user))
        return self._moved("dag_repository.resolve", before, found, choices=choices)

    @expose("/take", methods=["POST"])
    @requires(CAN_EDIT)
    def take(self) -> Response:
        """Put the remote's state in place of ours, which is kept as a branch."""
        before = store().dags.head()
        user = g.user.get_name()
        found = web_git_remote.patiently(lambda: git_sync.take_remote(store(), user=user))
        return self._moved("dag_repository.take_remote", before, found)

    @expose("/rebase", methods=["POST"])
    @requires(CAN_EDIT)
    def rebase(self) -> Response:
        """Take the remote's rewritten history and put our commits on top of it."""
        before = store().dags.head()
        found = web_git_remote.patiently(lambda: git_sync.put_on_top(store()))
        return self._moved("dag_repository.rebase", before, found)

    @expose("/hook", methods=["POST"])
    @requires(CAN_EDIT)
    def hook(self) -> Response:
        """Return the web hook's secret; ``renew`` makes a new one."""
        renew = bool(sent().get("renew"))
        secret = git_remote.hook_secret(store(), renew=renew)
        audit("dag_repository.renew_hook" if renew else "dag_repository.show_hook", g.user)
        answer = jsonify(secret=secret)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _moved(self, event: str, before: str | None, found: git_remote.State, **extra: Any) -> Response:
        web_git_remote.tell_moved(event, g.user, before=before, found=found, **extra)
        return jsonify(asdict(found))


def _remote(payload: dict[str, Any]) -> tuple[Remote, dict[str, str]]:
    """Return the settings that the form sent, and the new secrets by prefix."""
    entries = payload.get("credentials")
    entries = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    credentials = tuple(
        Credential(str(entry.get("prefix", "")).strip(), str(entry.get("username", "")).strip())
        for entry in entries
    )
    interval = str(payload.get("interval", ""))
    if not (interval.isascii() and interval.isdigit() and len(interval) < 10):
        raise InvalidError(
            f"The interval {interval!r} is refused. Type a number of seconds.", field="interval"
        )
    remote = Remote(
        url=str(payload.get("url", "")).strip(),
        branch=str(payload.get("branch", "")).strip() or "main",
        folder=str(payload.get("folder", "")).strip(),
        mode=str(payload.get("mode", "")),
        submodules=bool(payload.get("submodules")),
        interval=int(interval),
        known_hosts=str(payload.get("known_hosts", "")).strip(),
        credentials=credentials,
    )
    return remote, {c.prefix: str(e.get("secret", "")) for c, e in zip(credentials, entries, strict=True)}


def _text(commit: str, path: str) -> str | None:
    try:
        return dag_repository.read(store(), path, commit=commit).decode("utf-8", "replace")[:_SHOWN]
    except NotFoundError:
        return None
