"""REST API of Kerberos, ``/api/kerberos``: keytabs, which never come back, and the krb5.conf."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request

from couture_workflow.api.auth import User, requires
from couture_workflow.api.history import Limit, Skip
from couture_workflow.api.if_match import IfMatch, conflict, edited
from couture_workflow.api.kerberos import models
from couture_workflow.api.openapi import BINARY_CONTENT, body_of
from couture_workflow.exceptions import ConflictError
from couture_workflow.permissions import EDIT, KERBEROS_CONFIGURATION, READ, Permission
from couture_workflow.services.kerberos import configuration, keytabs, pages, tickets
from couture_workflow.services.kerberos.configuration import Configuration
from couture_workflow.web import bodies
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.audit import audit
from couture_workflow.web.state import store

router = APIRouter()

Reader = Annotated[User, requires(Permission(READ, KERBEROS_CONFIGURATION))]
Editor = Annotated[User, requires(Permission(EDIT, KERBEROS_CONFIGURATION))]

_TOO_LARGE = f"A keytab has at most {pages.LIMIT} bytes. Send the file that the KDC's administrator gave you."
#: Characters of a difference that an audit row holds.
_AUDITED = 8000
_BODY = body_of(BINARY_CONTENT, description="The file itself (curl --data-binary @etl.keytab).")


@router.get("/keytabs")
def list_keytabs(_user: Reader) -> models.Keytabs:
    """Return all keytabs, without their keys."""
    return models.Keytabs.model_validate({"keytabs": pages.rows(store()), "broken": pages.broken(store())})


@router.post("/keytabs/inspect", openapi_extra=_BODY)
async def inspect_keytab(request: Request, _user: Editor) -> models.Inspected:
    """Return which principals are in a file; nothing is kept."""
    content = await bodies.read(request, most=pages.LIMIT, refusal=_TOO_LARGE)
    entries = await to_thread.run_sync(keytabs.inspect, content)
    return models.Inspected.model_validate({"principals": pages.found(entries)})


@router.get("/keytabs/{name}")
def read_keytab(name: str, _user: Reader) -> models.Keytab:
    """Return one keytab, without its keys."""
    return _row(keytabs.get(store(), name))


@router.put("/keytabs/{name}", openapi_extra=_BODY)
async def upload_keytab(
    name: str,
    request: Request,
    user: Editor,
    principal: Annotated[
        str, Query(max_length=1024, description="One of those in the file; empty: the only one.")
    ] = "",
) -> models.Keytab:
    """Keep a keytab, in place of the one of the same name; the first one becomes the default."""
    content = await bodies.read(request, most=pages.LIMIT, refusal=_TOO_LARGE)
    return await to_thread.run_sync(partial(_upload, name, content, principal, user))


@router.delete("/keytabs/{name}")
def delete_keytab(name: str, user: Editor) -> dict[str, str]:
    """Delete a keytab for good; 409 while something refers to it."""
    before = _known(name)
    keytabs.delete(store(), name)
    audit("kerberos.delete_keytab", user, keytab=name, before=before)
    return {"detail": f"The keytab {name} is deleted."}


@router.post("/keytabs/{name}/default")
def make_default(name: str, user: Editor) -> models.Keytab:
    """Let a keytab count where nobody names one."""
    before = keytabs.default_name(store())
    keytab = keytabs.make_default(store(), name)
    audit("kerberos.default_keytab", user, before=before, after=name)
    return _row(keytab)


@router.post("/keytabs/{name}/test")
def test_keytab(name: str, user: Editor) -> models.Tried:
    """Take a ticket with a real kinit, within ten seconds, and tell how long it is good or what is wrong."""
    outcome = tickets.attempt(store(), name)
    audit(
        "kerberos.test_keytab",
        user,
        keytab=name,
        principal=outcome.principal,
        ok=outcome.ok,
        cause=outcome.cause,
    )
    return models.Tried.model_validate(pages.tried(outcome))


@router.get("/krb5.conf")
def read_text(
    _user: Reader, commit: Annotated[str | None, Query(description="Version; default: the newest.")] = None
) -> JSONResponse:
    """Return the krb5.conf; an empty text before the first save."""
    return _answer(configuration.read(store(), commit=commit))


@router.put("/krb5.conf")
def save_text(
    user: Editor,
    sent: models.TextSave,
    if_match: IfMatch = None,
) -> JSONResponse:
    """Save a krb5.conf; 412 if the present one is not of the version that If-Match names."""
    present = configuration.read(store())
    base = edited(present.commit, if_match)
    try:
        saved = configuration.save(store(), sent.text, user=user.get_name(), base=base, message=sent.message)
    except ConflictError as error:
        return conflict(error, if_match)
    if saved.commit and saved.commit != present.commit:
        difference = store().config.diff(present.commit, saved.commit, path=configuration.PATH)
        audit("kerberos.save_krb5_conf", user, commit=saved.commit, changes=difference[:_AUDITED])
    return _answer(saved)


@router.get("/krb5.conf/history")
def text_history(
    _user: Reader,
    limit: Limit = 50,
    skip: Skip = 0,
) -> list[models.SavedText]:
    """Return who saved when and why, newest first."""
    return [models.SavedText.of(entry) for entry in configuration.history(store(), limit=limit, skip=skip)]


@router.post("/krb5.conf/check")
def check_text(_user: Reader, sent: models.Text) -> models.TextChecked:
    """Tell what is wrong with a krb5.conf and what is worth knowing; nothing is saved."""
    remarks = [models.Remark(**asdict(remark)) for remark in configuration.check(sent.text)]
    valid = not any(remark.level == "error" for remark in remarks)
    return models.TextChecked(valid=valid, text=configuration.normal(sent.text), remarks=remarks)


def _upload(name: str, content: bytes, principal: str, user: User) -> models.Keytab:
    before = _known(name)
    keytab = keytabs.upload(store(), name, content, user=user.get_name(), principal=principal)
    audit("kerberos.upload_keytab", user, keytab=keytab.name, before=before, after=_told(keytab))
    return _row(keytab)


def _known(name: str) -> dict[str, Any] | None:
    """Return what an audit row says of a keytab that is there."""
    found = next((keytab for keytab in keytabs.listed(store()) if keytab.name == name), None)
    return _told(found) if found else None


def _told(keytab: keytabs.Keytab) -> dict[str, Any]:
    return {"principal": keytab.principal, "kvno": keytab.kvno, "fingerprint": keytab.fingerprint}


def _row(keytab: keytabs.Keytab) -> models.Keytab:
    return models.Keytab.model_validate(pages.row(store(), keytab))


def _answer(saved: Configuration) -> JSONResponse:
    remarks = configuration.check(saved.text) if saved.text else []
    body = models.TextSaved(
        text=saved.text,
        commit=saved.commit,
        remarks=[models.Remark(**asdict(remark)) for remark in remarks],
    )
    return JSONResponse(body.model_dump(), headers={"ETag": f'"{saved.commit or "none"}"'})
