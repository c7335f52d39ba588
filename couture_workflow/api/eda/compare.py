"""The route that compares two outputs of a source."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.permissions import EDA, READ, Permission
from couture_workflow.services.eda.comparisons import comparison
from couture_workflow.web.numbers import LARGEST
from couture_workflow.web.state import store

router = APIRouter(tags=["outputs"])

Reader = Annotated[User, requires(Permission(READ, EDA))]
Number = Annotated[int | None, Query(ge=1, le=LARGEST)]
Pair = tuple[int | None, int | None]


class FactModel(BaseModel):
    """A number or a value of a column in both outputs."""

    name: str = Field(description="Such as missing, distinct, min, mean or max.")
    old: int | float | str | None = Field(description="In the older one, null if it has none.")
    new: int | float | str | None = Field(description="In the newer one.")


class BarModel(BaseModel):
    """A bar of both histograms."""

    label: str = Field(description="The value, or the range; empty for all other values.")
    others: bool = Field(False, description="Whether it stands for all values that have no bar.")
    old: float | None = Field(description="Share of the values that are there; null where it is not known.")
    new: float | None = Field(description="The same in the newer one.")


class ChartModel(BaseModel):
    """The histograms of a column on the same edges."""

    kind: str = Field(description="bins for ranges, values for single values.")
    rows: list[BarModel] = Field(description="The bars, from the smallest or the most frequent on.")


class ValueModel(BaseModel):
    """A value and its rows."""

    value: str = Field(description="The value, at most 120 characters of it.")
    count: int = Field(description="Rows that have it.")


class ValuesModel(BaseModel):
    """Values that one of the outputs has alone."""

    count: int = Field(description="How many there are.")
    first: list[ValueModel] = Field(description="The most frequent of them.")


class ColumnModel(BaseModel):
    """A column in both outputs."""

    name: str = Field(description="Its name.")
    state: str = Field(description="removed, added, other kind, retyped or same.")
    hidden: bool = Field(description="Whether it is sensitive, so that no value is shown or compared.")
    types: tuple[str | None, str | None] = Field(description="Its types, null where it is not.")
    kinds: tuple[str | None, str | None] = Field(description="Their kinds: number, text, date and so on.")
    missing: tuple[float | None, float | None] = Field(description="Shares of rows without a value.")
    psi: float | None = Field(description="Population stability index, null if it cannot be told.")
    ks: float | None = Field(description="Kolmogorov-Smirnov distance, null for what has no order.")
    level: str = Field(description="none, some or much, by the PSI; empty if it cannot be told.")
    resolution: float | None = Field(
        description="How far the shares behind them may be off, null if unknown."
    )
    basis: str = Field(description="distribution, categories or missing: what was compared.")
    at_least: bool = Field(description="Whether the PSI is a lower bound, as not all values are counted.")
    why: str = Field(description="Why it cannot be told, empty if it can.")
    new_values: ValuesModel | None = Field(description="Null if it cannot be told.")
    vanished_values: ValuesModel | None = Field(description="Null if it cannot be told.")
    facts: list[FactModel] = Field(description="Numbers of both.")
    chart: ChartModel | None = Field(description="Null if there is nothing to draw.")


class ComparisonModel(BaseModel):
    """Two outputs of a source, the older one first."""

    a: int = Field(description="Number of the older output: what the newer one is compared with.")
    b: int = Field(description="Number of the newer output.")
    rows: tuple[int, int] = Field(description="Rows of both.")
    duplicates: Pair = Field(description="Duplicate rows, null where they were not counted.")
    bad: Pair = Field(description="Lines that could not be read, null where they were not counted.")
    engines: tuple[str, str] = Field(description="What computed them.")
    added: int = Field(description="Columns that came.")
    removed: int = Field(description="Columns that went.")
    retyped: int = Field(description="Columns with another type.")
    drifted: int = Field(description="Columns with a PSI of at least 0.1.")
    total: int = Field(description="Columns of both together.")
    fitting: int = Field(description="How many of them were asked for.")
    offset: int = Field(description="Where this part of them begins.")
    columns: list[ColumnModel] = Field(description="That part, the most changed first.")


@router.get("/compare/{source}", response_model=ComparisonModel)
def compare(
    source: str,
    user: Reader,
    a: Annotated[Number, Query(description="Number of the older output. Left out: the one before b.")] = None,
    b: Annotated[Number, Query(description="Number of the newer output. Left out: the newest.")] = None,
    q: Annotated[str, Query(description="Text in the names of columns.", max_length=1000)] = "",
    only: Annotated[str, Query(description="changed, added, removed, retyped or drift.", max_length=20)] = "",
    offset: Annotated[int, Query(ge=0, le=LARGEST)] = 0,
    limit: Annotated[int, Query(ge=0, le=comparison.MOST_SHOWN)] = 100,
) -> dict[str, Any]:
    """Compare two outputs of a source."""
    wish = comparison.Wish(text=q.strip(), only=only, offset=offset, limit=limit)
    old, new = comparison.two_of(store(), source, a, b)
    found = comparison.shown(store(), source, old.number, new.number, wish=wish)
    return {"a": old.number, "b": new.number, **found}
