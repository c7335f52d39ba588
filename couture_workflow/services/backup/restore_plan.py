"""The moment of a restore: from when a plan is written the new state counts, whatever dies after it.

The plan lists what is moved to where. Each move can be done again from any point, so a restore that was
killed in the middle of them is finished by the next one; until then ``Store.open`` refuses the home.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from couture_workflow.exceptions import CorruptError
from couture_workflow.store import atomic
from couture_workflow.store.home import RESTORE_PLAN


@dataclass(frozen=True)
class Move:
    """One file or folder that is put in place of another.

    :param new: where it waits; "" to only take the other away.
    :param old: where the other one is kept until all is in place.
    """

    new: str
    target: str
    old: str

    def make(self) -> None:
        """Do it, or what of it is not done yet."""
        new, target, old = (Path(name) for name in (self.new or os.devnull, self.target, self.old))
        if self.new and not os.path.lexists(new):
            return
        if os.path.lexists(target):
            if os.path.lexists(old):
                remove(old)
            old.parent.mkdir(parents=True, exist_ok=True)
            target.rename(old)
        if self.new:
            target.parent.mkdir(parents=True, exist_ok=True)
            new.rename(target)
        atomic.sync_folder(target.parent)


@dataclass(frozen=True)
class Plan:
    """What a restore puts in place.

    :param backup: id of the backup.
    :param tables: of MySQL, which wait in a schema of their own.
    :param leftovers: files and folders that are removed at the end.
    """

    backup: str
    moves: Sequence[Move]
    tables: Sequence[str] = ()
    leftovers: Sequence[str] = ()

    def write(self, home: Path) -> None:
        """Make the plan count."""
        data = {**asdict(self), "moves": [asdict(move) for move in self.moves]}
        atomic.write(home / RESTORE_PLAN, json.dumps(data).encode(), mode=0o600)


def load(home: Path) -> Plan | None:
    """Return the plan of a restore that was killed, None if there is none."""
    path = home / RESTORE_PLAN
    try:
        data = json.loads(path.read_bytes())
        moves = [Move(**move) for move in data.pop("moves")]
        return Plan(**{**data, "moves": moves})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CorruptError(
            f"{path} is damaged: {error}. Move it away, then restore again.", path=str(path)
        ) from error


def end(plan: Plan, home: Path) -> list[Path]:
    """Forget the plan, when all of it is done, and remove the old state; return what could not be removed."""
    left: list[Path] = []
    (home / RESTORE_PLAN).unlink()
    atomic.sync_folder(home)
    for name in [*(move.old for move in plan.moves), *plan.leftovers]:
        try:
            remove(Path(name))
        except FileNotFoundError:
            pass
        except PermissionError:  # what people closed to others among their notebooks
            left.append(Path(name))
    return left


def remove(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
