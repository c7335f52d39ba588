"""REST API of connections, ``/api/eda/connections``: those for sources, and what is in their databases."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.permissions import EDA, READ, Permission
from couture_workflow.web.eda import connections

router = APIRouter()

Reader = Annotated[User, requires(Permission(READ, EDA))]
Schema = Annotated[str, Query(max_length=1000, description="Of this schema (database) alone.")]


class ConnectionModel(BaseModel):
    """A connection of Airflow that a source may name."""

    id: str = Field(description="What a source names it by.")
    type: str = Field(description="Its type in Airflow.")
    dialect: str = Field(description="sqlite, mysql or postgresql.")
    place: str = Field(description="Host or file, and the database.")
    description: str = Field(description="What it is.")


class TreeTable(BaseModel):
    """A table or a view."""

    name: str = Field(description="Its name.")
    kind: str = Field(description="table or view.")
    rows: int | None = Field(description="How many rows its database believes it has; null: no estimate.")


class TreeSchema(BaseModel):
    """A schema, which MySQL calls a database."""

    name: str = Field(description="Its name.")
    tables: list[TreeTable] = Field(description="Tables and views by name.")


class Tree(BaseModel):
    """What is in a database."""

    schemas: list[TreeSchema] = Field(description="Schemas with what was found in them.")
    more: bool = Field(description="Whether there are more tables than are listed: filter for them.")


class TableColumn(BaseModel):
    """A column."""

    name: str = Field(description="Its name.")
    type: str = Field(description="Its type in the words of its database.")
    nullable: bool = Field(description="Whether it may have no value.")


class TableColumns(BaseModel):
    """The columns of a table."""

    columns: list[TableColumn] = Field(description="In their order.")


@router.get("/connections")
def list_connections(user: Reader) -> list[ConnectionModel]:
    """Return the connections that a source can read and the caller may read; nothing of them is secret."""
    return [ConnectionModel(**asdict(found)) for found in connections.listed(user)]


# A connection's id may have a slash in it.
@router.get("/connections/{connection:path}/tables")
def list_tables(
    user: Reader,
    connection: str,
    filter: Annotated[str, Query(max_length=200, description="Text in the names of schema and table.")] = "",
    schema: Schema = "",
) -> Tree:
    """Return schemas with their tables and views, at most 1,000; 403 without the right to read it."""
    return Tree.model_validate(connections.tables(user, connection, wanted=filter, schema=schema))


@router.get("/connections/{connection:path}/columns")
def list_columns(
    user: Reader,
    connection: str,
    table: Annotated[str, Query(min_length=1, max_length=1000, description="Name of the table or view.")],
    schema: Schema = "",
) -> TableColumns:
    """Return the columns of one table or view."""
    return TableColumns.model_validate(connections.columns(user, connection, table=table, schema=schema))
