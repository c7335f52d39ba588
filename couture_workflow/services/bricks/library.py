"""Code bricks: pieces of DAG code that developers insert in the editor, and change themselves.

A brick is one YAML text below ``bricks/`` in the configuration repository, so each save is a commit with an
author. Bricks that come with the package are read from it: a save puts an own version in front of one, a
delete of a brick that came with the package hides it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from couture_workflow.exceptions import CoutureError, InvalidError, NotFoundError
from couture_workflow.services.bricks import document
from couture_workflow.services.bricks.document import Brick
from couture_workflow.services.bricks.rules import check
from couture_workflow.store.home import Store
from couture_workflow.store.names import check_name, quote
from couture_workflow.store.repository import Commit

FOLDER = "bricks/"
SUFFIX = ".yaml"

#: Where a brick comes from.
SHIPPED, CHANGED, OWN = "shipped", "changed", "own"

#: Airflow's default for the owner of a task.
NOBODY = "airflow"

_SHIPPED_FOLDER = Path(__file__).parents[2] / "bricks"


@dataclass(frozen=True)
class Listed:
    """A brick in the list.

    :param origin: ``shipped`` with the package, ``changed`` here, or made here: ``own``.
    :param problem: why it cannot be used, "" if it can: somebody pushed a text that is not a brick.
    """

    brick: Brick
    origin: str
    problem: str = ""


def path_of(name: str) -> str:
    """Return where a brick stands in the configuration repository, or raise ``InvalidNameError``."""
    return f"{FOLDER}{check_name(name, what='brick')}{SUFFIX}"


@cache
def shipped() -> Mapping[str, Brick]:
    """Return the bricks that come with the package, by name."""
    paths = sorted(_SHIPPED_FOLDER.glob(f"*{SUFFIX}"))
    return {path.stem: document.parse(path.stem, path.read_text(encoding="utf-8")) for path in paths}


def all_of(store: Store) -> list[Listed]:
    """Return every brick that can be inserted, by title."""
    found = {name: Listed(brick, SHIPPED) for name, brick in shipped().items()}
    for path in store.config.paths(FOLDER):
        name = path.removeprefix(FOLDER).removesuffix(SUFFIX)
        if not path.endswith(SUFFIX) or "/" in name:
            continue
        if (listed := _listed(store, name)) is None:
            found.pop(name, None)
        else:
            found[name] = listed
    return sorted(found.values(), key=lambda entry: (entry.brick.title.casefold(), entry.brick.name))


def owned_by(brick: Brick, user: str) -> Brick:
    """Return a brick whose parameter ``owner`` begins with a person instead of Airflow's own default.

    The owner then stands in the file, so the DAG is the person's wherever the file is read.
    """
    parameters = tuple(
        replace(parameter, default=user)
        if (parameter.name, parameter.default) == ("owner", NOBODY)
        else parameter
        for parameter in brick.parameters
    )
    return replace(brick, parameters=parameters) if user else brick


def search(bricks: Iterable[Listed], words: str, *, tag: str = "") -> list[Listed]:
    """Return the bricks that hold every word in their title, description, tags or code."""
    wanted = words.casefold().split()
    return [
        entry
        for entry in bricks
        if (not tag or tag in entry.brick.tags) and all(word in entry.brick.text() for word in wanted)
    ]


def get(store: Store, name: str, *, commit: str | None = None) -> Brick:
    """Return a brick, its own version before the shipped one, or raise ``NotFoundError``.

    :param commit: as of this version of the configuration; None: the newest.
    """
    text = _own_text(store, name, commit=commit)
    if text is None:
        brick = shipped().get(name)
    else:
        brick = document.parse(name, text)
    if brick is None or brick.hidden:
        raise NotFoundError(f"There is no brick {quote(name)}. Choose one of Developer > Code Bricks.")
    return brick


def origin(store: Store, name: str) -> str:
    """Tell where a brick comes from."""
    if _own_text(store, name) is None:
        return SHIPPED
    return CHANGED if name in shipped() else OWN


def text_of(store: Store, name: str, *, commit: str | None = None) -> str:
    """Return a brick as the text that is saved, "" if there is none."""
    text = _own_text(store, name, commit=commit)
    if text is not None:
        return text
    return document.dump(shipped()[name]) if name in shipped() else ""


def save(
    store: Store, brick: Brick, *, user: str, base: str | None, message: str = "", new: bool = False
) -> Commit:
    """Save a brick and return the commit.

    :param base: version of the configuration that the editor started from; ``ConflictError`` if somebody
        saved the same brick meanwhile.
    :param new: the brick is to be made: ``InvalidError`` if there is one of that name.
    """
    check(brick)
    path = path_of(brick.name)
    known = {entry.brick.name for entry in all_of(store)}
    if new and brick.name in known:
        raise InvalidError(
            f"There is a brick {quote(brick.name)} already. Choose another name, or edit that brick.",
            field="name",
        )
    verb = "Change" if brick.name in known else "Add"
    return store.config.save(
        {path: document.dump(brick).encode()},
        author=user,
        message=message.strip() or f"{verb} the brick {brick.name}",
        base=base,
    )


def delete(store: Store, name: str, *, user: str, base: str | None) -> Commit:
    """Delete a brick; one that came with the package is hidden, and ``reset`` brings it back."""
    brick = get(store, name)
    content = None
    if name in shipped():
        content = document.dump(replace(brick, hidden=True)).encode()
    return store.config.save(
        {path_of(name): content}, author=user, message=f"Delete the brick {name}", base=base
    )


def hidden(listed: Iterable[Listed]) -> list[Brick]:
    """Return the shipped bricks that were deleted here: those that are not among all that are listed."""
    present = {entry.brick.name for entry in listed}
    return [brick for name, brick in shipped().items() if name not in present]


def reset(store: Store, name: str, *, user: str, base: str | None) -> Commit:
    """Take away the own version of a brick that came with the package."""
    if name not in shipped() or _own_text(store, name) is None:
        raise NotFoundError(
            f"The brick {quote(name)} has no shipped version behind it. Restore one of its history instead."
        )
    return store.config.save(
        {path_of(name): None}, author=user, message=f"Take the shipped version of the brick {name}", base=base
    )


def history(store: Store, name: str, *, limit: int = 50, skip: int = 0) -> list[Commit]:
    """Return who saved a brick when, newest first."""
    return store.config.history(path_of(name), limit=limit, skip=skip)


def _own_text(store: Store, name: str, *, commit: str | None = None) -> str | None:
    try:
        return store.config.read(path_of(name), commit=commit).decode("utf-8", "replace")
    except NotFoundError:
        return None


def _listed(store: Store, name: str) -> Listed | None:
    origin_ = CHANGED if name in shipped() else OWN
    try:
        brick = document.parse(name, _own_text(store, name) or "")
        if brick.hidden:
            return None
        check(brick)
    except CoutureError as error:
        return Listed(Brick(name=name, title=name), origin_, str(error))
    return Listed(brick, origin_)
