"""The parameters of a run for a task: those of the DAG, or what the run was given in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context


def run_parameters(context: Context, jinja_env: Any) -> dict[str, Any]:
    """Return the ``params`` of a run, for ``CoutureJupyterOperator(parameters=run_parameters)``.

    Types stay as they are. Templates such as ``{{ ds }}`` are filled in where they stand in the DAG file.
    What somebody gave to the run is taken literally: whoever may start a run need not be allowed to read
    what a template can.
    """
    task: Any = context["task"]
    own = {name: context["dag"].params.get(name) for name in context["dag"].params}
    found: dict[str, Any] = {}
    for name, value in context["params"].items():
        is_own = name in own and own[name] == value and type(own[name]) is type(value)
        found[name] = task.render_template(value, context, jinja_env, set()) if is_own else value
    return found
