"""What our plugin costs each process of Airflow: CPU time of loading all plugins, with ours and without."""

from __future__ import annotations

import tempfile
from statistics import median

from benchmarks.measure import Result, in_fresh_process, in_turn

ROUNDS = 15

#: Loads the other plugins and what they import, then measures Airflow's whole plugin loading anew: "without"
#: still hides our entry point, "with" shows it. So the imports of others, 300 ms, are in neither figure.
LOAD = """
import sys, time
import airflow
from airflow import plugins_manager
from airflow._shared import module_loading

every = module_loading.entry_points_with_dist
module_loading.entry_points_with_dist = lambda group: (
    found for found in every(group) if found[0].name != "couture_workflow"
)
plugins_manager.ensure_plugins_loaded()
plugins_manager._get_plugins.cache_clear()
assert "couture_workflow.plugin" not in sys.modules
if sys.argv[1] == "with":
    module_loading.entry_points_with_dist = every
start = time.process_time()
plugins_manager.ensure_plugins_loaded()
spent = time.process_time() - start
assert ("couture_workflow.plugin" in sys.modules) == (sys.argv[1] == "with")
print(spent)
"""


def run() -> list[Result]:
    """Measure it in fresh processes."""
    with tempfile.TemporaryDirectory() as home:
        # Airflow's processes do not look for packages in their working folder, which here has the project's
        # egg-info, a second "installation" of the plugin that Airflow reads and then refuses with a warning.
        env = {"AIRFLOW_HOME": home, "PYTHONSAFEPATH": "1"}
        ours, without = in_turn(
            ROUNDS,
            lambda: float(in_fresh_process(LOAD, "with", env=env)),
            lambda: float(in_fresh_process(LOAD, "without", env=env)),
        )
    cost = (median(ours) - median(without)) * 1000
    return [
        Result(
            "plugin cost per Airflow process (CPU)",
            f"{median(ours) * 1000:.1f} ms with it",
            f"{median(without) * 1000:.1f} ms without",
            cost,
            3,
            "ms",
        )
    ]
