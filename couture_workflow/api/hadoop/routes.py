"""REST API of Hadoop groups, ``/api/hadoop``: the groups, their XML files and properties, the test of one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.api.history import Limit, Skip, Version
from couture_workflow.api.if_match import IfMatch, base_of, conflict
from couture_workflow.api.openapi import body_of
from couture_workflow.exceptions import ConflictError
from couture_workflow.permissions import EDIT, HADOOP_CONFIGURATION, READ, Permission
from couture_workflow.services.hadoop import documents, files, groups, pages
from couture_workflow.services.hadoop.groups import Group
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.bodies import announced
from couture_workflow.web.hadoop import groups as web_groups
from couture_workflow.web.state import store

router = APIRouter()

Reader = Annotated[User, requires(Permission(READ, HADOOP_CONFIGURATION))]
Editor = Annotated[User, requires(Permission(EDIT, HADOOP_CONFIGURATION))]

_XML = "application/xml"
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file, secrets masked.", "content": {_XML: {"schema": {"type": "string"}}}}
}
_BODY = body_of({_XML: {"schema": {"type": "string"}}})


class GroupModel(BaseModel):
    """A group."""

    name: str = Field(description="What a task names it by.")
    is_default: bool = Field(description="Whether tasks get it that name none.")
    files: list[str] = Field(description="Names of its files.")
    keytab: str | None = Field(description="Name of the keytab that it asks for; null: the default one.")
    commit: str | None = Field(description="Version of the configurations that this was read from.")


class GroupShown(GroupModel):
    """A group and what is to be said of it."""

    default_fs: str = Field(description="fs.defaultFS, empty if it is not set.")
    is_kerberized: bool = Field(description="Whether the cluster wants a Kerberos ticket.")
    warnings: list[str] = Field(description="What is likely to be wrong, and the remedy.")


class GroupName(BaseModel):
    """A group that is meant."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Name of the group.", max_length=1000)


class KeytabName(BaseModel):
    """A keytab that is meant."""

    model_config = ConfigDict(extra="forbid")

    keytab: str | None = Field(description="Name of the keytab; null: the default one.", max_length=1000)


class PropertyModel(BaseModel):
    """One property of one file."""

    name: str = Field(description="Name.")
    value: str = Field(description="Value; a secret is masked.")
    final: bool = Field(description="Whether later files cannot change it.")
    description: str = Field(description="What the file says of it.")
    file: str = Field(description="The file.")
    line: int = Field(description="Where it begins in the file.")
    counts: bool = Field(description="Whether Hadoop takes this one of several with the name.")


class SavedFile(BaseModel):
    """A file that was saved."""

    file: str = Field(description="Name of the file.")
    commit: str = Field(description="Version, also the ETag.")
    remarks: list[str] = Field(description="What Hadoop does not do as it looks in the file.")


class GroupVersion(Version):
    """One save of a file of a group."""


class StepModel(BaseModel):
    """One thing that a test tried."""

    what: str = Field(description="Ticket, File system or ResourceManager.")
    result: str = Field(description="passed, failed or skipped.")
    said: str = Field(description="What was found, or what went wrong.")
    remedy: str = Field(description="What to do, empty if it went well.")
    seconds: float = Field(description="How long it took.")


@router.get("/groups")
def list_groups(_user: Reader) -> list[GroupModel]:
    """Return all groups by name."""
    return [_model(group) for group in groups.listed(store())]


@router.post("/groups", status_code=201)
def add_group(user: Editor, group: GroupName) -> GroupModel:
    """Make a group without files; the first of all is the default."""
    return _model(web_groups.add(group.name, user))


@router.put("/default")
def set_default_group(user: Editor, group: GroupName) -> GroupModel:
    """Make a group the default one."""
    return _model(web_groups.set_default(group.name, user))


@router.get("/groups/{group}")
def read_group(_user: Reader, group: str) -> GroupShown:
    """Return one group, with what is likely to be wrong with it."""
    found, shown = groups.get(store(), group), pages.show(store(), group)
    return GroupShown(
        **asdict(found),
        default_fs=shown.default_fs,
        is_kerberized=shown.is_kerberized,
        warnings=list(shown.warnings),
    )


@router.delete("/groups/{group}")
def delete_group(user: Editor, group: str) -> dict[str, str]:
    """Delete a group with its files; 409 with the list of users while it is in use."""
    return {"commit": web_groups.delete(group, user).id}


@router.post("/groups/{group}/rename")
def rename_group(user: Editor, group: str, new: GroupName) -> GroupModel:
    """Give a group another name; 409 with the list of users while it is in use."""
    return _model(web_groups.rename(group, new.name, user))


@router.put("/groups/{group}/keytab")
def set_group_keytab(user: Editor, group: str, chosen: KeytabName) -> GroupModel:
    """Choose the keytab of a group."""
    return _model(web_groups.set_keytab(group, chosen.keytab, user))


@router.post("/groups/{group}/test")
def test_group(user: Editor, group: str) -> list[StepModel]:
    """Take a ticket if one is wanted, list the root of the file system, ask the ResourceManager."""
    return [StepModel(**asdict(step)) for step in web_groups.test(group, user)]


@router.get("/groups/{group}/properties")
def list_properties(
    _user: Reader,
    group: str,
    search: Annotated[str, Query(description="Words in name, value, description or file.")] = "",
) -> list[PropertyModel]:
    """Return the properties of all files of a group, by name."""
    return [PropertyModel(**asdict(row)) for row in pages.show(store(), group, search=search).rows]


@router.get("/groups/{group}/history")
def group_history(
    _user: Reader,
    group: str,
    file: Annotated[str, Query(description="Of this file alone.")] = "",
    limit: Limit = 50,
    skip: Skip = 0,
) -> list[GroupVersion]:
    """Return who saved files of a group when and why, newest first."""
    return [GroupVersion.of(entry) for entry in files.history(store(), group, file, limit=limit, skip=skip)]


@router.get("/groups/{group}/files/{file}", responses=_CONTENT, response_class=Response)
def read_file(
    _user: Reader,
    group: str,
    file: str,
    commit: Annotated[str | None, Query(description="Version; default: the newest.")] = None,
) -> Response:
    """Return a file, secrets masked."""
    version = commit or groups.get(store(), group).commit
    text = files.text(store(), group, file, commit=commit)
    headers = {
        "ETag": f'"{version}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
    }
    return Response(text.encode(), media_type=_XML, headers=headers)


@router.put("/groups/{group}/files/{file}", openapi_extra=_BODY, response_model=SavedFile)
async def save_file(
    user: Editor,
    request: Request,
    group: str,
    file: str,
    message: Annotated[str, Query(max_length=2000, description="Why; empty: what was done.")] = "",
    if_match: IfMatch = None,
) -> Response:
    """Save a file; a mask stands for the secret that is here. 412 if If-Match names an old version."""
    content = await _body(request, file)
    base = base_of(if_match)
    return await to_thread.run_sync(_save, user, group, file, content, base, message)


@router.delete("/groups/{group}/files/{file}")
def delete_file(user: Editor, group: str, file: str) -> dict[str, str]:
    """Delete a file; its history brings it back."""
    return {"commit": web_groups.delete_file(group, file, user).id}


def _save(user: User, group: str, file: str, content: bytes, base: str | None, message: str) -> Response:
    draft = files.draft(store(), group, file, content, base=base)
    try:
        commit = web_groups.save_files(group, {file: content}, user, base=base, message=message)
    except ConflictError as error:
        return conflict(error, base)
    body = SavedFile(file=file, commit=commit.id, remarks=list(draft.remarks))
    return JSONResponse(body.model_dump(), headers={"ETag": f'"{commit.id}"'})


async def _body(request: Request, name: str) -> bytes:
    """Return the body, as large as a file may be."""
    documents.check_size(announced(request.scope), name)
    content = bytearray()
    async for piece in request.stream():
        content += piece
        documents.check_size(len(content), name)
    return bytes(content)


def _model(group: Group) -> GroupModel:
    return GroupModel(**asdict(group))
