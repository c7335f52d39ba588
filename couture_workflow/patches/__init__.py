"""All that this package changes in the code of Airflow and Celery: what, why and until when.

A patch replaces, wraps or fills in what the other project has not offered for that, in a process that runs
its code. What uses an extension point (a plugin's routes and middlewares, a policy, a bundle) is none.
``guard`` compares each patch with what is installed; one that does not fit is left out with a warning, and
``couture-workflow doctor`` names it. Nothing heavy is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass

CELERY_PROVIDER = "apache-airflow-providers-celery"
FAB_PROVIDER = "apache-airflow-providers-fab"
STANDARD_PROVIDER = "apache-airflow-providers-standard"

#: What to do about a patch that finds nothing to patch.
REMEDY = "Install the versions that this release is made for, or a newer release of Couture Workflow."

_SUPERVISOR = "airflow.sdk.execution_time.supervisor"
_DAG_PROCESSOR = "airflow.dag_processing.manager"
_FAB = "airflow.providers.fab.auth_manager.fab_auth_manager:FabAuthManager"
_CELERY = "airflow.providers.celery.executors.celery_executor_utils"


@dataclass(frozen=True)
class Target:
    """Something that a patch changes or depends on, as it was when the patch was written.

    :param path: ``module:Qualified.name``.
    :param parameters: names of its parameters in order; None: they do not matter.
    :param uses: names and strings that its code mentions.
    :param is_coroutine: whether it must be one.
    """

    path: str
    parameters: tuple[str, ...] | None = None
    uses: tuple[str, ...] = ()
    is_coroutine: bool = False


@dataclass(frozen=True)
class Patch:
    """One thing that works otherwise because of this package.

    :param module: where it is, below ``couture_workflow.patches``.
    :param changes: what is changed, with what it depends on.
    :param does: what it makes of it.
    :param without: what a user notices where it is not applied.
    :param since: the version that it was first needed for.
    :param ends_with: the issue or change of the other project that would end it.
    :param where: the processes in which it is applied.
    :param distribution: what must be installed for it to be needed; "": always there.
    """

    name: str
    module: str
    changes: tuple[Target, ...]
    does: str
    why: str
    without: str
    since: str
    ends_with: str
    where: str
    distribution: str = ""


PATCHES = (
    Patch(
        name="end-of-task",
        module="supervisor",
        changes=(
            Target(
                f"{_SUPERVISOR}:WatchedSubprocess._service_subprocess",
                parameters=("self", "max_wait_time", "raise_on_timeout", "expect_signal"),
                uses=("max_wait_time", "_check_subprocess_exit"),
            ),
            Target(
                f"{_SUPERVISOR}:ActivitySubprocess._monitor_subprocess",
                uses=("_service_subprocess", "_open_sockets", "max_wait_time"),
            ),
        ),
        does="A supervisor whose task has closed its sockets looks for its end every 0.02 seconds.",
        why="Airflow looks again only after `[workers] min_heartbeat_interval`: five seconds without use.",
        without="The slot of a task may stay taken for five seconds after its end.",
        since="Airflow 3.3.2",
        ends_with="none known",
        where="Celery worker",
        distribution=CELERY_PROVIDER,
    ),
    Patch(
        name="first-heartbeat",
        module="supervisor",
        changes=(
            Target(
                f"{_SUPERVISOR}:ActivitySubprocess._on_child_started",
                uses=("start", "_last_successful_heartbeat"),
            ),
            Target(
                f"{_SUPERVISOR}:ActivitySubprocess._send_heartbeat_if_needed",
                parameters=("self",),
                uses=("_last_heartbeat_attempt", "MIN_HEARTBEAT_INTERVAL"),
            ),
        ),
        does="The call that starts a task counts as its first heartbeat.",
        why="Airflow sends another a moment later: one request in five of a short task.",
        without="The API server gets one request more for each task.",
        since="Airflow 3.3.2",
        ends_with="none known; https://github.com/apache/airflow/pull/71102 moves the heartbeat elsewhere",
        where="Celery worker",
        distribution=CELERY_PROVIDER,
    ),
    Patch(
        name="loaded-once",
        module="celery_worker",
        changes=(
            Target("airflow.sdk.api.client:Client._get_ssl_context_cached", ("ca_file", "ca_path")),
            Target("airflow.sdk.api.client:API_SSL_CA_FILE_PATH"),
            Target("airflow.sdk.api.client:API_SSL_CERT_PATH"),
            Target("airflow.sdk.listener:get_listener_manager", ()),
        ),
        does="A worker has plugins and certificates in memory before it forks the processes of its pool.",
        why="Each process would load them at its first task.",
        without="The first task of each process of a worker starts later.",
        since="Airflow 3.3.2",
        ends_with="none known",
        where="Celery worker",
        distribution=CELERY_PROVIDER,
    ),
    Patch(
        name="orphaned-task",
        module="celery_worker",
        changes=(
            Target(f"{_SUPERVISOR}:WatchedSubprocess.start", uses=("fork",)),
            Target(f"{_CELERY}:execute_workload", uses=("run_workload",)),
        ),
        does="A task whose supervisor is killed ends: first as after SIGTERM, then for good.",
        why="Airflow tries the task again, and the orphan would go on beside the next try.",
        without="A task may run twice at once after its supervisor was killed.",
        since="Airflow 3.3.2",
        ends_with="https://github.com/apache/airflow/issues/47011, if it covers a supervisor that is killed",
        where="processes of a Celery worker's pool",
        distribution=CELERY_PROVIDER,
    ),
    Patch(
        name="descriptors",
        module="descriptors",
        changes=(
            Target(
                f"{_SUPERVISOR}:_fork_main",
                parameters=("requests", "child_stdout", "child_stderr", "log_fd", "target"),
                uses=("_get_last_chance_stderr", "_reopen_std_io_handles", "target"),
            ),
            Target(f"{_SUPERVISOR}:WatchedSubprocess.start", uses=("fork", "_fork_main")),
        ),
        does="DAG files, tasks and triggers run without the descriptors of the process that started them.",
        why="Airflow forks them with its databases, locks and sockets open: a stray write destroys these.",
        without="A DAG file that writes to a descriptor it did not open can destroy the database.",
        since="Airflow 3.3.2",
        ends_with="none known",
        where="processes that parse DAG files, run tasks, triggers and callbacks",
    ),
    Patch(
        name="callback-of-version",
        module="dag_processor",
        changes=(
            Target(f"{_DAG_PROCESSOR}:DagFileInfo.bundle_version"),
            Target(f"{_DAG_PROCESSOR}:DagFileProcessorManager._file_stats", uses=("defaultdict",)),
            Target(
                f"{_DAG_PROCESSOR}:DagFileProcessorManager.prepare_file_queue",
                parameters=("self", "known_files"),
                uses=("file_stats_by_presence_key", "presence_key", "_file_stats", "last_finish_time"),
            ),
        ),
        does="A DAG file is parsed when it is due, also after a callback of one of its runs.",
        why="Airflow takes the time of a callback for that of the file, and parses it each second for ever.",
        without="After a callback of a run, the DAG processor parses the file of its DAG without end.",
        since="Airflow 3.3.2",
        ends_with="none known",
        where="DAG processor",
    ),
    Patch(
        name="quiet-python",
        module="external_python",
        changes=(
            Target(
                "airflow.providers.standard.operators.python:"
                "ExternalPythonOperator._is_pendulum_installed_in_target_env",
                parameters=("self",),
                uses=("python", "import pendulum", "expect_pendulum"),
            ),
        ),
        does="A task in a Python without Pendulum that expects none asks for it quietly.",
        why="Airflow imports it there to see whether it is there, and the traceback goes to the task's log.",
        without="The log of each task of `@task.external_python` may begin with a traceback about Pendulum.",
        since="Airflow's standard provider 1.21.0",
        ends_with="none known",
        where="processes that run such tasks",
        distribution=STANDARD_PROVIDER,
    ),
    Patch(
        name="failure-reason",
        module="scheduler",
        changes=(
            Target("celery.backends.database.models:Task.to_dict", ("self",), uses=("result", "status")),
            Target(f"{_CELERY}:BulkStateFetcher._get_many_from_db_backend", uses=("to_dict",)),
            Target(f"{_CELERY}:BulkStateFetcher._prepare_state_and_info_by_task_dict", uses=("info",)),
        ),
        does="The audit log says why Celery gave a task up.",
        why="Airflow asks the result for an `info` that results from a database do not have.",
        without="The audit log does not say why a worker gave a task up.",
        since="Celery 5.6.3, Airflow's Celery provider 3.26.0",
        ends_with="none known",
        where="scheduler",
        distribution=CELERY_PROVIDER,
    ),
    Patch(
        name="scheduler-pace",
        module="scheduler",
        changes=(
            Target("airflow.executors.base_executor:BaseExecutor.heartbeat", ("self",), uses=("running",)),
        ),
        does="A busy scheduler rests 0.8 seconds between two looks at its DAG runs.",
        why="Airflow's loop rests only when nothing has happened, and takes the CPU that the tasks wait for.",
        without="A busy scheduler takes more of the CPU.",
        since="Airflow 3.3.2",
        ends_with="none known",
        where="scheduler with the Celery executor",
        distribution=CELERY_PROVIDER,
    ),
    Patch(
        name="task-output",
        module="local_executor",
        changes=(
            Target(
                "airflow.executors.base_executor:BaseExecutor.run_workload",
                parameters=("workload", "server", "dry_run", "subprocess_logs_to_stdout", "proctitle"),
                uses=("supervise_task", "subprocess_logs_to_stdout"),
            ),
            Target("airflow.executors.local_executor:_run_worker", uses=("run_workload",)),
        ),
        does="What tasks print stays in their own logs.",
        why="The LocalExecutor repeats it in the scheduler's output, and nobody takes the secrets out there.",
        without="Secrets that a task prints stand in logs/scheduler.log.",
        since="Airflow 3.3.2",
        ends_with="none known",
        where="processes of the LocalExecutor",
    ),
    Patch(
        name="signing-key",
        module="signing_key",
        changes=(
            Target(
                "airflow.api_fastapi.auth.tokens:get_signing_key",
                ("section", "key", "make_secret_key_if_needed"),
                uses=("conf", "get"),
            ),
            Target("airflow.api_fastapi.auth.tokens:get_signing_args", uses=("api_auth", "jwt_secret")),
        ),
        does="The key that signs the tokens of tasks stays in memory.",
        why="With `jwt_secret_cmd` Airflow runs the command for each task, and forks the API server.",
        without="With `jwt_secret_cmd` set, tasks start later.",
        since="Airflow 3.3.2",
        ends_with="none known",
        where="API server",
    ),
    Patch(
        name="single-writer",
        module="single_writer",
        changes=(
            Target("airflow.api_fastapi.app:RESERVED_URL_PREFIXES", uses=("/api/v2", "/ui", "/execution")),
            Target(
                "airflow.api_fastapi.logging.decorators:action_logging.log_action",
                uses=("session", "SessionDep"),
                is_coroutine=True,
            ),
            Target("airflow.api_fastapi.common.db.common:_get_session", (), uses=("create_session",)),
        ),
        does="Writing requests to Airflow's API go one after the other where the database is SQLite.",
        why="Two of them can wait for each other, and the server stands still until a time-out.",
        without="With SQLite, writing requests at the same time may end with an error.",
        since="Airflow 3.3.2",
        ends_with="none known; https://github.com/apache/airflow/pull/67900 answers 503 for backfills alone",
        where="API server with SQLite",
    ),
    Patch(
        name="client-address",
        module="client_address",
        changes=(Target("airflow.models.log:Log.extra"),),
        does="Every row of the audit log has the address of the client, Airflow's own rows too.",
        why="Airflow writes none.",
        without="The audit log has no addresses of clients.",
        since="Airflow 3.3.2",
        ends_with="none known",
        where="API server",
    ),
    Patch(
        name="static-files",
        module="static_files",
        changes=(Target("starlette.applications:Starlette.__call__", uses=("middleware_stack",)),),
        does="Our static files are served before any of Airflow's middlewares.",
        why="One of these reads the database for each request with a cookie.",
        without="Pages load more slowly.",
        since="Airflow 3.3.2",
        ends_with="none known",
        where="API server",
    ),
    Patch(
        name="log-out",
        module="log_out",
        changes=(
            Target(
                "flask_session.base:ServerSideSessionInterface._delete_session",
                parameters=("self", "store_id"),
            ),
            Target("flask_session.base:ServerSideSessionInterface._get_store_id", ("self", "sid")),
            Target("flask_session.base:ServerSideSessionInterface._unsign", ("self", "app", "sid")),
            Target(
                "flask_session.sqlalchemy.sqlalchemy:SqlAlchemySessionInterface._delete_session",
                uses=("sql_session_model",),
            ),
        ),
        does="A log-out deletes the session of Airflow's log-in page from the database.",
        why="Airflow only removes the cookies from the browser; a copy of them would go on.",
        without="A copy of a browser's session cookie is good after the log-out.",
        since="Airflow's FAB provider 3.10.2, Flask-Session 0.8.0",
        ends_with="none known; https://github.com/apache/airflow/pull/67289 revokes the token alone",
        where="API server",
        distribution=FAB_PROVIDER,
    ),
    Patch(
        name="ended-tokens",
        module="ended_tokens",
        changes=(
            Target(f"{_FAB}.serialize_user", ("self", "user"), uses=("sub",)),
            Target(f"{_FAB}.deserialize_user", ("self", "token"), uses=("sub", "is_active")),
            Target(f"{_FAB}.cache", uses=()),
            Target(
                "airflow.api_fastapi.auth.managers.base_auth_manager:BaseAuthManager.get_user_from_token",
                parameters=("self", "token"),
                uses=("deserialize_user", "ValueError", "InvalidTokenError"),
                is_coroutine=True,
            ),
        ),
        does="A token ends when its account gets another password, and at once when it is deactivated.",
        why="Airflow's tokens are good for a day, whoever knows them and whatever happens to the password.",
        without="Tokens that were given before a change of the password go on until they expire.",
        since="Airflow's FAB provider 3.10.2",
        ends_with="none known",
        where="API server",
        distribution=FAB_PROVIDER,
    ),
    Patch(
        name="account-permissions",
        module="account_permissions",
        changes=(
            Target(
                "airflow.providers.fab.auth_manager.models:User.perms", parameters=("self",), uses=("_perms",)
            ),
            Target("airflow.providers.fab.auth_manager.models:User._perms"),
        ),
        does="An account that was just read carries its permissions.",
        why="The account's own look-up would load each role and permission as an object.",
        without="Each request to our pages and REST API takes longer.",
        since="Airflow's FAB provider 3.10.2",
        ends_with="none known",
        where="API server",
        distribution=FAB_PROVIDER,
    ),
    Patch(
        name="task-logs",
        module="task_logs",
        changes=(
            Target(
                "airflow.utils.log.file_task_handler:FileTaskHandler._read_from_logs_server",
                parameters=("self", "ti", "worker_log_rel_path"),
                uses=("sources", "log_streams"),
            ),
        ),
        does="The log of a running task is read from the shared folder, and the worker is not asked.",
        why="The workers serve no logs: each look would end with an error.",
        without="The log of a running task may come late, with a line about a worker that does not answer.",
        since="Airflow 3.3.2",
        ends_with="none known",
        where="every service that reads task logs in containers",
    ),
    Patch(
        name="places-in-dag-files",
        module="dag_parsing",
        changes=(
            Target(
                "airflow.dag_processing.importers.python_importer:PythonDagImporter._load_modules_from_file",
                uses=("importlib", "machinery", "SourceFileLoader", "exec_module", "signal", "SIGSEGV"),
            ),
            Target("airflow.sdk.definitions.dag:DAG.check_cycle", ("self",)),
            Target("airflow.sdk.definitions.taskgroup:TaskGroup.add", ("self", "task")),
            Target(
                "airflow.sdk.definitions._internal.contextmanager:DagContext.pop",
                uses=("autoregistered_dags", "add"),
            ),
        ),
        does="The save gate learns the lines of tasks, DAGs, errors and cycles, and each DAG of a file.",
        why="Airflow tells a text without lines, one task of a cycle, and one DAG of an id.",
        without="What the save gate finds in a DAG file names no line.",
        since="Airflow 3.3.2",
        ends_with="none known",
        where="sandbox of the save gate",
    ),
    Patch(
        name="answers-to-dag-files",
        module="dag_parsing",
        changes=(
            Target(f"{_SUPERVISOR}:ensure_secrets_backend_loaded", ()),
            Target(
                "airflow.sdk.execution_time.context:_get_connection", uses=("ensure_secrets_backend_loaded",)
            ),
            Target(
                "airflow.sdk.execution_time.context:_get_variable", uses=("ensure_secrets_backend_loaded",)
            ),
            Target("airflow.sdk.execution_time.task_runner:SUPERVISOR_COMMS"),
        ),
        does="A DAG file that is checked gets its variables and connections from the save gate.",
        why="There is no database and no supervisor in the sandbox.",
        without="The save gate refuses DAG files that read variables or connections while they are parsed.",
        since="Airflow 3.3.2",
        ends_with="none known",
        where="sandbox of the save gate",
    ),
)


def named(name: str) -> Patch:
    """Return the patch of a name."""
    return next(patch for patch in PATCHES if patch.name == name)
