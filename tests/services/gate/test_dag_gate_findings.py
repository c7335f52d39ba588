"""The save gate: what Airflow loads and what would not work all the same, and where the argument stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.gate import check as dag_gate
from couture_workflow.services.gate import folders, lint
from couture_workflow.services.gate.problems import Known, Problem

HEAD = (
    "import os\nfrom airflow.sdk import DAG, Asset, Param, dag, task\n"
    "from airflow.providers.standard.operators.bash import BashOperator\n"
    "from airflow.providers.standard.operators.python import PythonOperator\n"
    "from couture_workflow.operators import CoutureJupyterOperator, DagOperator\n"
)
#: Lines of ``HEAD``, and the one of ``with DAG``.
LINES = HEAD.count("\n")
POOLS = {"default_pool": 128, "small": 2, "endless": -1}
KNOWN = Known(variables={}, connections=frozenset(), pools=POOLS)


def bash(arguments: str, *, dag_arguments: str = "") -> str:
    return (
        f"{HEAD}with DAG('x', schedule=None{dag_arguments}):\n"
        f"    BashOperator(\n        task_id='a',\n        {arguments},\n    )\n"
    )


def python(arguments: str) -> str:
    task = f"PythonOperator(task_id='a', python_callable=print, {arguments})"
    return f"{HEAD}with DAG('x', schedule=None):\n    {task}\n"


def problems(
    files: Mapping[str, str | bytes], *, known: Known = KNOWN, store: Any = None, changed: Sequence[str] = ()
) -> list[Problem]:
    """Return what is no note."""
    content = {path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()}
    report = dag_gate.check(content, changed or ["a.py"], known=known, store=store)
    return [each for each in report.problems if each.level != "note"]


def only(source: str, **options: Any) -> Problem:
    (problem,) = problems({"a.py": source}, **options)
    return problem


def underlined(problem: Problem, source: str) -> str:
    """Return the text that a problem is about, which is on one line."""
    assert problem.line == problem.end_line
    return source.split("\n")[problem.line - 1][problem.column - 1 : problem.end_column - 1]


@pytest.mark.parametrize(
    ("arguments", "argument", "words"),
    [
        ("op_args=[2**64]", "op_args", "18446744073709551616"),
        ("op_args=[-2**63 - 1]", "op_args", "-9223372036854775809"),
        ("op_kwargs={'a': {'b': [{'c': (1, 2**200)}]}}", "op_kwargs", "201 bits"),
        ("op_kwargs={'n': '\\ud800'}", "op_kwargs", "'\\ud800'"),
        ("op_kwargs={'\\udfff': 1}", "op_kwargs", "'\\udfff'"),
        ("retries=2**64", "retries", "whole number"),
        ("executor_config={'n': 2**64}", "executor_config", "whole number"),
        ("outlets=[Asset('o', extra={'x': DAG})]", "outlets", "object of the type"),
        ("op_args=[type('S', (str,), {})('x')]", "op_args", "object of the type"),
    ],
)
def test_what_airflow_cannot_send_to_its_database_is_an_error_at_the_argument(
    arguments: str, argument: str, words: str
) -> None:
    source = python(arguments)

    problem = only(source)

    assert (problem.level, problem.code) == ("error", "not-stored")
    assert f'The argument "{argument}" of the task "a" holds' in problem.message
    assert words in problem.message
    assert "would never appear" in problem.message and problem.advice
    assert underlined(problem, source) == arguments


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ("params={'n': 2**64}", "params"),
        ("params={'n': Param(2**64, type='integer')}", "params"),
        ("description='\\ud800'", "description"),
        ("doc_md='\\ud800'", "doc_md"),
        ("tags=['\\ud800']", "tags"),
        ("max_active_runs=2**64", "max_active_runs"),
        ("dag_display_name='\\ud800'", "dag_display_name"),
    ],
)
def test_an_argument_of_a_dag_that_cannot_be_sent_is_an_error_there(arguments: str, argument: str) -> None:
    source = (
        f"{HEAD}with DAG('x', schedule=None, {arguments}):\n    BashOperator(task_id='a', bash_command='l')\n"
    )

    problem = only(source)

    assert (problem.level, problem.code) == ("error", "not-stored")
    assert f'The argument "{argument}" of the DAG holds' in problem.message
    assert underlined(problem, source) == arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("retry_delay=__import__('datetime').timedelta.max", "cannot read the DAG"),
        ("op_args=[__import__('functools').reduce(lambda x, _: [x], range(900), [])]", "nested too deep"),
        ("weight_rule='nope'", 'cannot store the task "a"'),
        ("op_args=[10**5000]", 'cannot store the task "a"'),
        ("op_args=[type('B', (), {'__repr__': lambda self: 1 / 0})()]", "ZeroDivisionError"),
    ],
)
def test_what_airflow_cannot_store_or_read_back_is_an_error(arguments: str, words: str) -> None:
    problem = only(python(arguments))

    assert (problem.level, problem.code) == ("error", "not-stored")
    assert words in problem.message
    assert problem.line in (LINES + 1, LINES + 2)


@pytest.mark.parametrize(
    "arguments",
    [
        "op_args=[2**64 - 1, -2**63, 0.5, True, None]",
        "op_args=[b'\\xff', {1, 'a'}, frozenset({1}), (1,), 'NaN', '\\\\u0000']",
        "op_kwargs={'a': {1: 2, 'b': 3}}",
        "op_args=[__import__('datetime').date(2024, 1, 1), __import__('decimal').Decimal(1), lambda x: x]",
        "op_args=[__import__('functools').reduce(lambda x, _: [x], range(90), [])]",
    ],
)
def test_what_airflow_stores_passes(arguments: str) -> None:
    assert problems({"a.py": python(arguments)}) == []


DEEP = "__import__('functools').reduce(lambda x, _: [x], range(150), [])"


@pytest.mark.parametrize(
    ("arguments", "refused_by"),
    [
        ("op_args=[float('nan')]", ("mysql", "postgresql")),
        ("op_kwargs={'a': [float('-inf')]}", ("mysql", "postgresql")),
        ("op_args=['a\\0b']", ("postgresql",)),
        (f"op_args=[{DEEP}]", ("mysql",)),
        ("retries=2**31", ("mysql", "postgresql")),
        ("pool_slots=2**31", ("mysql", "postgresql")),
    ],
)
@pytest.mark.parametrize("database", ["", "sqlite", "mysql", "postgresql"])
def test_what_only_some_databases_refuse_is_an_error_where_it_is_one_of_them(
    arguments: str, refused_by: tuple[str, ...], database: str
) -> None:
    source = python(arguments)
    known = Known(variables={}, connections=frozenset(), database=database)

    found = problems({"a.py": source}, known=known)

    if (
        database == "postgresql"
        and refused_by == ("mysql",)
        or database == "mysql"
        and "mysql" not in refused_by
    ):
        assert found == []
    else:
        (problem,) = found
        level = "error" if database in refused_by else "warning"
        assert (problem.level, problem.code) == (level, "not-stored")
        assert underlined(problem, source) == arguments


def test_arguments_of_a_dag_that_only_some_databases_refuse_are_told_there() -> None:
    source = (
        f"{HEAD}with DAG('x', schedule=None, max_active_runs=2**31, description='x' * 2**16):\n    pass\n"
    )

    found = problems({"a.py": source})

    assert {underlined(each, source) for each in found} == {
        "max_active_runs=2**31",
        "description='x' * 2**16",
    }


@pytest.mark.parametrize(
    ("body", "lines", "text"),
    [
        (
            "with DAG('x', schedule=None):\n    pass\nwith DAG('x', schedule='@daily'):\n    pass\n",
            (6, 8),
            "'x'",
        ),
        ("a = DAG('x', schedule=None)\nb = DAG(dag_id='x', schedule=None)\n", (6, 7), "dag_id='x'"),
        (
            "with DAG('x', schedule=None):\n    BashOperator(task_id='a', bash_command='1')\n"
            "with DAG('x', schedule=None):\n    BashOperator(task_id='a', bash_command='2')\n",
            (6, 8),
            "'x'",
        ),
        (
            "@dag(schedule=None)\ndef x():\n    pass\n"
            "@dag(dag_id='x', schedule=None)\ndef y():\n    pass\nx()\ny()\n",
            (12, 13),
            "dag_id='x'",
        ),
    ],
)
def test_two_dags_of_one_id_in_one_file_are_an_error(body: str, lines: tuple[int, int], text: str) -> None:
    source = HEAD + body

    problem = only(source)

    assert (problem.level, problem.code) == ("error", "duplicate-dag")
    assert f"in lines {lines[0]} and {lines[1]}" in problem.message
    assert underlined(problem, source) == text


@pytest.mark.parametrize(
    "body",
    [
        "def made():\n    with DAG('x', schedule=None) as d:\n"
        "        BashOperator(task_id='a', bash_command='ls')\n    return d\na = made()\nb = made()\n",
        "def spare():\n    DAG('x', schedule=None)\nspare()\nwith DAG('x', schedule=None):\n    pass\n",
        "with DAG('x', schedule=None) as a:\n    pass\nb = a\n",
    ],
    ids=["the same twice", "one that Airflow does not see", "two names"],
)
def test_a_dag_that_is_one_to_airflow_is_no_second(body: str) -> None:
    assert problems({"a.py": HEAD + body}) == []


def test_a_dag_id_of_another_file_is_underlined_too() -> None:
    source = f"{HEAD}with DAG(\n    dag_id='x',\n    schedule=None,\n):\n    pass\n"
    other = f"{HEAD}with DAG('x', schedule=None):\n    pass\n"

    (problem,) = problems({"a.py": source, "b.py": other})

    assert (problem.code, underlined(problem, source)) == ("duplicate-dag", "dag_id='x'")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("bash_command='run.sh'", "bash_command='run.sh'"),
        ("bash_command='{{ params.folder }}/run.sh'", "bash_command='{{ params.folder }}/run.sh'"),
        ("bash_command='/opt/run.bash'", "bash_command='/opt/run.bash'"),
        ("bash_command='ls', env={'A': 'run.sh'}", "env={'A': 'run.sh'}"),
        ("bash_command='ls', cwd='gone.sh'", "cwd='gone.sh'"),
    ],
)
def test_a_template_file_that_is_not_there_is_a_warning_at_the_argument(arguments: str, text: str) -> None:
    source = bash(arguments)

    problem = only(source)

    assert (problem.level, problem.code) == ("warning", "missing-template")
    assert "blank behind it" in problem.advice
    assert underlined(problem, source) == text


@pytest.mark.parametrize(
    ("arguments", "dag_arguments"),
    [
        ("bash_command='run.sh '", ""),
        ("bash_command='sql/there.sh'", ""),
        ("bash_command='there.sh'", ", template_searchpath=os.path.join(os.path.dirname(__file__), 'sql')"),
        ("bash_command='gone.sh'", ", template_searchpath='/opt/nobody/knows'"),
        ("bash_command='gone.sh'", ", template_searchpath='relative'"),
        ("bash_command='ls', doc='gone.sh', queue='x.sh'", ""),
        (
            "bash_command='gone.sh'",
            ", jinja_environment_kwargs={'loader': __import__('jinja2').DictLoader({'gone.sh': 'ls'})}",
        ),
    ],
)
def test_a_template_file_that_is_there_or_may_be_is_none(arguments: str, dag_arguments: str) -> None:
    files = {"a.py": bash(arguments, dag_arguments=dag_arguments), "sql/there.sh": "echo {{ ds }}"}

    assert problems(files) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo {{ ds }", "unexpected '}'"),
        ("{% if x %}", "end of template"),
        ("{{ ds | nofilter }}", "No filter named 'nofilter'"),
        ("{% nonsense %}", "nonsense"),
        ("{{ 1 is nothing }}", "No test named 'nothing'"),
        ("{# never closed", "comment"),
    ],
)
def test_a_template_that_cannot_be_read_is_a_warning_at_the_argument(text: str, words: str) -> None:
    source = bash(f"bash_command={text!r}")

    problem = only(source)

    assert (problem.level, problem.code) == ("warning", "template")
    assert words in problem.message
    assert underlined(problem, source) == f"bash_command={text!r}"


@pytest.mark.parametrize(
    ("arguments", "dag_arguments"),
    [
        ("bash_command='{ ds }}'", ""),
        ("bash_command='{{ ds | mine }}'", ", user_defined_filters={'mine': str}"),
        ("bash_command='{{ ds }'", ", jinja_environment_kwargs={'variable_start_string': '<<'}"),
        ("bash_command='{{ ds }'", ", jinja_environment_kwargs={'nonsense': 1}"),
        ("bash_command='{% raw %}{{ ds }{% endraw %}'", ""),
        ("bash_command='{{ ds }}', doc='{{ ds }'", ""),
        ("bash_command='{% if x is defined %}{{ x | nofilter }}{% endif %}'", ""),
    ],
)
def test_a_template_that_the_task_can_read_passes(arguments: str, dag_arguments: str) -> None:
    assert problems({"a.py": bash(arguments, dag_arguments=dag_arguments)}) == []


def test_an_error_in_a_template_file_is_told_at_its_line() -> None:
    files = {"a.py": bash("bash_command='run.sh'"), "run.sh": "ls\necho {{ ds }\n"}

    (problem,) = problems(files)

    assert (problem.code, problem.path, problem.line) == ("template", "run.sh", 2)


def test_a_file_that_a_template_includes_and_that_is_not_there_is_a_warning() -> None:
    text = '{% include "gone.sql" %}{% include "there.sql" %}{% include "maybe.sql" ignore missing %}'

    (problem,) = problems({"a.py": bash(f"bash_command={text!r}"), "there.sql": "SELECT 1"})

    assert problem.code == "missing-template"
    assert '"gone.sql"' in problem.message


def test_expanded_tasks_are_looked_at_with_all_their_arguments() -> None:
    source = (
        f"{HEAD}with DAG('x', schedule=None):\n    (\n        BashOperator\n"
        "        .partial(task_id='a', pool='nope', env={'A': '{{ x'})\n"
        "        .expand(bash_command=['a.sh', 'b.sh '])\n    )\n"
    )

    found = {each.code: underlined(each, source) for each in problems({"a.py": source})}

    assert found == {
        "missing-pool": "pool='nope'",
        "template": "env={'A': '{{ x'}",
        "missing-template": "bash_command=['a.sh', 'b.sh ']",
    }


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ("bash_command='ls', pool='nope'", "missing-pool", "pool='nope'"),
        ("bash_command='ls', pool='small', pool_slots=3", "small-pool", "pool='small'"),
        ("bash_command='ls', pool_slots=200", "small-pool", "BashOperator"),
    ],
)
def test_a_pool_that_a_task_would_wait_for_in_vain_is_a_warning(arguments: str, code: str, text: str) -> None:
    source = bash(arguments)

    problem = only(source)

    assert (problem.level, problem.code) == ("warning", code)
    assert "wait for ever" in problem.message
    assert underlined(problem, source) == text


@pytest.mark.parametrize(
    "arguments",
    ["pool='small', pool_slots=2", "pool='endless', pool_slots=9999", "pool='default_pool'", "retries=1"],
)
def test_a_pool_that_is_there_passes(arguments: str) -> None:
    assert problems({"a.py": bash(f"bash_command='ls', {arguments}")}) == []


def test_what_is_said_of_many_tasks_of_one_line_is_said_once() -> None:
    source = (
        f"{HEAD}with DAG('x', schedule=None):\n    for n in range(50):\n"
        "        BashOperator(task_id=f't{n}', bash_command='{{ ds }', pool='nope')\n"
    )

    found = problems({"a.py": source})

    assert sorted(each.code for each in found) == ["missing-pool", "template"]
    assert all('"t0" (and 49 more)' in each.message for each in found)


@pytest.mark.parametrize(
    "text",
    [
        "'{{' * 50_000",
        "'{{' + '(' * 50_000",
        "'{% if 1 %}' * 3000",
        "'{{ ds }}' * 300_000",
        "'{{ x.sh' * 9_999",
    ],
)
def test_templates_that_break_parsers_or_take_long_do_no_harm(text: str) -> None:
    report = dag_gate.check(
        {"a.py": bash(f"bash_command={text}").encode()}, ["a.py"], known=KNOWN, store=None
    )

    assert report.passed
    assert [graph.dag_id for graph in report.graphs] == ["x"]


def test_pools_that_are_not_known_are_not_missed() -> None:
    assert problems({"a.py": bash("bash_command='ls', pool='nope'")}, known=Known()) == []


def test_a_pool_of_a_decorated_task_is_underlined_in_its_decorator() -> None:
    source = f"{HEAD}@task(pool='nope')\ndef f():\n    return 1\nwith DAG('x', schedule=None):\n    f()\n"

    assert underlined(only(source), source) == "pool='nope'"


def notebooks(*names: str) -> str:
    lines = [
        f"    CoutureJupyterOperator(task_id='t{n}', input_nb={name!r})\n" for n, name in enumerate(names)
    ]
    return f"{HEAD}with DAG('x', schedule=None):\n" + "".join(lines)


def test_a_notebook_that_does_not_exist_is_a_warning_at_the_argument(store: Any) -> None:
    source = notebooks("gone", "gone.ipynb", "../x")

    found = problems({"a.py": source}, store=store)

    assert [each.code for each in found] == ["missing-notebook"] * 3
    assert [underlined(each, source) for each in found] == [
        "input_nb='gone'", "input_nb='gone.ipynb'", "input_nb='../x'"
    ]  # fmt: skip


def test_a_notebook_is_looked_for_where_the_task_does(store: Any) -> None:
    (store.root / "notebooks" / "deep").mkdir(parents=True)
    (store.root / "notebooks" / "deep" / "home.ipynb").write_text("{}")
    files = {
        "team/a.py": notebooks("beside", "below", "over", "top", "deep/home", "{{ params.name }}"),
        "team/beside.ipynb": "{}",
        "team/notebooks/below.ipynb": "{}",
        "notebooks/over.ipynb": "{}",
        "top.ipynb": "{}",
    }

    assert problems(files, store=store, changed=["team/a.py"]) == []


def test_a_notebook_beside_the_folder_that_airflow_reads_is_there(store: Any) -> None:
    dag_root.choose(store.root, "team/dags")
    files = {"team/dags/a.py": notebooks("there", "gone"), "team/notebooks/there.ipynb": "{}"}

    (problem,) = problems(files, store=store, changed=["team/dags/a.py"])

    assert (problem.code, problem.path) == ("missing-notebook", "team/dags/a.py")
    assert '"gone"' in problem.message


def test_without_a_home_nobody_knows_which_notebooks_there_are() -> None:
    assert problems({"a.py": notebooks("gone")}) == []


@pytest.mark.parametrize(
    ("source", "code", "text"),
    [
        (bash("bash_command='{{ var.value.gone }}'"), "missing-variable",
         "bash_command='{{ var.value.gone }}'"),
        (bash("bash_command='ü', env={'C': '{{ conn.lost.host }}'}"), "missing-connection",
         "env={'C': '{{ conn.lost.host }}'}"),
        (HEAD + "x = 1 + 1 / 0\n", "import", "1 / 0"),
        (HEAD + "with DAG(\n    'not ok!',\n    schedule=None,\n):\n    pass\n", "import", "DAG"),
        (HEAD + "with DAG('x', schedule='every day'):\n    pass\n", "import", "schedule='every day'"),
        (bash("bash_comand='ls'"), "import", "BashOperator"),
        (HEAD + "with DAG('x', schedule=None):\n    DagOperator(task_id='t', run_dag_id='x')\n", "dag-loop",
         "run_dag_id='x'"),
    ],
)  # fmt: skip
def test_the_underline_is_what_the_problem_is_about(source: str, code: str, text: str) -> None:
    problem = only(source)

    assert (problem.code, underlined(problem, source)) == (code, text)


def test_an_argument_in_a_file_of_windows_with_a_byte_order_mark_has_its_place() -> None:
    source = bash("bash_command='ü', pool='nope'")
    content = b"\xef\xbb\xbf" + source.replace("\n", "\r\n").encode()

    (problem,) = problems({"a.py": content})

    assert underlined(problem, source) == "pool='nope'"


def test_messages_do_not_contradict_themselves() -> None:
    source = (
        "from airflow import DAG\nfrom airflow.models import Variable\n"
        "from airflow.operators.bash import BashOperator\nfrom airflow.operators.bash_operator import X\n"
        "with DAG('x', schedule_interval=None, sla_miss_callback=None):\n"
        "    first = BashOperator(task_id='a', bash_command='ls', sla=Variable.get('x'))\n"
        "print(X, first)\n"
    )

    found = lint.quick("a.py", source)

    said = [f"{each.message} {each.advice}" for each in found]
    assert not [text for text in said if "removed" in text and "still works" in text]
    assert not [text for text in said if ";." in text or "It still" in text and "no more" in text]
    assert [each for each in found if each.code == "AIR311" and "It still works" in each.message]
    assert [each for each in found if each.code == "AIR301" and "Use `schedule` instead" in each.advice]


def test_what_airflow_has_no_more_is_not_said_to_still_work() -> None:
    (found,) = lint.quick("a.py", "from airflow.datasets import Dataset\n\nd = Dataset('s3://a')\n")

    assert (found.level, found.line) == ("warning", 3)
    assert found.message == "`airflow.datasets.Dataset` does not exist in the Airflow that is installed here."


READS = "from airflow.sdk import DAG, Variable\n\n\n"


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("x = Variable.get('a')\n", 4),
        ("def read():\n    return Variable.get('a')\n\n\nOperator(python_callable=read)\n", 0),
        (
            "with DAG('x'):\n    def read(\n        b=1,\n    ):\n        # b\n        Variable.get('a')\n",
            0,
        ),
        ("def read():\n    return Variable.get('a')\n\n\nx = read()\n", 5),
        ("def read(\n    a=Variable.get('a'),\n):\n    pass\n", 5),
        ("if __name__ == '__main__':\n    print(Variable.get('a'))\n", 0),
        ("@dag\ndef x():\n    Variable.get('a')\n", 6),
        ("class Job:\n    def __init__(self):\n        self.a = Variable.get('a')\n", 6),
        ("class Job:\n    a = Variable.get('a')\n\n    def read(self):\n        pass\n", 5),
    ],
)
def test_a_variable_is_read_at_loading_where_the_function_is_not_only_handed_on(
    source: str, line: int
) -> None:
    found = [each.line for each in lint.quick("a.py", READS + source) if each.code == "AIR003"]

    assert found == ([line] if line else [])


def test_rules_that_nobody_follows_are_off() -> None:
    source = (
        f"{HEAD}with DAG('x', schedule=None):\n    first = BashOperator(task_id='a', bash_command='ls')\n"
    )

    assert "AIR001" not in {each.code for each in lint.quick("a.py", source)}


def test_all_examples_pass_without_a_word(store: Any) -> None:
    folder = Path(__file__).parents[3] / "examples"
    # What other tests compile there at this moment comes and goes.
    paths = [path for path in folder.rglob("*") if "__pycache__" not in path.parts and path.is_file()]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    dags = [path for path in files if path.startswith("dags/")]
    for kind in ("artifacts", "dependencies"):  # what the examples say is to be uploaded
        for name in ("penguins.py", "penguin_rules.py", "word-count.jar"):
            getattr(store, kind).put(name, [b"x"], user="ann")

    assert problems(files, store=store, changed=dags) == []


def test_lint_of_a_folder_finds_templates_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(bash("bash_command='run.sh'"))
    (tmp_path / "b.py").write_text(bash("bash_command='there.sh'").replace("'x'", "'y'"))
    (tmp_path / "there.sh").write_text("ls")

    report = folders.read([tmp_path], root=None).check(parse=True)

    assert [(each.code, each.path) for each in report.warnings] == [("missing-template", "a.py")]


def test_an_sla_that_is_no_time_is_an_error_and_one_that_is_passes() -> None:
    def errors(sla: str) -> list[str]:
        found = problems({"a.py": bash(f"bash_command='ls', sla={sla}")})
        assert not [each for each in found if "SLA feature is removed" in each.message]
        return [each.message for each in found if each.level == "error"]

    assert errors("__import__('datetime').timedelta(hours=1)") == []
    (message,) = errors("60")
    assert "The SLA of the task a is '60'. Give a timedelta" in message
