"""What every process of Airflow imports because of the plugin, and what Airflow's API server reads of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

#: All modules of ours that a process has when Airflow has loaded its plugins. Another one costs every
#: scheduler, DAG processor, triggerer and task: import it where it is used instead.
MODULES = [
    "couture_workflow",
    "couture_workflow.plugin",
    "couture_workflow.policies",
    "couture_workflow.provider",
    # The finder of what submodules import, which must be there before a DAG file is loaded.
    "couture_workflow.services",
    "couture_workflow.services.dags",
    "couture_workflow.services.dags.submodule_imports",
]
#: Those that a process has beside when it has met a deadline of ours.
DEADLINES = ["couture_workflow.web", "couture_workflow.web.sla", "couture_workflow.web.sla.due"]
#: What is beyond Airflow's own modules and ours.
OTHERS: list[str] = []

#: Airflow loads its plugins without ours, then with ours; then come all reads but the API server's.
LOAD = """
import json, sys
import airflow
import pytest

from airflow import plugins_manager
from airflow._shared import module_loading

every = module_loading.entry_points_with_dist
module_loading.entry_points_with_dist = lambda group: (
    found for found in every(group) if found[0].name != "couture_workflow"
)
plugins_manager.ensure_plugins_loaded()
plugins_manager._get_plugins.cache_clear()
module_loading.entry_points_with_dist = every
ours = lambda: sorted(name for name in sys.modules if name.partition(".")[0] == "couture_workflow")
before = set(sys.modules)
plugins_manager.ensure_plugins_loaded()
loaded, others = ours(), sorted(set(sys.modules) - before - set(ours()))
plugins_manager.get_operator_extra_links()
plugins_manager.get_timetables_plugins()
plugins_manager.get_partition_mapper_plugins()
plugins_manager.get_windows_plugins()
plugins_manager.get_deadline_references_plugins()
plugins_manager.get_priority_weight_strategy_plugins()
plugins_manager.integrate_macros_plugins()
from airflow.listeners.listener import get_listener_manager
get_listener_manager()
print(json.dumps({"loaded": loaded, "others": others, "later": ours()}))
"""


def in_fresh_process(program: str, home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={"AIRFLOW_HOME": str(home), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.slow
def test_every_process_loads_these_modules_for_the_plugin_and_no_other(tmp_path: Path) -> None:
    found = json.loads(in_fresh_process(LOAD, tmp_path))

    assert found == {"loaded": MODULES, "others": OTHERS, "later": [*MODULES, *DEADLINES]}


@pytest.mark.slow
def test_airflow_finds_the_menu_in_the_plugin(tmp_path: Path) -> None:
    program = """
import json
from airflow import plugins_manager

views = plugins_manager._get_ui_plugins()[0]
print(json.dumps([view["name"] for view in views if view["destination"] == "nav"]))
"""

    menu = json.loads(in_fresh_process(program, tmp_path))
    assert menu == [
        "Developer",
        "Hadoop Configuration",
        "Kerberos Configuration",
        "LDAP Configuration",
        "Mail",
        "Spark Jobs and Notebooks",
        "SLA Misses",
    ]
