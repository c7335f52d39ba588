"""`couture-workflow export` and `import`: archives of this machine's home, or of a workbench elsewhere."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from couture_workflow.cli.commands import HOME, Command, Option, existing_store, path, report
from couture_workflow.exceptions import CoutureError, InvalidError

if TYPE_CHECKING:
    from couture_workflow.services.archives.remote import Remote

#: Same as ``services.archives.import_export``, which is not imported before it is needed.
NOUNS = ("configs", "dependencies", "dags")
ON_CONFLICT = ("replace", "skip", "fail")


def export(arguments: argparse.Namespace) -> int:
    """Write configurations, dependencies or DAGs into an archive."""
    from couture_workflow.services.archives import import_export
    from couture_workflow.store import atomic

    noun = import_export.check_noun(arguments.NOUN)
    target: Path = arguments.FILE
    if target.is_dir():
        raise InvalidError(f"{target} is a folder. Name a file, such as {target / f'{noun}.tar.gz'}.")
    with contextlib.ExitStack() as stack:
        if arguments.url:
            remote = remote_of(arguments)
            pieces = remote.download(noun, progress=stack.enter_context(_progress(f"Export of {noun}")))
        else:
            made = import_export.export(existing_store(arguments.home), noun)
            move = stack.enter_context(_progress(f"Export of {noun}", made.size))
            pieces = import_export.write(made, moved=move)
        stack.enter_context(atomic.storage_errors(target))
        descriptor, aside = atomic.temporary(target.parent)
        stack.callback(os.close, descriptor)
        stack.callback(aside.unlink, missing_ok=True)
        for piece in pieces:
            atomic.write_all(descriptor, piece)
        os.fsync(descriptor)
        aside.replace(target)
    report(f"{target}: {target.stat().st_size:,} bytes.")
    return 0


def import_(arguments: argparse.Namespace) -> int:
    """Import an archive of configurations, dependencies or DAGs, all or nothing."""
    if not arguments.FILE.is_file():
        raise InvalidError(f"There is no file {arguments.FILE}. Check the name.")
    plan, refusal = _import_there(arguments) if arguments.url else _import_here(arguments)
    _show(plan)
    if refusal:
        sys.stderr.write(f"couture-workflow: {refusal}\n")
        return 1
    if arguments.dry_run:
        gate = plan["gate"]
        would = not plan["counts"]["conflict"] and not any(missing["blocks"] for missing in plan["missing"])
        fits = would and (gate is None or gate["passed"])
        report(f"Nothing was changed. The import would {'go through' if fits else 'be refused'}.")
        return 0 if fits else 1
    written = plan["counts"]["create"] + plan["counts"]["update"]
    report(f"Imported {written} file(s){' as ' + plan['commit'][:12] if plan['commit'] else ''}.")
    return 0


def _import_here(arguments: argparse.Namespace) -> tuple[dict[str, Any], CoutureError | None]:
    from couture_workflow.exceptions import ConflictError, GateError
    from couture_workflow.services.archives import import_export
    from couture_workflow.services.saving import save as dag_saving

    noun = import_export.check_noun(arguments.NOUN)
    store = existing_store(arguments.home)
    user = _account()
    with _progress(f"Check of {arguments.FILE.name}") as move:
        source = import_export.load(store, noun, arguments.FILE)
        prepared = import_export.plan(
            store, source, on_conflict=arguments.on_conflict, upgrade=arguments.upgrade
        )
        move(arguments.FILE.stat().st_size)
    told = {**prepared.plan.json(), "applied": False, "commit": ""}
    if arguments.dry_run:
        return told, None

    def save_dags(changes: Mapping[str, bytes], base: str | None) -> str:
        message = arguments.message or import_export.default_message(prepared.plan)
        saved = dag_saving.save(store, changes, user=user, message=message, base=base, pushed=True)
        return saved.commit.id

    try:
        done = import_export.apply(
            store, source, prepared, user=user, message=arguments.message, save_dags=save_dags
        )
    except (ConflictError, GateError, InvalidError) as error:
        return told, error
    return {**told, "applied": True, "commit": done.commit}, None


def _import_there(arguments: argparse.Namespace) -> tuple[dict[str, Any], CoutureError | None]:
    from couture_workflow.services.archives import import_export

    remote = remote_of(arguments)
    choices = {
        "dry_run": arguments.dry_run,
        "on_conflict": arguments.on_conflict,
        "upgrade": arguments.upgrade,
        "message": arguments.message,
    }
    total = arguments.FILE.stat().st_size
    with _progress(f"Import of {arguments.FILE.name}", total) as move:
        return remote.upload(
            import_export.check_noun(arguments.NOUN), arguments.FILE, choices=choices, progress=move
        )


def remote_of(arguments: argparse.Namespace) -> Remote:
    """Return the workbench elsewhere that the arguments ``THERE`` name."""
    from couture_workflow.services.archives.remote import Remote

    token = os.environ.get("COUTURE_TOKEN", "")
    if arguments.user:
        password = os.environ.get("COUTURE_PASSWORD") or getpass.getpass(f"Password of {arguments.user}: ")
        return Remote(arguments.url, auth=(arguments.user, password))
    if not token:
        raise InvalidError("Say who you are: --user NAME, or a token in the variable COUTURE_TOKEN.")
    return Remote(arguments.url, token=token)


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return f"user {os.geteuid()}"


@contextlib.contextmanager
def _progress(title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, on standard error; the rest of the world sees nothing of it."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.update(task, advance=count)


def _show(plan: Mapping[str, Any]) -> None:
    """Print a plan as a table, then what stands in the way."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    table = Table("Action", "Path", "Bytes", "Note", box=None, pad_edge=False)
    for item in plan["items"]:
        cells = (item["action"], item["path"], f"{item['size']:,}", item.get("note", ""))
        table.add_row(*(Text(cell) for cell in cells))
    if plan["items"]:
        console.print(table)
    lines = [f"missing: {missing['message']}" for missing in plan["missing"]]
    lines += [f"ignored: {name}" for name in plan["ignored"]]
    lines += [f"note: {note}" for note in plan["notes"]]
    for name, told in plan["upgraded"].items():
        lines += [f"upgraded: {name}:{change['line']}: {change['message']}" for change in told["changes"]]
        lines += [f"look at: {name}:{note['line']}: {note['message']}" for note in told["notes"]]
    for problem in (plan["gate"] or {}).get("problems", ()):
        place = f"{problem['path']}:{problem['line']}" if problem["line"] else problem["path"]
        lines.append(f"{problem['level']}: {place}: {problem['message']}")
    for line in lines:
        console.print(Text(line))


_NOUN = Option(("NOUN",), {"choices": NOUNS, "help": "configs, dependencies or dags"})
#: How a workbench elsewhere is named.
THERE = (
    Option(("--url",), {"metavar": "ADDRESS", "help": "a workbench elsewhere instead of a home"}),
    Option(("--user",), {"metavar": "NAME", "help": "account there; COUTURE_PASSWORD, or it is asked for"}),
)

COMMANDS: dict[str, Command] = {
    "export": Command(
        export,
        (_NOUN, Option(("FILE",), {"type": path, "help": "archive to write"}), HOME, *THERE),
    ),
    "import": Command(
        import_,
        (
            _NOUN,
            Option(("FILE",), {"type": path, "help": "archive to import"}),
            Option(("--dry-run",), {"action": "store_true", "help": "show the plan and change nothing"}),
            Option(
                ("--on-conflict",),
                {
                    "choices": ON_CONFLICT,
                    "default": "replace",
                    "help": "what to do about a file that is there with another content (default: replace)",
                },
            ),
            Option(("--upgrade",), {"action": "store_true", "help": "rewrite DAGs of an older Airflow"}),
            Option(("--message",), {"default": "", "metavar": "TEXT", "help": "why; for the history"}),
            HOME,
            *THERE,
        ),
    ),
}
