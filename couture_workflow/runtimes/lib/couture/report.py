"""What a session was made with, for people to look at."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

from .plan import Plan


@dataclass(frozen=True)
class SparkReport:
    """What a session was made with; neither its ``repr`` nor its display in a notebook has a secret.

    :param ui: address of Spark's page of the session, "" if there is none.
    :param commit: version of *Spark Configuration*, "" if none was ever saved.
    :param secrets: names of the secrets that are set.
    :param left_out: setting -> why the session goes without it.
    """

    application: str
    master: str
    ui: str
    spark_version: str
    commit: str
    settings: Mapping[str, str]
    secrets: tuple[str, ...]
    left_out: Mapping[str, str]

    def rows(self) -> list[tuple[str, str]]:
        """Return what is shown, as names and values."""
        return [
            ("Application", self.application),
            ("Master", self.master),
            ("Spark", self.spark_version),
            ("Spark UI", self.ui or "none"),
            ("Version of Spark Configuration", self.commit[:10] or "none was saved"),
            *sorted(self.settings.items()),
            *((name, "set, a secret") for name in sorted(self.secrets)),
            *((name, f"left out: {why}") for name, why in sorted(self.left_out.items())),
        ]

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self.rows())

    def _repr_html_(self) -> str:
        rows = (
            f"<tr><th>{html.escape(name)}</th><td>{self._cell(value)}</td></tr>"
            for name, value in self.rows()
        )
        return f"<table>{''.join(rows)}</table>"

    def _cell(self, value: str) -> str:
        text = html.escape(value)
        if value == self.ui:
            return f'<a href="{text}" target="_blank" rel="noopener">{text}</a>'
        return text


def report_of(plan: Plan, *, application: str, ui: str, spark_version: str, commit: str) -> SparkReport:
    """Return the report of a session that runs."""
    arguments = {name: value for name, value in plan.arguments.items() if name != "master"}
    files = {kind: ", ".join(each["name"] for each in found) for kind, found in plan.files.items() if found}
    return SparkReport(
        application=f"{plan.app_name} ({application})",
        master=plan.master,
        ui=ui,
        spark_version=spark_version,
        commit=commit,
        settings={**arguments, **plan.configurations, **files},
        secrets=plan.secrets,
        left_out=plan.left_out,
    )
