"""Whose stack this is: a person's name gives an own folder for new DAG files, an owner and a filtered home.

It is a view, not a permission: everything else stays where it is and can be shown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from couture_workflow import settings
from couture_workflow.exceptions import InvalidNameError
from couture_workflow.services.dags import root as dag_root
from couture_workflow.store.home import Store
from couture_workflow.store.names import check_name, quote

#: The option of ``[couture_workflow]`` as Airflow reads it from the environment.
OPTION_VARIABLE = "AIRFLOW__COUTURE_WORKFLOW__USER"


@dataclass(frozen=True)
class PersonalView:
    """The view of one person, or of nobody.

    :param user: the person's name, "" where there is no personal view.
    :param problem: why the name that was set is not used, "" if it is or if there is none.
    """

    user: str = ""
    problem: str = ""

    @property
    def title(self) -> str:
        """Return what pages call the stack, "" where there is no personal view."""
        return f"{self.user}'s workbench" if self.user else ""


def present() -> PersonalView:
    """Return the view of this stack."""
    return of(settings.user())


def of_environment(variables: Mapping[str, str]) -> PersonalView:
    """Return the view that an environment sets, for whoever has no configuration of Airflow yet."""
    return of(variables.get(settings.USER_VARIABLE, "").strip() or variables.get(OPTION_VARIABLE, ""))


def of(name: str) -> PersonalView:
    """Return the view of a person; a name that is none is told and leaves the stack as if none was set."""
    name = unicodedata.normalize("NFC", name.strip())
    if not name:
        return PersonalView()
    try:
        if "+" not in name:
            return PersonalView(check_name(name))
    except InvalidNameError:
        pass
    return PersonalView(
        problem=f"{settings.USER_VARIABLE} is ignored: {quote(name)} is not a name. A name has only letters, "
        "digits and . _ -, begins with a letter, a digit or _, does not end in a dot, and is at most 200 "
        "bytes long. Change it and start again."
    )


def folder(store: Store) -> str:
    """Return the person's folder in the DAG repository, "" where there is no personal view.

    It is in the folder that Airflow reads DAGs from: a file elsewhere would never run.
    """
    user = present().user
    return dag_root.whole(dag_root.current(store.root), user) if user else ""
