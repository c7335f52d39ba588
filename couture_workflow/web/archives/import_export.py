"""Export and import for an account: permissions, what Airflow knows, audit rows, a parse of new DAGs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from couture_workflow.exceptions import ConflictError, CoutureError, InvalidError, NotAllowedError
from couture_workflow.permissions import (
    CREATE,
    DAG_IMPORTS,
    EDIT,
    READ,
    RESOURCES,
    SAVE_GATE,
    SPARK_CONFIGURATION,
    SPARK_DEPENDENCIES,
    Permission,
)
from couture_workflow.services.archives import import_export
from couture_workflow.services.archives import uploads as archive_uploads
from couture_workflow.services.archives.import_export import Import, Noun
from couture_workflow.services.archives.plans import Applied, OnConflict, Plan, Prepared
from couture_workflow.store.archives import Export
from couture_workflow.web.audit import audit
from couture_workflow.web.dags import saving as dag_saving
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

#: Paths that an audit row lists.
_LISTED = 20

#: Noun -> what whoever imports it must have at least, asked before the body is read.
IMPORTS: dict[Noun, Permission] = {
    "configs": Permission(EDIT, SPARK_CONFIGURATION),
    "dependencies": Permission(CREATE, SPARK_DEPENDENCIES),
    "dags": Permission(CREATE, DAG_IMPORTS),
}
#: Noun -> what whoever exports it must have at least.
EXPORTS: dict[Noun, Permission] = {
    noun: Permission(READ, resources[0]) for noun, resources in import_export.NOUNS.items()
}


@dataclass(frozen=True)
class Choices:
    """What the caller chose.

    :param override: save DAGs in spite of errors that the gate finds.
    :param upgrade: rewrite DAG files that were written for an older Airflow.
    """

    on_conflict: OnConflict = "replace"
    override: bool = False
    upgrade: bool = False
    message: str = ""


def export(noun: Noun, user: Any) -> Export:
    """Return the archive of what the account may read."""
    return import_export.export(
        store(), noun, readable=lambda resource: allowed(user, Permission(READ, resource))
    )


def sent(made: Export, user: Any) -> None:
    """Write the audit row of an export."""
    audit("archives.export", user, noun=made.manifest.noun, files=len(made.entries), size=made.size)


def plan(source: Import, choices: Choices, user: Any, *, gate: bool = True) -> Prepared:
    """Return what an import would do; ``NotAllowedError`` if the account may not do that."""
    prepared = import_export.plan(
        store(),
        source,
        on_conflict=choices.on_conflict,
        upgrade=choices.upgrade,
        known=dag_saving.known() if source.noun == "dags" and gate else None,
        gate=gate,
    )
    _check_permissions(prepared.plan, user)
    if choices.override:
        _require(Permission(EDIT, SAVE_GATE), user)
    return prepared


def apply(source: Import, prepared: Prepared, choices: Choices, user: Any) -> Applied:
    """Carry out a plan for an account, all or nothing."""

    def save_dags(changes: Mapping[str, bytes], base: str | None) -> str:
        saved = dag_saving.save_dags(
            changes,
            user=user,
            message=choices.message.strip() or import_export.default_message(prepared.plan),
            base=base,
            override=choices.override,
            imported=True,
        )
        return saved.commit.id

    applied = import_export.apply(
        store(), source, prepared, user=str(user.get_name()), message=choices.message, save_dags=save_dags
    )
    audit(
        "archives.import",
        user,
        noun=source.noun,
        counts=prepared.plan.counts,
        commit=applied.commit,
        paths=[item.path for item in prepared.plan.writes][:_LISTED],
        message=choices.message,
    )
    return applied


@dataclass(frozen=True)
class Outcome:
    """What became of an import that a page asked for.

    :param plan: what was done, or what would be done now.
    :param error: why nothing was done, None if it was.
    """

    plan: Plan
    commit: str = ""
    error: CoutureError | None = None


def plan_kept(number: str, choices: Choices, user: Any) -> Prepared:
    """Return what the import of an archive that waits would do."""
    return plan(_kept(number, user), choices, user)


def import_kept(number: str, choices: Choices, token: str, user: Any) -> Outcome:
    """Import an archive that waits, if that does what the account was shown.

    :param token: that of the plan that was shown.
    """
    source = _kept(number, user)
    prepared = plan(source, choices, user, gate=False)
    if prepared.plan.token != token:
        changed = ConflictError(
            "Something changed since the plan was made. Look at the new plan, then import."
        )
        return Outcome(plan(source, choices, user).plan, error=changed)
    try:
        applied = apply(source, prepared, choices, user)
    except (ConflictError, InvalidError) as error:
        return Outcome(plan(source, choices, user).plan, error=error)
    archive_uploads.drop(store(), number)
    return Outcome(applied.plan, applied.commit)


def drop_kept(number: str, user: Any) -> None:
    """Remove an archive that waits."""
    archive_uploads.kept(store(), number, user=str(user.get_name()))
    archive_uploads.drop(store(), number)


def _kept(number: str, user: Any) -> Import:
    found, path = archive_uploads.kept(store(), number, user=str(user.get_name()))
    noun = import_export.check_noun(found.noun)
    _require(IMPORTS[noun], user)
    return import_export.load(store(), noun, path)


def _check_permissions(planned: Plan, user: Any) -> None:
    if planned.noun == "dags":
        _require(IMPORTS["dags"], user)
        return
    for action, resource in sorted({(item.action, item.resource) for item in planned.writes}):
        creates = action == "create" and CREATE in RESOURCES[resource]
        _require(Permission(CREATE if creates else EDIT, resource), user)


def _require(permission: Permission, user: Any) -> None:
    if not allowed(user, permission):
        raise NotAllowedError(
            f"This import needs the permission “{permission}”, which your role does not include. Leave out "
            "what it is for, or ask an administrator."
        )
