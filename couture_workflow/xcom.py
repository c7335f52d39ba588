"""How tasks hand values on (``[core] xcom_backend = couture_workflow.xcom.CoutureXCom``).

Small values are in Airflow's database, as ever. Data frames of pandas, polars and pyarrow are Parquet files
in a folder that all machines share, and so is every other value that is large. In the database stands a
reference in their place, which Airflow's pages show: shape, columns, first rows.

Tasks import this at their start: nothing heavy here.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk.bases.xcom import BaseXCom

from couture_workflow.exceptions import XComError


class CoutureXCom(BaseXCom):
    """Keeps large values beside Airflow's database."""

    @staticmethod
    def serialize_value(
        value: Any,
        *,
        key: str | None = None,
        task_id: str | None = None,
        dag_id: str | None = None,
        run_id: str | None = None,
        map_index: int | None = None,
    ) -> Any:
        """Return what goes into the database."""
        if value is None or isinstance(value, bool | int | float):
            return BaseXCom.serialize_value(value)
        from couture_workflow.services.xcoms import values

        where = {"dag_id": dag_id or "", "run_id": run_id or ""}
        try:
            plain = BaseXCom.serialize_value(values.without_frames(value, **where))
            return values.kept_if_large(plain, **where)
        except RecursionError as error:
            raise XComError(
                "The value cannot be handed on: it is nested too deeply, or holds itself. Return it in parts."
            ) from error

    @classmethod
    def store_value(cls, coordinate: Any, key: str, value: Any) -> Any:
        """Return what goes into the database, for a later Airflow, which asks in this way.

        :param coordinate: has ``dag_id`` and ``run_id``.
        """
        return cls.serialize_value(value, key=key, dag_id=coordinate.dag_id, run_id=coordinate.run_id)

    @staticmethod
    def deserialize_value(result: Any) -> Any:
        """Return the value that a row of the database stands for."""
        if not isinstance(result.value, dict | list):
            return BaseXCom.deserialize_value(result)
        from couture_workflow.services.xcoms import values

        return BaseXCom.deserialize_value(_Row(values.restored(result.value)))

    @classmethod
    def delete(cls, key: str, task_id: str, dag_id: str, run_id: str, map_index: int | None = None) -> None:
        """Remove a row of the database, once what it refers to is gone from the storage.

        ``purge`` is not told whose the row is, and a task may push a reference to what another run made.
        """
        row: dict[str, Any] = {"key": key, "dag_id": dag_id, "run_id": run_id, "map_index": map_index}
        value = cls._get_xcom_db_ref(task_id=task_id, **row).value
        if isinstance(value, dict | list):
            from couture_workflow.services.xcoms import values

            values.forget(value, dag_id=dag_id, run_id=run_id)
        super().delete(task_id=task_id, **row)


class _Row:
    def __init__(self, value: Any) -> None:
        self.value = value
