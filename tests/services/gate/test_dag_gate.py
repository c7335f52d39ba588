"""The save gate: what it finds in DAG files, at which line, and what it leaves alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.services.gate import check as dag_gate
from couture_workflow.services.gate import rules
from couture_workflow.services.gate.check import Known, Problem, Report, quick
from couture_workflow.services.upgrade.upgrading import upgrade

DAG = "from airflow.sdk import DAG\nfrom airflow.providers.standard.operators.empty import EmptyOperator\n"
TRIGGER = (
    "from airflow.sdk import DAG\n"
    "from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator\n"
    "from couture_workflow.operators import DagOperator\n"
)
NOTHING = Known(variables={}, connections=frozenset())


def dag(dag_id: str, *lines: str) -> str:
    body = "".join(f"    {line}\n" for line in lines or ("EmptyOperator(task_id='a')",))
    return f"{DAG}with DAG({dag_id!r}, schedule=None):\n{body}"


def caller(dag_id: str, child: str, *, operator: str = "DagOperator") -> str:
    field = "run_dag_id" if operator == "DagOperator" else "trigger_dag_id"
    return f"{TRIGGER}with DAG({dag_id!r}, schedule=None):\n    {operator}(task_id='t', {field}={child!r})\n"


def check(files: Mapping[str, str], *changed: str, known: Known = NOTHING, **options: Any) -> Report:
    content = {path: text.encode() for path, text in files.items()}
    return dag_gate.check(
        content, changed or files.keys(), known=known, store=options.pop("store", None), **options
    )


def found(report: Report, *levels: str) -> list[tuple[str, str, int]]:
    """Return (code, path, line) of what is not style."""
    return [
        (each.code, each.path, each.line)
        for each in report.problems
        if each.level in (levels or ("error", "warning")) and each.code[:3] not in ("AIR", "F40")
    ]


def only(report: Report) -> Problem:
    (problem,) = [
        each for each in report.problems if each.level != "note" and not each.code.startswith("AIR")
    ]
    return problem


def test_a_sound_file_passes_and_its_graph_is_told() -> None:
    report = check(
        {
            "sales/daily.py": DAG
            + "from airflow.sdk import TaskGroup, task\n"
            + "with DAG('sales', schedule='@daily', params={'n': 3}, tags=['b', 'a'], max_active_runs=7):\n"
            + "    with TaskGroup('load'):\n"
            + "        one = EmptyOperator(task_id='one', owner='ann')\n"
            + "    two = EmptyOperator(task_id='two', trigger_rule='all_done', retries=2)\n"
            + "    one >> two\n"
        }
    )

    assert report.passed and found(report) == []
    (graph,) = report.graphs
    assert (graph.dag_id, graph.path, graph.schedule, graph.line) == ("sales", "sales/daily.py", "@daily", 4)
    assert (graph.tags, graph.owners, graph.parameters) == (("a", "b"), ("airflow", "ann"), {"n": "3"})
    assert graph.edges == (("load.one", "two"),)
    assert graph.groups == {"load": ""}
    assert [(task.id, task.label, task.group, task.line) for task in graph.tasks] == [
        ("load.one", "one", "load", 6),
        ("two", "two", "", 7),
    ]
    assert graph.tasks[1].trigger_rule == "all_done"
    assert graph.tasks[1].arguments == {"retries": "2", "trigger_rule": "all_done"}
    assert graph.settings["max_active_runs"] == "7"


@pytest.mark.parametrize(
    ("source", "code", "line", "words"),
    [
        ("def f(:\n", "syntax", 1, "parameter"),
        (DAG + "import nowhere.at_all\n", "import", 3, "No module named 'nowhere'"),
        (DAG + "1 / 0\n", "import", 3, "ZeroDivisionError"),
        (DAG + "raise SystemExit(3)\n", "import", 3, "SystemExit"),
        (DAG + "raise KeyboardInterrupt\n", "ended", 3, "KeyboardInterrupt"),
        (dag("x", "EmptyOperator(task_id='a')", "EmptyOperator(task_id='a')"), "duplicate-task", 5, "'a'"),
        (dag("x", "EmptyOperator()"), "import", 4, "task_id"),
        (DAG + "with DAG(schedule=None): pass\n", "import", 3, "dag_id"),
        (
            dag("x", "a, b, c = (EmptyOperator(task_id=i) for i in 'abc')", "a >> b >> c >> a"),
            "cycle",
            4,
            "a → b → c → a",
        ),
        (DAG + "from airflow.sdk import Variable\nVariable.get('x')\n", "missing-variable", 4, '"x"'),
        (DAG + "from airflow.models import Variable\nVariable.get('x')\n", "missing-variable", 4, '"x"'),
        (DAG + "from airflow.sdk import Connection\nConnection.get('db')\n", "missing-connection", 4, "db"),
        (DAG + "open('/etc/shadow')\n", "sandbox", 3, "PermissionError"),
        (DAG + "import subprocess\nsubprocess.run(['ls'])\n", "sandbox", 4, "PermissionError"),
        (DAG + "import os\nos._exit(3)\n", "ended", 0, "exit code 3"),
        (DAG + "x = bytearray(2**40)\n", "memory", 3, "memory"),
        (DAG + "with DAG('not ok!', schedule=None): pass\n", "import", 3, "not ok!"),
        (DAG + "with DAG('x', schedule='every day'): pass\n", "import", 3, "columns"),
        (DAG + "with DAG('x', schedule='@daily', catchup=True): pass\n", "import", 3, "start_date"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_an_error_at_its_line(source: str, code: str, line: int, words: str) -> None:
    report = check({"a.py": source})

    assert not report.passed
    problem = report.errors[0]
    assert (problem.code, problem.path) == (code, "a.py")
    assert words in problem.message
    assert problem.line == line


def test_of_warnings_what_is_deprecated_is_a_note() -> None:
    source = (
        DAG + "from airflow.decorators import dag\nimport warnings\nwarnings.warn('strange: 1: x')\n"
        "warnings.warn('old', DeprecationWarning)\n"
    )

    report = check({"a.py": source})

    kinds = ("parse-warning", "deprecated")
    told = [(each.level, each.code, each.line) for each in report.problems if each.code in kinds]
    assert told == [("warning", "parse-warning", 5), ("note", "deprecated", 3), ("note", "deprecated", 6)]


def test_an_error_in_a_module_is_told_once_with_its_own_line() -> None:
    report = check(
        {
            "common/__init__.py": "",
            "common/helper.py": "x = 1\nimport nowhere\n",
            "a.py": "from common.helper import x\n" + dag("a"),
            "b.py": "from common import helper\n" + dag("b"),
            "c.py": dag("c"),
        },
        "common/helper.py",
    )

    assert found(report) == [("import", "common/helper.py", 2)]
    assert '"a.py", "b.py"' in report.errors[0].message
    assert [graph.dag_id for graph in report.graphs] == []


def test_a_changed_module_has_its_importers_parsed_and_nothing_else() -> None:
    files = {
        "lib/deep.py": "N = 1\n",
        "lib/top.py": "from .deep import N\n",
        "lib/__init__.py": "",
        "a.py": "import lib.top\n" + dag("a"),
        "b.py": dag("b"),
    }

    report = check(files, "lib/deep.py")

    assert [graph.dag_id for graph in report.graphs] == ["a"]


def test_a_deleted_module_breaks_its_importers() -> None:
    report = check({"a.py": "from helper import x\n" + dag("a")}, "helper.py")

    assert found(report) == [("import", "a.py", 1)]


def test_a_dag_file_that_reads_a_changed_text_is_parsed_again(store: Any) -> None:
    source = "from pathlib import Path\nNAME = (Path(__file__).parent / 'name.txt').read_text()\n" + DAG
    files = {"a.py": source + "with DAG(NAME, schedule=None): pass\n", "name.txt": "one"}
    assert [graph.dag_id for graph in check(files, "a.py", store=store).graphs] == ["one"]

    report = check({**files, "name.txt": "two"}, "name.txt", store=store)

    assert [graph.dag_id for graph in report.graphs] == ["two"]


def test_a_dag_id_that_another_file_has_is_an_error() -> None:
    report = check({"a.py": dag("same"), "b.py": dag("same"), "c.py": dag("other")}, "a.py")

    assert found(report, "error") == [("duplicate-dag", "a.py", 3)]
    assert "b.py" in report.errors[0].message


def test_a_dag_id_in_a_comment_of_another_file_is_none() -> None:
    assert check({"a.py": dag("same"), "b.py": dag("b") + "# DAG('same')\n"}, "a.py").passed


def test_a_computed_dag_id_of_another_file_is_known_from_its_last_parse(store: Any) -> None:
    computed = DAG + "for n in 'xy':\n    globals()[n] = DAG('made_' + n, schedule=None)\n"
    assert check({"b.py": computed}, "b.py", store=store).passed

    report = check({"a.py": dag("made_x"), "b.py": computed}, "a.py", store=store)

    assert found(report, "error") == [("duplicate-dag", "a.py", 3)]


def test_a_computed_dag_id_that_a_module_changed_is_known_from_then_on(store: Any) -> None:
    computed = f"from lib import NAME\n{DAG}d = DAG(NAME, schedule=None)\n"
    files = {"b.py": computed, "lib.py": "NAME = 'one'\n"}
    check(files, store=store)
    for name in ("two", "three"):
        files["lib.py"] = f"NAME = {name!r}\n"
        check(files, "lib.py", store=store)

    report = check({**files, "a.py": dag("three")}, "a.py", store=store)

    assert found(report, "error") == [("duplicate-dag", "a.py", 3)]
    assert check({**files, "a.py": dag("two")}, "a.py", store=store).passed


def test_a_dag_id_of_another_bundle_is_an_error() -> None:
    known = Known(dag_ids={"same": "x.py of the bundle examples"})

    report = check({"a.py": dag("same")}, known=known)

    assert "bundle examples" in only(report).message


def test_dags_that_run_each_other_are_an_error_with_the_way() -> None:
    files = {"a.py": caller("a", "b"), "b.py": caller("b", "c"), "c.py": caller("c", "a"), "d.py": dag("d")}

    report = check(files, "a.py")

    assert [each.code for each in report.errors] == ["dag-loop"]
    assert "a (task t) → b (task t) → c (task t) → a" in report.errors[0].message


def test_a_loop_of_airflow_s_trigger_may_be_meant() -> None:
    report = check({"a.py": caller("a", "a", operator="TriggerDagRunOperator")})

    assert report.passed
    assert ("dag-loop", "a.py", 5) in found(report)


def test_files_of_the_store_that_are_missing_are_warned_of(store: Any) -> None:
    store.artifacts.put("there.py", [b"x"], user="ann")
    source = (
        "from airflow.sdk import DAG\nfrom couture_workflow.operators import CouturePySparkOperator\n"
        "with DAG('x', schedule=None):\n"
        "    CouturePySparkOperator(task_id='a', code_artifact='there.py', py_files=['gone.py'])\n"
        "    CouturePySparkOperator(task_id='b', code_artifact='lost.py@2')\n"
        "    CouturePySparkOperator(task_id='c', code_artifact='{{ params.x }}')\n"
    )

    report = check({"a.py": source}, store=store)

    assert report.passed
    assert found(report) == [("missing-dependencies", "a.py", 4), ("missing-artifacts", "a.py", 5)]


def test_connections_and_variables_that_tasks_name_are_warned_of() -> None:
    source = (
        "from airflow.sdk import DAG\nfrom airflow.providers.standard.operators.bash import BashOperator\n"
        "from airflow.providers.standard.sensors.filesystem import FileSensor\n"
        "with DAG('x', schedule=None):\n"
        "    BashOperator(task_id='a', bash_command='{{ var.value.gone }} "
        "{{ var.json.there.x }} {{ conn.lost.host }}')\n"
        "    BashOperator(task_id='b', bash_command='{{ var.value.get(\"maybe\", 1) }}')\n"
        "    FileSensor(task_id='c', filepath='x', fs_conn_id='nowhere')\n"
    )
    known = Known(variables={"there": "{}"}, connections=frozenset({"fs_default"}))

    report = check({"a.py": source}, known=known)

    assert report.passed
    assert found(report) == [
        ("missing-connection", "a.py", 5),
        ("missing-variable", "a.py", 5),
        ("missing-connection", "a.py", 7),
    ]
    assert found(check({"a.py": source}, known=Known())) == []


def test_a_file_that_needs_the_value_of_an_unknown_variable_is_a_warning() -> None:
    source = DAG + "from airflow.sdk import Variable\nx = Variable.get('x', deserialize_json=True)['y']\n"

    report = check({"a.py": source}, known=Known())

    assert report.passed
    assert found(report) == [("needs-variable", "a.py", 4), ("variable-at-load", "a.py", 4)]


def test_only_variables_that_the_files_name_are_shown_to_them() -> None:
    source = DAG + (
        "from airflow.sdk import Variable\n"
        "seen = [Variable.get(name, default=None) for name in ('named', 'un' + 'named')]\n"
        "with DAG('x', schedule=None, description=str(seen)): pass\n"
    )

    report = check({"a.py": source}, known=Known(variables={"named": "1", "unnamed": "2"}))

    assert report.graphs[0].settings["description"] == "['1', None]"


def test_a_dag_that_is_no_longer_defined_is_warned_of() -> None:
    report = check(
        {"a.py": dag("new"), "b.py": caller("b", "old")},
        "a.py",
        replaced={"a.py": dag("old").encode()},
    )

    assert ("vanished-dag", "a.py", 0) in found(report)


def test_a_deleted_file_s_dag_is_warned_of(store: Any) -> None:
    report = check({"b.py": dag("b")}, "a.py", replaced={"a.py": dag("old").encode()}, store=store)

    assert found(report) == [("vanished-dag", "a.py", 0)]


def test_a_moved_dag_is_not() -> None:
    report = check({"b/a.py": dag("x")}, "a.py", "b/a.py", replaced={"a.py": dag("x").encode()})

    assert found(report) == []


def test_ignored_files_are_not_parsed() -> None:
    report = check({".airflowignore": "drafts/\n", "drafts/a.py": DAG + "1 / 0\nwith DAG('x'): pass\n"})

    assert report.passed
    assert [each.code for each in report.problems if each.level == "note" and each.code == "ignored"] == [
        "ignored"
    ]


def test_regular_expressions_in_an_ignore_file_are_noticed() -> None:
    report = check({".airflowignore": "# all\ndrafts/\n.*_test\\.py$\n*.txt\n"})

    assert found(report) == [("ignore-syntax", ".airflowignore", 3)]


def test_data_files_that_cannot_be_read_are_warned_of() -> None:
    files = {
        "a.yaml": "a: [1\nb: 2\n",
        "b.json": "{\n,",
        "c.yaml": "a: {{ x }}\n",
        "d.sql": "SELEKT",
        "e.yml": "a: 1",
    }

    assert found(check(files)) == [("data", "a.yaml", 2), ("data", "b.json", 2)]


def test_paths_that_differ_in_capitals_only_are_an_error() -> None:
    report = check({"Sales/a.py": dag("a"), "sales/b.py": dag("b")}, "sales/b.py")

    assert found(report) == [("same-path", "sales/b.py", 0)]


def test_old_files_are_offered_an_upgrade() -> None:
    source = (
        "from airflow import DAG\nfrom airflow.operators.bash_operator import BashOperator\n"
        "with DAG('x', schedule_interval='@daily'):\n    BashOperator(task_id='a', bash_command='ls')\n"
    )

    report = check({"a.py": source})

    assert found(report) == [("import", "a.py", 2), ("old-dag", "a.py", 3)]
    assert "Upgrade this file" in report.errors[0].advice


@pytest.mark.parametrize("line", ["import own_airflow_tools", "from own import own_tools"])
def test_no_upgrade_is_offered_for_a_module_of_ones_own(line: str) -> None:
    source = f"from airflow import DAG\n{line}\nDAG('x', schedule_interval='@daily')\n"

    report = check({"a.py": source, "own.py": ""}, "a.py")

    assert found(report) == [("import", "a.py", 2), ("old-dag", "a.py", 3)]
    assert "Upgrade" not in report.errors[0].advice


def test_without_parsing_only_the_text_is_looked_at() -> None:
    report = check({"a.py": DAG + "1 / 0\n", "b.py": "def f(:\n"}, parse=False)

    assert {each.code for each in report.errors} == {"syntax"}


def test_examples_pass() -> None:
    folder = Path(__file__).parents[3] / "examples" / "dags"
    files = {path.name: path.read_text() for path in folder.glob("*.*") if path.is_file()}

    report = check(files)

    assert found(report, "error") == []
    assert {"penguins", "word_count"} <= {graph.dag_id for graph in report.graphs}


def test_graphs_of_a_version_leave_out_what_cannot_be_parsed() -> None:
    files = {"a.py": dag("a").encode(), "b.py": b"1 / 0", "c.txt": b"", "d.py": dag("d").encode()}

    assert [graph.dag_id for graph in dag_gate.graphs(files, ["a.py", "b.py", "c.txt", "gone.py"])] == ["a"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    ["(" * 20_000, "-" * 200_000 + "1", "x = " + "[" * 50_000, "\0", "a.b" * 50_000, '"""' * 9999, "\ud800"],
)
def test_text_that_breaks_parsers_does_no_harm(source: str) -> None:
    assert all(isinstance(problem, Problem) for problem in quick("a.py", source))
    check({"a.py": "# airflow dag\n" + source.encode("utf-8", "replace").decode()})


@pytest.mark.parametrize("name", ["a'b\"<&>ü.py", "-x.py", "dir with space/ä.py", "--config=x.py", "a\\b.py"])
def test_hostile_file_names_are_only_names(name: str) -> None:
    report = check({name: DAG + "import nowhere\n"})

    assert found(report) == [("import", name, 3)]


def test_problems_while_typing_have_their_place() -> None:
    problems = quick("a.py", "import os\nfoo(bar)\n")

    assert [(each.code, each.level, each.line, each.column, each.end_column) for each in problems] == [
        ("F401", "note", 1, 8, 10),
        ("F821", "warning", 2, 1, 4),
        ("F821", "warning", 2, 5, 8),
    ]


def test_text_that_is_not_python_is_left_alone() -> None:
    assert quick("a.sql", "SELECT (") == []


def test_files_that_would_take_too_long_in_all_are_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dag_gate, "_PATIENCE", -1.0)
    files = {"lib.py": "x = 1\n", "a.py": "from lib import x\n" + dag("a"), "b.py": dag("b")}

    report = check(files, "lib.py", "b.py")

    assert report.passed
    assert found(report) == [("not-checked", "", 0)]
    assert [graph.dag_id for graph in report.graphs] == ["b"]


@pytest.mark.parametrize("missing", ["landlock", "seccomp", "namespaces"])
def test_a_wall_that_the_system_does_not_offer_is_told_once_in_a_note(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from couture_workflow.services.gate import sandbox as dag_sandbox

    plain = dag_sandbox.Tree.__init__

    def without(self: Any, files: Any, **options: Any) -> None:
        plain(self, files, **{**options, "without": [missing]})

    monkeypatch.setattr(dag_sandbox.Tree, "__init__", without)

    report = check({"a.py": dag("a"), "b.py": dag("b")})

    assert report.passed
    notes = [each for each in report.problems if each.code == "sandbox"]
    assert [each.level for each in notes].count("note") == len(notes) >= 1
    assert len(report.graphs) == 2


@pytest.mark.parametrize(
    ("line", "is_one"),
    [("(a|b)/", True), ("x(|)", True), ("(a)/|", False), ("a|b)(", False), (".*x", True), ("*.py", False)],
)
def test_a_line_of_an_ignore_file_that_is_a_regular_expression_is_told(line: str, is_one: bool) -> None:
    files = {".airflowignore": f"{line}\n".encode()}

    assert bool([*rules.ignore_files(files, [".airflowignore"], syntax="glob")]) is is_one


def test_an_ignore_file_of_brackets_takes_no_time() -> None:
    began = time.process_time()

    [*rules.ignore_files({".airflowignore": b"(|" * 500_000}, [".airflowignore"], syntax="glob")]

    assert time.process_time() - began < 10  # cubic: it was hours


@pytest.mark.parametrize(
    ("source", "advised"),
    [
        ("print 'a'\n", True),
        ("print 'a'\ndef f((a, b)): pass\n", False),
        ("from airflow.models import SlaMiss\nx = SlaMiss\n", False),
        ("def f(**context):\n    return context['next_ds']\n", False),
        ("from airflow.operators.my_plugin import My\nMy()\n", False),
    ],
)
def test_an_upgrade_is_advised_only_where_it_changes_something(source: str, advised: bool) -> None:
    report = check({"a.py": source})

    codes = [each.code for each in report.problems]
    assert ("old-dag" in codes) is advised
    assert any("pgrade this file" in each.advice for each in report.problems) is advised


def test_after_an_upgrade_no_other_one_is_advised() -> None:
    source = (
        "from airflow import DAG\nfrom airflow.models import SlaMiss\n"
        "DAG('x', schedule_interval='@daily', sla_miss_callback=SlaMiss)\nx = '{{ prev_execution_date }}'\n"
    )

    report = check({"a.py": upgrade(source).source})

    assert not any("pgrade this file" in each.advice for each in report.problems)
