"""The DAG file of a schedule: short and readable."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from couture_workflow.services.schedules import timing
from couture_workflow.services.schedules.form import KEPT, Form
from couture_workflow.store.names import quote

#: Id of the one task.
TASK = "notebook"
#: Characters of a list or dict that stands in one line.
_WIDTH = 80


def written(form: Form, *, notebook: str, account: str, saved: datetime, started: datetime) -> str:
    """Return the DAG file of a schedule.

    :param notebook: name of the copy beside it.
    :param account: who saves it, at ``saved``.
    :param started: from when on its time counts.
    """
    imports = ["from datetime import timedelta\n"] if form.time_limit else []
    return "\n".join(
        [
            f"# Runs {quote(notebook)} beside it, a copy of {quote(form.notebook)}.",
            f"# Made with Notebook Schedules, saved by {quote(account)} on {saved:%Y-%m-%d %H:%M} UTC.",
            "# It may be changed by hand.",
            *imports,
            "import pendulum",
            "from airflow.sdk import DAG",
            "",
            "from couture_workflow.operators import CoutureJupyterOperator, run_parameters",
            "",
            "with DAG(",
            *(f"    {line}" for line in _dag(form, account, started)),
            "):",
            "    CoutureJupyterOperator(",
            *(f"        {line}" for line in _task(form, notebook)),
            "    )",
            "",
        ]
    )


def _dag(form: Form, account: str, started: datetime) -> Iterator[str]:
    at = timing.time_of(form.when) if form.when.kind == "at" else None
    start = at or started.astimezone(timing.zone_of(form.when))
    yield f"dag_id={_literal(form.name)},"
    if form.when.kind == "cron":
        yield f"schedule={_literal(form.when.cron)},  # {timing.words_of(form.when.cron)}"
    else:
        yield 'schedule="@once",'
    day = f"{start.year}, {start.month}, {start.day}"
    yield f"start_date=pendulum.datetime({day}, {start.hour}, {_rest(start)}),"
    yield "catchup=False,"
    yield "is_paused_upon_creation=False,"
    yield "max_active_runs=1,"
    if form.parameters:
        yield "params={"
        for name, value in form.parameters.items():
            yield from _entry(name, value)
        yield "},"
    yield f"tags={_literal(list(form.tags) or ['notebook'])},"
    yield f'default_args={{"owner": {_literal(form.owner or account)}}},'


def _rest(start: datetime) -> str:
    zone = getattr(start.tzinfo, "key", "UTC")
    seconds = f", {start.second}" if start.second else ""
    fold = ", fold=0" if start.fold == 0 and start.replace(fold=1).utcoffset() != start.utcoffset() else ""
    return f"{start.minute}{seconds}, tz={_literal(zone)}{fold}"


def _entry(name: str, value: Any) -> Iterator[str]:
    yield from (f"    {line}" for line in f"{_literal(name)}: {_literal(value)},".split("\n"))


def _task(form: Form, notebook: str) -> Iterator[str]:
    yield f"task_id={_literal(TASK)},"
    yield f"input_nb={_literal(notebook)},"
    yield f"output_nb={_literal(f'{form.name}.ipynb')},"
    yield "parameters=run_parameters,  # params of the DAG, or what a run is given in their place"
    if form.html != "none":
        yield "export_html=True,"
    if form.html == "results":
        yield "hide_code=True,"
    if form.kernel:
        yield f"kernel={_literal(form.kernel)},"
    if form.keep_outputs != KEPT:
        yield f"keep_outputs={form.keep_outputs},"
    if form.keep_days:
        yield f"keep_days={form.keep_days},"
    if form.retries:
        yield f"retries={form.retries},"
    if form.time_limit:
        yield f"execution_timeout=timedelta(seconds={form.time_limit}),"
    if form.email:
        yield f"email={_literal([each.strip() for each in form.email.split(',') if each.strip()])},"
        yield "email_on_retry=False,"


def _literal(value: Any) -> str:
    """Return a value as Python has it, in double quotes where that needs no escape, long ones in lines."""
    if isinstance(value, str):
        plain = value.isprintable() and '"' not in value and "\\" not in value
        return f'"{value}"' if plain else repr(value)
    if isinstance(value, dict):
        return _group("{}", [f"{_literal(name)}: {_literal(each)}" for name, each in value.items()])
    return _group("[]", [_literal(each) for each in value]) if isinstance(value, list) else repr(value)


def _group(ends: str, parts: list[str]) -> str:
    short = ", ".join(parts)
    if len(short) <= _WIDTH and "\n" not in short:
        return f"{ends[0]}{short}{ends[1]}"
    lines = [f"    {line}" for part in parts for line in f"{part},".split("\n")]
    return "\n".join([ends[0], *lines, ends[1]])
