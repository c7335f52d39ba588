"""What stands in Airflow's database in the place of a large value: plain JSON that a person can read.

``file`` leads to the value: ``<dag>.<digest>/<run>.<digest>/<seconds>-<owner>-<random>.parquet``. The digests
tell a sweep whose the file is, the seconds how old it is, and nobody guesses the random part. A task may push
a reference that it has made up: so its name tells what counts about a file, never what stands beside it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Key that makes a reference of a JSON object; its value is the class of what is meant.
MARK = "couture_value"
FILE = "file"
#: Key of the owner of the task that made the value, for people; the name of the file tells it to tasks.
OWNER = "owner"
#: Key of the files that a large value names itself, which only its own file would tell otherwise.
INSIDE = "files_inside"

_FOLDER = r"[A-Za-z0-9_-]{1,40}\.[0-9a-f]{24}"
_NAME = re.compile(
    rf"({_FOLDER})/({_FOLDER})/([0-9a-f]{{8,12}})-([0-9a-f]{{24}})-[A-Za-z0-9_-]{{32}}\.(?:parquet|arrow|json\.gz)"
)


@dataclass(frozen=True)
class Name:
    """The name of a file in the storage.

    :param written: seconds since the epoch.
    :param owner: digest of the owner of the task that made it.
    """

    path: str
    dag: str
    run: str
    written: int
    owner: str


def folder_of(name: str) -> str:
    """Return the folder of a DAG or a run: as much of its id as fits, and a digest of the whole."""
    return f"{re.sub('[^A-Za-z0-9_-]', '_', name)[:40] or '_'}.{digest_of(name)}"


def digest_of(name: str) -> str:
    """Return what stands in the name of a file for a DAG, a run or an owner."""
    return hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=12).hexdigest()


def new_name(dag_id: str, run_id: str, suffix: str, *, owner: str) -> str:
    """Return the name of a new file, which nobody can guess.

    :param owner: of the task that makes it, "" if nobody is known.
    """
    file = f"{int(time.time()):08x}-{digest_of(owner)}-{secrets.token_urlsafe(24)}{suffix}"
    return f"{folder_of(dag_id)}/{folder_of(run_id)}/{file}"


def read_name(path: object) -> Name | None:
    """Return what a file's name says, None if it is none of ours."""
    found = _NAME.fullmatch(path) if isinstance(path, str) else None
    return Name(found[0], found[1], found[2], int(found[3], 16), found[4]) if found else None


def made(
    what: str, about: Mapping[str, Any], *, size: int, owner: str, file: str, inside: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the reference to a value.

    :param what: its class.
    :param about: what a person sees of it.
    :param size: of its file in bytes.
    :param owner: of the task that made it, "" if nobody is known.
    :param inside: names of the files that it refers to itself.
    """
    found = {MARK: what, **about, "bytes": size, FILE: file}
    more = {OWNER: owner, INSIDE: list(inside)}
    return found | {name: value for name, value in more.items() if value}


def is_reference(value: object) -> bool:
    """Tell whether a part of a value stands for another one."""
    return isinstance(value, dict) and isinstance(value.get(MARK), str) and bool(read_name(value.get(FILE)))


def named_in(value: Any) -> Iterator[str]:
    """Return the files that a value of Airflow's database names, however deep."""
    parts = [value]
    while parts:
        part = parts.pop()
        if is_reference(part):
            inside = part.get(INSIDE)
            more = inside if isinstance(inside, list) else ()
            yield part[FILE]
            yield from (name for name in more if read_name(name))
        elif isinstance(part, dict | list):
            parts.extend(part.values() if isinstance(part, dict) else part)


def of_run(names: Iterable[str], *, dag_id: str, run_id: str) -> Iterator[str]:
    """Return the files that are of a run; a value that names others did not make them."""
    folders = (folder_of(dag_id), folder_of(run_id))
    for name in names:
        if (found := read_name(name)) and (found.dag, found.run) == folders:
            yield name
