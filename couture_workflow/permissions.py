"""RBAC as data: every resource, its actions and who gets them when the roles are first made. The only list.

Names appear in *Security > Roles* as "can read on Spark Configuration" and so on. What a run did is shown to
whoever may read the task instance in Airflow itself (``RUN_DETAILS``), so it needs no resource of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

READ, CREATE, EDIT, DELETE = "can_read", "can_create", "can_edit", "can_delete"

#: Action of ours -> method that Airflow's auth manager is asked for.
METHODS = {READ: "GET", CREATE: "POST", EDIT: "PUT", DELETE: "DELETE"}
ACTIONS = {method: action for action, method in METHODS.items()}


@dataclass(frozen=True)
class Permission:
    """One action on one resource."""

    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.action.replace('_', ' ')} on {self.resource}"


@dataclass(frozen=True)
class AirflowPermission:
    """Asked of Airflow for the DAG at hand: may the caller read this entity of it?

    :param entity: a member name of Airflow's ``DagAccessEntity``.
    :param of_some: no DAG is at hand: may the caller read this entity of any DAG at all?
    """

    entity: str
    of_some: bool = False

    def __str__(self) -> str:
        return f"can read on {'a' if self.of_some else 'the'} DAG's {self.entity.replace('_', ' ').lower()}"


@dataclass(frozen=True)
class SharedSecret:
    """Asked of a program that has no account: it must know a secret, which the route itself checks."""

    name: str

    def __str__(self) -> str:
        return f"knows {self.name}"


SPARK_CONFIGURATION = "Spark Configuration"
SPARK_DEPENDENCIES = "Spark Dependencies"
CODE_ARTIFACTS = "Code Artifacts"
DEVELOPER_HUB = "Developer Hub"
DAG_FILES = "DAG Files"
DAG_IMPORTS = "DAG Imports"
SAVE_GATE = "Save Gate"
CODE_BRICKS = "Code Bricks"
DAG_REPOSITORY = "DAG Repository"
IMPORT_EXPORT = "Import and Export"
JUPYTER = "Jupyter"
NOTEBOOK_SCHEDULES = "Notebook Schedules"
HADOOP_CONFIGURATION = "Hadoop Configuration"
KERBEROS_CONFIGURATION = "Kerberos Configuration"
LDAP_CONFIGURATION = "LDAP Configuration"
EDA = "Exploratory Data Analysis"
MODELS = "Trained Models"
MAIL = "Mail"

#: Resource -> actions that exist on it.
RESOURCES: dict[str, tuple[str, ...]] = {
    SPARK_CONFIGURATION: (READ, EDIT),
    SPARK_DEPENDENCIES: (READ, CREATE, EDIT, DELETE),
    CODE_ARTIFACTS: (READ, CREATE, EDIT, DELETE),
    DEVELOPER_HUB: (READ,),
    DAG_FILES: (READ, CREATE, EDIT, DELETE),
    DAG_IMPORTS: (CREATE,),  # POST /api/dags/ and nothing else: what CI needs
    SAVE_GATE: (EDIT,),  # save in spite of errors that the gate found
    CODE_BRICKS: (READ, CREATE, EDIT, DELETE),
    DAG_REPOSITORY: (READ, EDIT),
    IMPORT_EXPORT: (READ,),
    JUPYTER: (READ, EDIT),  # open JupyterLab; see and stop the servers of others
    NOTEBOOK_SCHEDULES: (READ, CREATE, EDIT, DELETE),
    HADOOP_CONFIGURATION: (READ, EDIT),
    KERBEROS_CONFIGURATION: (READ, EDIT),
    LDAP_CONFIGURATION: (READ, EDIT),
    EDA: (READ, CREATE, EDIT, DELETE),
    MODELS: (READ, CREATE, EDIT, DELETE),
    MAIL: (READ, EDIT),
}

HOOK = SharedSecret("the secret of the web hook")

RUN_DETAILS = AirflowPermission("TASK_INSTANCE")
#: The list of all runs, which has those alone whose ``RUN_DETAILS`` the reader may open.
RUNS = AirflowPermission("TASK_INSTANCE", of_some=True)
ZOOM = AirflowPermission("TASK_INSTANCE")

ADMIN, DEVELOPER, DEPLOYER = "Admin", "Developer", "Deployer"

#: Role -> permissions of ours that it gets when it is seeded. Developer also gets what a User may, and
#: "can read on Plugins"; Deployer gets nothing else.
ROLES: dict[str, tuple[Permission, ...]] = {
    ADMIN: tuple(Permission(action, name) for name, actions in RESOURCES.items() for action in actions),
    DEVELOPER: (
        Permission(READ, SPARK_CONFIGURATION),
        Permission(READ, SPARK_DEPENDENCIES),
        Permission(CREATE, SPARK_DEPENDENCIES),
        *(Permission(action, CODE_ARTIFACTS) for action in (READ, CREATE, EDIT, DELETE)),
        Permission(READ, DEVELOPER_HUB),
        *(Permission(action, DAG_FILES) for action in (READ, CREATE, EDIT, DELETE)),
        Permission(CREATE, DAG_IMPORTS),
        *(Permission(action, CODE_BRICKS) for action in (READ, CREATE, EDIT, DELETE)),
        Permission(READ, JUPYTER),
        *(Permission(action, NOTEBOOK_SCHEDULES) for action in (READ, CREATE, EDIT, DELETE)),
        *(Permission(action, EDA) for action in (READ, CREATE, EDIT, DELETE)),
        *(Permission(action, MODELS) for action in (READ, CREATE, EDIT, DELETE)),
    ),
    DEPLOYER: (Permission(CREATE, DAG_IMPORTS),),
}
