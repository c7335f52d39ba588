"""Who uses a trained model: tasks that name it in ``models`` or by the macro ``model_path``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from couture_workflow.services.files import uses as file_uses
from couture_workflow.services.files.uses import Use

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def of_model(name: str, *, session: Session) -> tuple[Use, ...]:
    """Return the tasks of DAGs, as Airflow last parsed them, that name a model."""
    return file_uses.of_model(name, session=session)


described = file_uses.described
