"""What Airflow 3 calls the things of earlier days: names, arguments, context. Data, with its sources.

Sources, by the letters that the tables are marked with:

- (A) Airflow 2's UPDATING.md, "Changes to import paths", for 1.10 -> 2.0
- (B) "Upgrading to Airflow 3" of Airflow's documentation, and the deprecations that Airflow 3.3 itself prints
- (C) the changelogs of the providers standard, smtp, common.sql, http, apache.spark
- (D) ruff's rules AIR301 and AIR302, which list the same moves
- (E) the manual of Couture Workflow for 1.10
"""

from __future__ import annotations

import re
from dataclasses import dataclass

OURS = "couture_workflow.operators"
SDK = "airflow.sdk"
_OPERATORS = "airflow.providers.standard.operators"
_SENSORS = "airflow.providers.standard.sensors"
_DOCKER = "apache-airflow-providers-docker"
_KUBERNETES = "airflow.providers.cncf.kubernetes"
_KUBERNETES_PACKAGE = "apache-airflow-providers-cncf-kubernetes"


@dataclass(frozen=True)
class Home:
    """Where a name lives today.

    :param name: what it is called today.
    :param package: the distribution that brings it, "" for Airflow itself and what this package needs.
    """

    module: str
    name: str
    package: str = ""


def _at(module: str, *names: str, package: str = "") -> dict[str, Home]:
    return {name: Home(module, name, package) for name in names}


@dataclass(frozen=True)
class Sql:
    """An operator of one database.

    :param argument: how it called its connection.
    :param default: the connection that it took where none was named.
    :param provider: what brings the type of the connection.
    :param hook: arguments that its successor gives to the hook, with ``hook_params=``.
    """

    argument: str
    default: str
    provider: str
    successor: str = "SQLExecuteQueryOperator"
    hook: tuple[str, ...] = ()


#: (A)(C) operators of one database -> what they became.
SQL: dict[str, Sql] = {
    "PostgresOperator": Sql("postgres_conn_id", "postgres_default", "postgres"),
    "MySqlOperator": Sql("mysql_conn_id", "mysql_default", "mysql"),
    "SqliteOperator": Sql("sqlite_conn_id", "sqlite_default", "sqlite"),
    "MsSqlOperator": Sql("mssql_conn_id", "mssql_default", "microsoft-mssql"),
    "OracleOperator": Sql("oracle_conn_id", "oracle_default", "oracle"),
    "JdbcOperator": Sql("jdbc_conn_id", "jdbc_default", "jdbc"),
    "VerticaOperator": Sql("vertica_conn_id", "vertica_default", "vertica"),
    "TrinoOperator": Sql("trino_conn_id", "trino_default", "trino"),
    "RedshiftSQLOperator": Sql("redshift_conn_id", "redshift_default", "amazon"),
    "SnowflakeOperator": Sql(
        "snowflake_conn_id",
        "snowflake_default",
        "snowflake",
        hook=("warehouse", "database", "role", "schema", "authenticator", "session_parameters"),
    ),
    **{
        f"Presto{kind}Operator": Sql("presto_conn_id", "presto_default", "presto", f"SQL{kind}Operator")
        for kind in ("Check", "ValueCheck", "IntervalCheck")
    },
}
_SQL = "airflow.providers.common.sql.operators.sql"
#: Operators and sensors that take no argument ``conn_id``.
OWN_CONNECTION = frozenset(
    {"BashOperator", "PythonOperator", "BranchPythonOperator", "ShortCircuitOperator", "DummyOperator"}
    | {"EmptyOperator", "EmailOperator", "TriggerDagRunOperator", "LatestOnlyOperator", "FileSensor"}
    | {"PythonVirtualenvOperator", "ExternalTaskSensor", "TimeSensor", "TimeDeltaSensor", "PythonSensor"}
    | {"DagOperator", "CoutureSparkOperator", "CouturePySparkOperator", "CoutureJupyterOperator"}
)

#: Old name -> its place. It counts where it was imported from a module that ``OLD_MODULE`` matches.
HOMES: dict[str, Home] = {
    # (A)(B)(C)(D) the provider standard
    **_at(f"{_OPERATORS}.bash", "BashOperator"),
    **_at(
        f"{_OPERATORS}.python",
        "PythonOperator",
        "BranchPythonOperator",
        "ShortCircuitOperator",
        "PythonVirtualenvOperator",
        "ExternalPythonOperator",
    ),
    **_at(f"{_OPERATORS}.empty", "EmptyOperator"),
    "DummyOperator": Home(f"{_OPERATORS}.empty", "EmptyOperator"),
    **_at(f"{_OPERATORS}.trigger_dagrun", "TriggerDagRunOperator"),
    **_at(f"{_OPERATORS}.latest_only", "LatestOnlyOperator"),
    **_at(f"{_OPERATORS}.weekday", "BranchDayOfWeekOperator"),
    **_at(f"{_OPERATORS}.datetime", "BranchDateTimeOperator"),
    **_at(f"{_OPERATORS}.branch", "BaseBranchOperator"),
    **_at(f"{_SENSORS}.external_task", "ExternalTaskSensor", "ExternalTaskMarker"),
    **_at(f"{_SENSORS}.python", "PythonSensor"),
    **_at(f"{_SENSORS}.bash", "BashSensor"),
    **_at(f"{_SENSORS}.filesystem", "FileSensor"),
    **_at(f"{_SENSORS}.time_delta", "TimeDeltaSensor"),
    **_at(f"{_SENSORS}.time", "TimeSensor"),
    **_at(f"{_SENSORS}.date_time", "DateTimeSensor"),
    **_at(f"{_SENSORS}.weekday", "DayOfWeekSensor"),
    # (B) the task SDK
    **_at(
        SDK,
        *("DAG", "BaseOperator", "BaseHook", "BaseSensorOperator", "PokeReturnValue", "TaskGroup"),
        *("TriggerRule", "chain", "cross_downstream", "get_current_context", "Param", "XComArg"),
        *("Context", "task", "get_parsing_context"),
    ),
    **{f"Dataset{kind}": Home(SDK, f"Asset{kind}") for kind in ("", "Alias", "All", "Any")},
    **_at("airflow.providers.standard.utils.weekday", "WeekDay"),
    # (B)(C) other providers that come with this package
    **_at("airflow.providers.smtp.operators.smtp", "EmailOperator"),
    # (A)(C)(D) providers that are installed apart
    **_at(
        "airflow.providers.apache.spark.operators.spark_submit",
        "SparkSubmitOperator",
        package="apache-airflow-providers-apache-spark",
    ),
    **_at(
        "airflow.providers.apache.spark.operators.spark_sql",
        "SparkSqlOperator",
        package="apache-airflow-providers-apache-spark",
    ),
    **_at(
        "airflow.providers.apache.hive.operators.hive",
        "HiveOperator",
        package="apache-airflow-providers-apache-hive",
    ),
    **_at("airflow.providers.ssh.operators.ssh", "SSHOperator", package="apache-airflow-providers-ssh"),
    **_at("airflow.providers.ssh.hooks.ssh", "SSHHook", package="apache-airflow-providers-ssh"),
    **_at("airflow.providers.sftp.operators.sftp", "SFTPOperator", package="apache-airflow-providers-sftp"),
    **_at("airflow.providers.sftp.sensors.sftp", "SFTPSensor", package="apache-airflow-providers-sftp"),
    **_at("airflow.providers.mysql.hooks.mysql", "MySqlHook", package="apache-airflow-providers-mysql"),
    **_at(
        "airflow.providers.postgres.hooks.postgres",
        "PostgresHook",
        package="apache-airflow-providers-postgres",
    ),
    **_at("airflow.providers.http.sensors.http", "HttpSensor", package="apache-airflow-providers-http"),
    **_at("airflow.providers.http.hooks.http", "HttpHook", package="apache-airflow-providers-http"),
    "SimpleHttpOperator": Home(
        "airflow.providers.http.operators.http", "HttpOperator", "apache-airflow-providers-http"
    ),
    **_at("airflow.providers.docker.operators.docker", "DockerOperator", package=_DOCKER),
    **_at("airflow.providers.docker.operators.docker_swarm", "DockerSwarmOperator", package=_DOCKER),
    **_at(f"{_KUBERNETES}.operators.pod", "KubernetesPodOperator", package=_KUBERNETES_PACKAGE),
    **_at(f"{_KUBERNETES}.secret", "Secret", package=_KUBERNETES_PACKAGE),
    **{
        old: Home(_SQL, each.successor, f"apache-airflow-providers-{each.provider}")
        for old, each in SQL.items()
    },
    **_at(_SQL, "SQLExecuteQueryOperator", "BranchSQLOperator"),
    "BranchSqlOperator": Home(_SQL, "BranchSQLOperator"),
    **{
        f"{prefix}{kind}Operator": Home(_SQL, f"SQL{kind}Operator")
        for kind in ("Check", "ValueCheck", "IntervalCheck", "ThresholdCheck")
        for prefix in ("", "SQL")
    },
    **_at("airflow.providers.common.sql.sensors.sql", "SqlSensor"),
    # (E)
    **_at(OURS, "CoutureSparkOperator", "CouturePySparkOperator", "CoutureJupyterOperator", "DagOperator"),
    "CoutureJupyterNotebookOperator": Home(OURS, "CoutureJupyterOperator"),
}

#: Modules whose names moved: there are none such in Airflow 3, or they only forward with a warning.
OLD_MODULE = re.compile(
    r"airflow\.(operators|sensors|hooks|contrib)(\..+)?"
    r"|airflow\.models\.(dag|baseoperator|param|taskinstance|xcom_arg)|airflow\.datasets"
    r"|airflow\.utils\.(dag_parsing_context|helpers|task_group|trigger_rule|weekday)"
    r"|airflow\.kubernetes\.secret|airflow\.providers\.cncf\.kubernetes\.operators\.kubernetes_pod"
    r"|airflow\.providers\.(postgres|mysql|sqlite|oracle|jdbc|vertica|trino|snowflake)\.operators\.\w+"
    r"|airflow\.providers\.(microsoft\.mssql\.operators\.mssql|amazon\.aws\.operators\.redshift_sql)"
)
#: The same for whole modules, as `import airflow.operators.bash_operator` names them: (A)(B)(E).
MODULES: dict[str, str] = {
    **{f"airflow.operators.{old}": f"{_OPERATORS}.bash" for old in ("bash", "bash_operator")},
    **{f"airflow.operators.{old}": f"{_OPERATORS}.python" for old in ("python", "python_operator")},
    **{f"airflow.operators.{old}": f"{_OPERATORS}.empty" for old in ("empty", "dummy", "dummy_operator")},
    **{
        f"airflow.operators.{old}": f"{_OPERATORS}.trigger_dagrun"
        for old in ("trigger_dagrun", "dagrun_operator")
    },
    **{
        f"airflow.operators.{old}": f"{_OPERATORS}.latest_only"
        for old in ("latest_only", "latest_only_operator")
    },
    **{f"airflow.operators.{old}": OURS for old in ("dag_operator", "jupyter_operator")},
    **{
        f"airflow.operators.{old}": "airflow.providers.smtp.operators.smtp"
        for old in ("email", "email_operator")
    },
    **{
        f"airflow.sensors.{old}": f"{_SENSORS}.external_task"
        for old in ("external_task", "external_task_sensor")
    },
    "airflow.utils.task_group": SDK,
    "airflow.utils.trigger_rule": SDK,
}

#: Names that are left out, for they do nothing any more: (A).
DROPPED = frozenset({"airflow.utils.decorators.apply_defaults"})
DAYS_AGO = "airflow.utils.dates.days_ago"

#: Functions of the module ``airflow.configuration`` that are methods of its ``conf``: (B).
CONFIGURATION = frozenset(
    {"get", "getboolean", "getint", "getfloat", "getsection", "has_option", "remove_option", "as_dict", "set"}
)

#: Names without a successor -> what to do: (B).
GONE: dict[str, str] = {
    "SubDagOperator": "Make it a TaskGroup (from airflow.sdk import TaskGroup), or a DAG of its own that a "
    "DagOperator runs.",
    "SlaMiss": "Misses of SLAs are listed on Browse > SLA Misses and by GET /api/sla/misses; a DAG's "
    "sla_miss_callback is given them.",
    "SubDagSensor": "SubDAGs are gone: wait for the tasks themselves, or use ExternalTaskSensor.",
}
#: Names that need the metadata database, which tasks of Airflow 3 do not have: (B).
NO_DATABASE = frozenset(
    {
        "airflow.settings.Session",
        "airflow.settings.engine",
        "airflow.utils.db.provide_session",
        "airflow.utils.db.create_session",
        "airflow.utils.session.provide_session",
        "airflow.utils.session.create_session",
    }
)

DAGS = frozenset(
    {"airflow.DAG", "airflow.models.DAG", "airflow.models.dag.DAG", "airflow.sdk.DAG", "airflow.sdk.dag"}
    | {"airflow.decorators.dag"}
)
#: DAGs of these names mean what Airflow 3 means.
NEW_DAGS = frozenset({"airflow.sdk.DAG", "airflow.sdk.dag"})
#: The order of DAG's arguments when they had one: (A); Airflow 3 takes the first alone.
DAG_ORDER = ("dag_id", "description", "schedule", "start_date", "end_date")
DAG_RENAMED = {"schedule_interval": "schedule", "timetable": "schedule", "concurrency": "max_active_tasks"}
DAG_DROPPED = frozenset({"default_view", "orientation", "full_filepath", "is_subdag", "parent_dag"})
TASK_RENAMED = {"task_concurrency": "max_active_tis_per_dag", "xcom_push": "do_xcom_push"}
TASK_DROPPED = frozenset({"provide_context", "adhoc"})
#: (B) values of ``trigger_rule``; members of TriggerRule are the same in capitals.
TRIGGER_RULES = {"dummy": "always", "none_failed_or_skipped": "none_failed_min_one_success"}

#: (B) variables of templates and keys of the context that are gone -> an expression of a template, which
#: is one of Python too where it has no filter. None has quotes, percent signs or braces, so it fits into any
#: string. ``{period}`` is what lies between two runs, as arguments of pendulum's ``add``.
CONTEXT: dict[str, str] = {
    "execution_date": "logical_date",
    "next_execution_date": "logical_date.add({period})",
    "prev_execution_date": "logical_date.subtract({period})",
    "prev_execution_date_success": "prev_data_interval_start_success",
    "next_ds": "logical_date.add({period}).to_date_string()",
    "next_ds_nodash": "(logical_date.add({period}) | ds_nodash)",
    "prev_ds": "logical_date.subtract({period}).to_date_string()",
    "prev_ds_nodash": "(logical_date.subtract({period}) | ds_nodash)",
    "yesterday_ds": "logical_date.subtract(days=1).to_date_string()",
    "yesterday_ds_nodash": "(logical_date.subtract(days=1) | ds_nodash)",
    "tomorrow_ds": "logical_date.add(days=1).to_date_string()",
    "tomorrow_ds_nodash": "(logical_date.add(days=1) | ds_nodash)",
    "latest_date": "ds",
    "END_DATE": "ds",
    "end_date": "ds",
}
#: Gone names that may as well be somebody's own.
AMBIGUOUS = frozenset({"end_date", "END_DATE", "tables", "latest_date", "conf", "test_mode"})
#: Gone names without an expression of a template; (B) of 1.10: its configuration, and ``airflow test``.
CONTEXT_LOST = frozenset({"tables", "conf", "test_mode"})
#: Names that a run without a logical date does not have.
DATED = frozenset(CONTEXT) - AMBIGUOUS | {"ds", "ds_nodash", "ts", "ts_nodash", "logical_date"}
_BY_DATE = "Compute the date, such as context['logical_date'].add(days=1), which is one period later."
_BY_EARLIER = (
    "Compute the date, such as context['logical_date'].subtract(days=1), which is one period earlier."
)
_BY_REST = "Ask Airflow's REST API (/api/v2/dags/.../dagRuns)."
#: Methods of a DAG that are gone in tasks, or need the metadata database -> what to do: (B).
DAG_GONE: dict[str, str] = {
    **dict.fromkeys(
        (
            *("following_schedule", "normalize_schedule", "get_run_dates"),
            *("next_dagrun_after_date", "date_range", "get_next_schedule"),
        ),
        _BY_DATE,
    ),
    "previous_schedule": _BY_EARLIER,
    **dict.fromkeys(
        (
            *("get_active_runs", "get_num_active_runs", "get_dagrun", "get_dagruns_between", "create_dagrun"),
            *("get_last_dagrun", "get_latest_execution_date", "set_dag_runs_state", "get_task_instances"),
            *("clear", "run", "sync_to_db", "deactivate_stale_dags", "get_is_paused", "is_paused"),
        ),
        _BY_REST,
    ),
}
#: The same of a task instance.
TASK_INSTANCE_GONE: dict[str, str] = {
    **dict.fromkeys(("get_dagrun",), "Use context['dag_run']."),
    **dict.fromkeys(
        ("current_state", "get_previous_execution_date", "get_previous_start_date", "set_state", "error"),
        "Use ti.state, ti.get_previous_ti() or Airflow's REST API.",
    ),
}

#: The same of a run in a task, which is no row of the metadata database there.
RUN_GONE: dict[str, str] = {
    **dict.fromkeys(
        (
            *("get_task_instances", "get_task_instance", "get_previous_dagrun", "get_state", "get_dag"),
            *("get_previous_scheduled_dagrun", "refresh_from_db", "update_state"),
        ),
        _BY_REST,
    ),
}
#: Attributes that task instances, runs and DAGs do not have in tasks -> what to do: (B).
ATTRIBUTES_GONE: dict[str, dict[str, str]] = {
    "ti": {
        **dict.fromkeys(
            ("previous_ti", "previous_ti_success", "previous_start_date_success"), "Use ti.get_previous_ti()."
        ),
        "previous_execution_date_success": "Use context['prev_data_interval_start_success'].",
        **dict.fromkeys(("operator", "pool", "priority_weight", "executor_config"), "Ask context['task']."),
        **dict.fromkeys(("duration", "job_id", "log_filepath", "unixname", "key", "pid"), _BY_REST),
    },
    "dag_run": dict.fromkeys(("id", "creating_job_id", "dag_hash", "queued_at"), _BY_REST),
    "dag": {
        "schedule_interval": "Use dag.schedule.",
        "concurrency": "Use dag.max_active_tasks.",
        "full_filepath": "Use dag.fileloc.",
        **dict.fromkeys(("latest_execution_date", "concurrency_reached", "is_paused"), _BY_REST),
    },
}

#: What lies between two runs of these schedules; (A) of a DAG without a schedule: nothing.
PERIODS = {
    "@once": "days=0",
    "@hourly": "hours=1",
    "@daily": "days=1",
    "@midnight": "days=1",
    "@weekly": "weeks=1",
    "@monthly": "months=1",
    "@quarterly": "months=3",
    "@yearly": "years=1",
    "@annually": "years=1",
}

#: Context keys that a PythonOperator's own op_kwargs must not use: Airflow 3 refuses them.
RESERVED = frozenset(
    {"conn", "dag", "dag_run", "ds", "ds_nodash", "logical_date", "macros", "params", "run_id", "task"}
    | {"task_instance", "ti", "ts", "ts_nodash", "var", "inlets", "outlets", "test_mode", "templates_dict"}
)

#: What word processors make of plain characters.
TYPOGRAPHIC_QUOTES = {
    "\u2018": "'",
    "\u2019": "'",
    "\u201a": "'",
    "\u201b": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u201e": '"',
    "\u201f": '"',
    "\u00ab": '"',
    "\u00bb": '"',
}
TYPOGRAPHIC_SIGNS = {
    "\u00a0": " ",
    "\u202f": " ",
    "\u2009": " ",
    "\u3000": " ",
    "\u200b": "",
    "\u200c": "",
    "\u200d": "",
    "\u2060": "",
    "\ufeff": "",
    "\u2010": "-",
    "\u2011": "-",
    "\u2012": "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u2212": "-",
}
