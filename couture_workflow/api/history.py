"""Histories as programs read them: who saved a version when and why, and which part of a list is wanted."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from fastapi import Query
from pydantic import BaseModel, Field

from couture_workflow.store.repository import Commit
from couture_workflow.web.numbers import LARGEST

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Skip = Annotated[int, Query(ge=0, le=LARGEST, description="How many of the newest to leave out.")]


class Version(BaseModel):
    """One save."""

    commit: str = Field(description="Version.")
    author: str = Field(description="User who saved it.")
    when: datetime = Field(description="When it was saved, with its time zone.")
    message: str = Field(description="Why.")

    @classmethod
    def of(cls, commit: Commit) -> Self:
        """Return what is told of a commit."""
        return cls(commit=commit.id, author=commit.author, when=commit.when, message=commit.message)
