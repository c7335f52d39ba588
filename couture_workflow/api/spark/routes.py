"""REST API of the Spark configuration, ``/api/configs/spark``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.api.history import Limit, Skip, Version
from couture_workflow.api.if_match import IfMatch, conflict, edited
from couture_workflow.exceptions import ConflictError, InvalidError
from couture_workflow.permissions import EDIT, READ, SPARK_CONFIGURATION, Permission
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark.configuration import MASK, Problem
from couture_workflow.services.spark.document import Document, Sealed, changes
from couture_workflow.services.spark.rules import errors, validate
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.audit import audit
from couture_workflow.web.state import store

router = APIRouter()

Reader = Annotated[User, requires(Permission(READ, SPARK_CONFIGURATION))]
Editor = Annotated[User, requires(Permission(EDIT, SPARK_CONFIGURATION))]


class SparkSettings(BaseModel):
    """The settings that new jobs start from."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    arguments: dict[str, str] = Field(
        default_factory=dict, description="Long options of spark-submit without the dashes; flags are true."
    )
    configurations: dict[str, str] = Field(
        default_factory=dict,
        description=f"spark.* settings. A secret is {MASK}; sent back, it is left as it is.",
    )
    jars: list[str] = Field(
        default_factory=list, description="Uploaded dependencies in order: name, or name@version to pin one."
    )
    py_files: list[str] = Field(
        default_factory=list, description="Uploaded Python dependencies in order, written like jars."
    )


class SparkSettingsSave(SparkSettings):
    """Settings to save in place of the present ones."""

    message: str = Field("", max_length=2000, description="Why; empty: a summary of what changed.")


class SparkSettingsSaved(SparkSettings):
    """Settings that are saved."""

    commit: str | None = Field(description="Version, also the ETag; null if nothing was ever saved.")


class ProblemFound(BaseModel):
    """Something that is wrong with one field, or worth knowing."""

    field: str = Field(description="Such as arguments.driver-memory.")
    message: str = Field(description="What the rule is and what to do.")
    level: str = Field(description="error, which stops a save; warning or note, which do not.")
    part: str = Field(description="Whether the name or the value is meant.")


class SparkSettingsChecked(BaseModel):
    """What there is to say about settings."""

    valid: bool = Field(description="Whether they could be saved.")
    problems: list[ProblemFound] = Field(description="All problems, in the order of the settings.")


class SavedVersion(Version):
    """One save."""


@router.get("/spark")
def read_spark(
    _user: Reader, commit: Annotated[str | None, Query(description="Version; default: the newest.")] = None
) -> JSONResponse:
    """Return the settings, secrets masked."""
    return _answer(spark_configuration.read(store(), commit=commit))


@router.put("/spark")
def save_spark(
    user: Editor,
    settings: SparkSettingsSave,
    if_match: IfMatch = None,
) -> JSONResponse:
    """Save settings in place of the present ones; 412 if they are not of the version that If-Match names."""
    present = spark_configuration.read(store())
    base = edited(present.commit, if_match)
    document = _document(settings, present)
    problems = validate(document, store())
    if wrong := errors(problems):
        return _refused(wrong)
    try:
        saved = spark_configuration.write(
            store(), document, user=user.get_name(), base=base, message=settings.message
        )
    except ConflictError as error:
        return conflict(error, if_match)
    made = [asdict(change) for change in changes(present, saved)]
    if made:
        audit("spark_configuration.save", user, commit=saved.commit, changes=made)
    return _answer(saved)


@router.get("/spark/history")
def spark_history(
    _user: Reader,
    limit: Limit = 50,
    skip: Skip = 0,
) -> list[SavedVersion]:
    """Return who saved when and why, newest first."""
    return [SavedVersion.of(entry) for entry in spark_configuration.history(store(), limit=limit, skip=skip)]


@router.post("/spark/validate")
def validate_spark(_user: Reader, settings: SparkSettings) -> SparkSettingsChecked:
    """Tell what is wrong with settings, without saving them."""
    problems = validate(_document(settings, spark_configuration.read(store())), store())
    return SparkSettingsChecked(
        valid=not errors(problems), problems=[ProblemFound(**asdict(problem)) for problem in problems]
    )


def _document(settings: SparkSettings, present: Document) -> Document:
    return Document(
        arguments=settings.arguments,
        configurations={
            name: _value(name, value, present.configurations.get(name))
            for name, value in settings.configurations.items()
        },
        jars=tuple(settings.jars),
        py_files=tuple(settings.py_files),
    )


def _value(name: str, value: str, present: str | Sealed | None) -> str | Sealed:
    """Return the present secret where the mask was sent back."""
    if value != MASK or not spark_configuration.is_secret(name):
        return value
    if present is None:
        raise InvalidError(
            f"There is no saved value of {name} that {MASK} could stand for. Send the secret itself.",
            field=f"configurations.{name}",
        )
    return present


def _answer(document: Document) -> JSONResponse:
    body = SparkSettingsSaved(
        arguments=dict(document.arguments),
        configurations=document.masked(),
        jars=list(document.jars),
        py_files=list(document.py_files),
        commit=document.commit,
    )
    return JSONResponse(body.model_dump(), headers={"ETag": f'"{document.commit or "none"}"'})


def _refused(problems: list[Problem]) -> JSONResponse:
    first = problems[0]
    body: dict[str, Any] = {
        "error": "invalid",
        "detail": first.message,
        "field": first.field,
        "problems": [asdict(problem) for problem in problems],
    }
    return JSONResponse(body, status_code=422)
