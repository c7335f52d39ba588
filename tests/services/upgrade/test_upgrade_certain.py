"""The upgrade changes what is certain, and names the rest: what is gone, what is unused."""

from __future__ import annotations

import pytest

from couture_workflow.services.upgrade.upgrading import looks_old, upgrade, upgrade_ignore
from tests.support.upgrades import again, notes

TASK = "from airflow.decorators import task\n"
PYTHON = "from airflow.providers.standard.operators.python import PythonOperator\n"
BASH = "from airflow.providers.standard.operators.bash import BashOperator\n"
SQL = "from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator"
DAG = "from airflow import DAG\n"
CALL = "PythonOperator(task_id='t', python_callable=f)\n"


STAYS = {
    "record": TASK + "@task\ndef load(record):\n    return record['end_date'], record['execution_date']\n",
    "templates-dict": PYTHON + "def f(**kwargs):\n    return kwargs['templates_dict']['end_date']\n" + CALL,
    "execute-of-no-operator": "class C:\n    def execute(self, row):\n        return row['execution_date']\n",
    "helper-with-its-own": "def f(**kwargs):\n    return kwargs['execution_date']\nf(execution_date=1)\n",
    "given-by-op-args": PYTHON
    + "def f(execution_date, next_ds):\n    return execution_date\n"
    + "PythonOperator(task_id='t', python_callable=f, op_args=[1, 2])\n",
    "given-by-op-kwargs-of-a-name": PYTHON
    + "GIVEN = dict(execution_date=1)\ndef f(execution_date):\n    return execution_date\n"
    + "PythonOperator(task_id='t', python_callable=f, op_kwargs=GIVEN)\n",
    "given-to-a-task": TASK + "@task\ndef f(execution_date):\n    return execution_date\nf('mine')\n",
    "macros": DAG
    + "dag = DAG('x', schedule=None, user_defined_macros={'end_date': 1, 'next_ds': 2})\n"
    + BASH
    + "BashOperator(task_id='a', bash_command='{{ end_date }} {{ next_ds }}', dag=dag)\n",
    "macros-of-a-name": DAG
    + "own = dict(end_date=1)\ndag = DAG('x', schedule=None, user_defined_macros=own)\n"
    + BASH
    + "BashOperator(task_id='a', bash_command='{{ end_date }}', dag=dag)\n",
    "macro-of-the-template": BASH
    + "BashOperator(task_id='a', bash_command='{% macro f(end_date) %}{{ end_date }}{% endmacro %}')\n",
    "two-of-a-loop": BASH
    + "BashOperator(task_id='a', bash_command='{% for end_date, b in x %}{{ end_date }}{% endfor %}')\n",
    "string-in-a-template": BASH
    + "BashOperator(task_id='a', bash_command='{{ f(\"the execution_date of\") }}')\n",
}


@pytest.mark.parametrize("source", STAYS.values(), ids=STAYS)
def test_what_is_the_files_own_stays_without_a_word(source: str) -> None:
    done = upgrade(source)

    assert (done.source, done.changes, done.notes) == (source, (), ())


UNCERTAIN = {
    "jinja2": (
        "import jinja2\nx = jinja2.Template('{{ end_date }}').render(end_date=1)\n",
        "2: If this is a template of Airflow: it uses end_date",
    ),
    "jinja2-elsewhere": (
        "from jinja2 import Template\nx = '{{ execution_date }}'\nTemplate(x).render(execution_date=1)\n",
        "2: If this is a template of Airflow: it uses execution_date",
    ),
    "from-string": (
        DAG + "env.from_string('{{ next_ds }}').render()\n",
        "2: If this is a template of Airflow: it uses next_ds",
    ),
    "string-of-nobody": (
        DAG + "x = '{{ end_date }}'\n",
        "2: If this is a template of Airflow: it uses end_date",
    ),
    "macros-that-are-not-shown": (
        DAG + "DAG('x', schedule=None, user_defined_macros=make())\nx = '{{ execution_date }}'\n",
        "3: If this is a template of Airflow: it uses execution_date",
    ),
    "op-kwargs-that-are-not-shown": (
        PYTHON
        + "def f(**kwargs):\n    return kwargs['execution_date']\n"
        + "PythonOperator(task_id='t', python_callable=f, op_kwargs=make())\n",
        "3: If kwargs is the context of a task here: it has no 'execution_date'",
    ),
    "op-args-that-are-not-shown": (
        PYTHON
        + "def f(execution_date):\n    return execution_date\n"
        + "PythonOperator(task_id='t', python_callable=f, op_args=make())\n",
        "2: The context of Airflow 3 has no 'execution_date'",
    ),
    "called-by-the-file-too": (
        PYTHON + "def f(execution_date):\n    return execution_date\nf(execution_date=1)\n" + CALL,
        "2: The context of Airflow 3 has no 'execution_date'",
    ),
    "another-value": (
        DAG + "def f(context):\n    context = load()\n    return context['execution_date']\n",
        "4: If context is the context of a task here",
    ),
    "assigned": (
        PYTHON + "def f(**kwargs):\n    kwargs['yesterday_ds'] = 1\n" + CALL,
        "3: The context of Airflow 3 has no 'yesterday_ds'",
    ),
    "lambda-with-a-loop": (
        PYTHON
        + "PythonOperator(task_id='t', python_callable=lambda execution_date: [1 for execution_date in x])\n",
        "2: The context of Airflow 3 has no 'execution_date'",
    ),
    "run-of-a-name": (
        DAG + "def f(run):\n    return run.execution_date\n",
        "3: If run is a run or a task instance here: it has no execution_date",
    ),
    "external-trigger-of-a-name": (DAG + "x = run.external_trigger\n", "2: A run has no external_trigger"),
    "following-schedule": (DAG + "x = dag.following_schedule(d)\n", "2: A DAG has no following_schedule()"),
    "previous-schedule": (
        DAG + "x = dag.previous_schedule(d)\n",
        "Compute the date, such as context['logical_date'].subtract(days=1), which is one period earlier",
    ),
    "previous-date-in-a-template": (
        BASH + "BashOperator(task_id='a', bash_command='{{ prev_ds }}')\n",
        "2: This template uses prev_ds, which Airflow 3 does not have. Write it with logical_date, such as "
        "{{ logical_date.subtract(days=1) | ds }}",
    ),
    "previous-date-in-a-function": (
        PYTHON + "def f(**context):\n    return context['prev_ds']\n" + CALL,
        "3: The context of Airflow 3 has no 'prev_ds'. Compute it from logical_date, such as "
        "context['logical_date'].subtract(days=1)",
    ),
    "value-that-is-seen-later": (
        PYTHON + "def f(ti, ds):\n    ti.xcom_push('a', 1, execution_date=ds)\n" + CALL,
        "3: xcom_push has no execution_date in Airflow 3: the task would fail",
    ),
    "value-that-is-seen-later-by-place": (
        PYTHON + "def f(ti, ds):\n    ti.xcom_push('a', 1, ds)\n" + CALL,
        "3: xcom_push has no execution_date in Airflow 3",
    ),
    "attribute-of-a-task-instance": (
        PYTHON + "def f(ti):\n    return ti.previous_ti\n" + CALL,
        "3: A task instance has no previous_ti in tasks of Airflow 3. Use ti.get_previous_ti()",
    ),
    "attribute-of-a-dag": (
        PYTHON + "def f(**context):\n    return context['dag'].schedule_interval\n" + CALL,
        "3: A DAG has no schedule_interval in tasks of Airflow 3. Use dag.schedule",
    ),
    "attribute-of-a-run": (
        PYTHON + "def f(dag_run):\n    return dag_run.id\n" + CALL,
        "3: A run has no id in tasks of Airflow 3. Ask Airflow's REST API",
    ),
    "instances-of-a-run": (
        PYTHON + "def f(dag_run):\n    return dag_run.get_task_instances()\n" + CALL,
        "3: A run has no get_task_instances() in tasks of Airflow 3. Ask Airflow's REST API",
    ),
    "get-dagrun": (
        PYTHON + "def f(ti):\n    return ti.get_dagrun().conf\n" + CALL,
        "3: A task instance has no get_dagrun() in Airflow 3. Use context['dag_run']",
    ),
    "configuration-in-a-template": (
        BASH + "BashOperator(task_id='a', bash_command='{{ conf.get(1, 2) }}')\n",
        "2: This template uses conf",
    ),
    "schedule-in-a-template": (
        BASH + "BashOperator(task_id='a', bash_command='{{ dag.following_schedule(x) }}')\n",
        "2: This template uses dag.following_schedule",
    ),
    "key-of-no-task-here": (
        DAG + "x = ti.xcom_pull(key=None, task_ids='elsewhere')\n",
        "2: xcom_pull(key=None) read an XCom of any key",
    ),
    "key-of-two": (
        PYTHON
        + "def f(ti):\n    ti.xcom_push('a', 1)\n    return 2\n"
        + CALL
        + "x = ti.xcom_pull('t', key=None)\n",
        "6: xcom_pull(key=None) read an XCom of any key",
    ),
    "key-that-is-computed": (
        PYTHON + "def f(ti):\n    ti.xcom_push(k, 1)\n" + CALL + "x = ti.xcom_pull('t', key=None)\n",
        "5: xcom_pull(key=None) read an XCom of any key",
    ),
    "key-of-a-helper": (
        PYTHON
        + "def push(ti):\n    ti.xcom_push('a', 1)\ndef f(ti):\n    push(ti)\n"
        + CALL
        + "x = ti.xcom_pull('t', key=None)\n",
        "7: xcom_pull(key=None) read an XCom of any key",
    ),
    "key-in-a-template": (
        BASH + "BashOperator(task_id='a', bash_command='{{ ti.xcom_pull(key=None, task_ids=x) }}')\n",
        "2: This template asks for an XCom with key=None",
    ),
    "iteritems": (
        DAG + "for x in d.iteritems(): pass\n",
        "2: A dict of Python 3 has no iteritems. Write items.",
    ),
}


@pytest.mark.parametrize(("source", "said"), UNCERTAIN.values(), ids=UNCERTAIN)
def test_what_is_not_certain_stays_with_a_note(source: str, said: str) -> None:
    done = upgrade(source)

    assert (done.source, done.changes) == (source, ())
    assert said in notes(done)


CHANGES = {
    "lambda": (
        PYTHON
        + "PythonOperator(task_id='t', python_callable=lambda execution_date, **k: execution_date.year)\n",
        PYTHON + "PythonOperator(task_id='t', python_callable=lambda logical_date, **k: logical_date.year)\n",
    ),
    "callbacks": (
        BASH + "def f(c):\n    return c['execution_date']\n"
        "BashOperator(task_id='t', on_failure_callback=[f],\n"
        "    on_success_callback=lambda x: x['execution_date'])\n",
        BASH + "def f(c):\n    return c['logical_date']\n"
        "BashOperator(task_id='t', on_failure_callback=[f],\n"
        "    on_success_callback=lambda x: x['logical_date'])\n",
    ),
    "poke": (
        "class S(BaseSensor):\n    def poke(self, c):\n        return c['execution_date']\n",
        "class S(BaseSensor):\n    def poke(self, c):\n        return c['logical_date']\n",
    ),
    "current-context": (
        TASK + "@task\ndef f():\n    c = get_current_context()\n    return c['execution_date']\n",
        TASK + "@task\ndef f():\n    c = get_current_context()\n    return c['logical_date']\n",
    ),
    "run-of-another-name": (
        PYTHON + "def f(**context):\n    run = context.get('dag_run')\n    return run.execution_date\n",
        PYTHON + "def f(**context):\n    run = context.get('dag_run')\n    return run.logical_date\n",
    ),
    "external-trigger": (
        PYTHON + "def f(dag_run, **k):\n    return not dag_run.external_trigger\n",
        PYTHON + 'def f(dag_run, **k):\n    return not (dag_run.run_type not in ("scheduled", "backfill"))\n',
    ),
    "external-trigger-in-a-template": (
        BASH + "BashOperator(task_id='a', bash_command='{{ dag_run.external_trigger }}')\n",
        BASH + "BashOperator(task_id='a', bash_command="
        '\'{{ (dag_run.run_type not in ("scheduled", "backfill")) }}\')\n',
    ),
    "test-mode": (
        PYTHON + "def f(**kwargs):\n    return kwargs['test_mode']\n" + CALL,
        PYTHON + "def f(**kwargs):\n    return kwargs.get('test_mode', False)\n" + CALL,
    ),
    "conf": (
        PYTHON + "def f(**context):\n    conf = context['conf']\n" + CALL,
        PYTHON + "from airflow.configuration import conf as airflow_conf\n"
        "def f(**context):\n    conf = airflow_conf\n" + CALL,
    ),
    "configuration": (
        "from airflow import configuration as conf\nx = conf.get('core', 'y')\nz = conf.conf.get('a', 'b')\n",
        "from airflow import configuration as conf\nx = conf.conf.get('core', 'y')\n"
        "z = conf.conf.get('a', 'b')\n",
    ),
    "arguments-of-a-dag-in-a-dict": (
        DAG
        + "args = {'schedule_interval': None, 'default_view': 'tree'}\nDAG('x', **args)\nDAG('y', **args)\n",
        DAG + "args = {'schedule': None}\nDAG('x', **args)\nDAG('y', **args)\n",
    ),
    "arguments-given-to-super": (
        PYTHON + "class P(PythonOperator):\n    def __init__(self, **k):\n"
        "        super().__init__(provide_context=True, task_concurrency=1, **k)\n",
        PYTHON + "class P(PythonOperator):\n    def __init__(self, **k):\n"
        "        super().__init__(max_active_tis_per_dag=1, **k)\n",
    ),
    "sql": (
        "from airflow.operators.postgres_operator import PostgresOperator\n"
        "PostgresOperator(task_id='a', postgres_conn_id='p', database='d')\nPostgresOperator(task_id='b')\n",
        SQL + " as PostgresOperator\nPostgresOperator(task_id='a', conn_id='p', database='d')\n"
        "PostgresOperator(task_id='b', conn_id='postgres_default')\n",
    ),
    "sql-of-a-provider": (
        "from airflow.providers.mysql.operators.mysql import MySqlOperator\nMySqlOperator(\n"
        "    task_id='a',\n)\n",
        SQL + " as MySqlOperator\nMySqlOperator(\n    task_id='a', conn_id='mysql_default',\n)\n",
    ),
    "sql-in-the-defaults": (
        "from airflow.operators.sqlite_operator import SqliteOperator\n"
        "default_args = {'sqlite_conn_id': 'mine'}\nSqliteOperator(task_id='a')\n",
        SQL + " as SqliteOperator\ndefault_args = {'conn_id': 'mine'}\nSqliteOperator(task_id='a')\n",
    ),
    "sql-in-the-defaults-beside-another": (
        "from airflow.operators.sqlite_operator import SqliteOperator\n"
        "default_args = {'sqlite_conn_id': 'mine'}\nSqliteOperator(task_id='a')\nFooOperator(task_id='b')\n",
        SQL + " as SqliteOperator\ndefault_args = {'sqlite_conn_id': 'mine'}\n"
        "SqliteOperator(task_id='a', conn_id='mine')\nFooOperator(task_id='b')\n",
    ),
    "sql-of-snowflake": (
        "from airflow.contrib.operators.snowflake_operator import SnowflakeOperator\n"
        "SnowflakeOperator(task_id='a', warehouse='w', role=R)\n",
        SQL + " as SnowflakeOperator\nSnowflakeOperator(task_id='a', "
        "hook_params={\"warehouse\": 'w', \"role\": R}, conn_id='snowflake_default')\n",
    ),
    "key-that-the-task-pushes": (
        PYTHON
        + "def f(ti):\n    ti.xcom_push(key='rows', value=1)\n"
        + CALL
        + "x = ti.xcom_pull('t', None, None)\n",
        PYTHON
        + "def f(ti):\n    ti.xcom_push(key='rows', value=1)\n"
        + CALL
        + "x = ti.xcom_pull('t', None, 'rows')\n",
    ),
    "unused-module": ("import airflow.utils.dates\nx = 1\n", "x = 1\n"),
    "module-that-is-used-no-more": (
        "import airflow\nfrom airflow.utils import dates\n"
        "x = airflow.utils.dates.days_ago(0), dates.days_ago(1)\n",
        "import pendulum\nx = pendulum.today('UTC'), pendulum.today('UTC').subtract(days=1)\n",
    ),
    "module-whose-root-is-used": (
        "import airflow.utils.dates, os\nx = airflow.__version__\n",
        "import os, airflow\nx = airflow.__version__\n",
    ),
    "module-that-was-the-whole-block": (
        "if x:\n    import airflow.utils.dates\nelse: import airflow.contrib.foo\n",
        "if x:\n    pass\nelse: pass\n",
    ),
    "module-that-moved": (
        "import airflow.hooks.http_hook\nx = airflow.hooks.http_hook.HttpHook\n",
        "import airflow.providers.http.hooks.http\nx = airflow.providers.http.hooks.http.HttpHook\n",
    ),
    "sql-that-is-mapped": (
        "from airflow.operators.postgres_operator import PostgresOperator as P\n"
        "P.partial(task_id='a', postgres_conn_id='x').expand(sql=[1])\n",
        SQL + " as P\nP.partial(task_id='a', conn_id='x').expand(sql=[1])\n",
    ),
    "docstring": (
        '"""{{ execution_date }}"""\nfrom airflow import DAG\nDAG(\'x\', schedule_interval=None)\n',
        '"""{{ execution_date }}"""\nfrom airflow import DAG\nDAG(\'x\', schedule=None)\n',
    ),
    "unused-before": ("import os\nfrom airflow.contrib.foo import bar\n", "import os\n"),
}


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_what_is_certain_is_changed(old: str, new: str) -> None:
    assert again(old).source == new


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "from airflow.operators.mysql_operator import MySqlOperator\nMySqlOperator(task_id='a')\n",
            "1: MySqlOperator needs a connection that is of apache-airflow-providers-mysql",
        ),
        (
            "from airflow.operators.mysql_operator import MySqlOperator\n"
            "MySqlOperator(task_id='a', **more)\n",
            "2: MySqlOperator took the connection 'mysql_default' where none was named",
        ),
        (
            "from airflow.operators.mysql_operator import MySqlOperator\nclass M(MySqlOperator): pass\n",
            "2: M is made on an operator that is SQLExecuteQueryOperator now",
        ),
        ("from airflow.models import SlaMiss\nx = SlaMiss\n", "1: Airflow 3 has no SlaMiss"),
        (
            "from airflow import DAG\nDAG('x', **make())  # days_ago\ndays_ago\n",
            "2: DAG(**...): the text does not",
        ),
        (
            "from airflow.operators.bash_operator import BashOperator\n"
            "BashOperator(task_id='a', bash_command='{{ ds }} {{ ts }}')\nx = '{{ execution_date }}'\n",
            "2: This file uses the date of the run (ds, ts, logical_date): a run that the API triggers",
        ),
    ],
)
def test_what_is_lost_is_named(source: str, said: str) -> None:
    assert notes(upgrade(source)).count(said) == 1


@pytest.mark.parametrize(
    "source",
    [
        "from airflow.hooks.base import BaseHook\nfrom airflow.sensors.base import BaseSensorOperator\n",
        "from airflow.utils.helpers import chunks\nfrom airflow.utils.dates import datetime_to_nano\n",
        "from airflow.operators.python import get_current_context\nfrom airflow.models import DagRun\n",
        "try:\n    from airflow.contrib.foo import Bar\nexcept ImportError:\n    Bar = None\n",
    ],
)
def test_what_airflow_has_is_not_said_to_be_missing(source: str) -> None:
    used = source + "".join(
        f"{line.rpartition(' ')[2]}\n" for line in source.splitlines() if " import " in line
    )

    assert "does not exist" not in notes(upgrade(used))


@pytest.mark.parametrize("name", ["query.sql", "job.sh", "page.j2"])
def test_a_template_file_changes_only_in_names_of_airflow_alone(name: str) -> None:
    text = (
        "{{ end_date }} {{ conf.x }}\n{{ execution_date }} {{ dag_run.external_trigger }}\n"
        "{{ ti.xcom_pull(key=None) }}\n"
    )

    done = again(text, name)

    assert done.source == text.replace("{{ execution_date }}", "{{ logical_date }}").replace(
        "dag_run.external_trigger", "(dag_run.run_type not in ('scheduled', 'backfill'))"
    )
    assert "1: If this is a template of Airflow: it uses end_date" in notes(done)
    assert "1: If this is a template of Airflow: it uses conf" in notes(done)
    assert "3: This template asks for an XCom with key=None" in notes(done)


def test_a_docstring_does_not_make_a_file_old() -> None:
    source = '"""It once had an execution_date, and printed\n\n    print the date\n"""\n' + DAG + "DAG('x')\n"

    done = upgrade(source)

    assert (done.source, done.changes, done.notes) == (source, (), ())


PYTHON_2 = {
    "print": ("print 'a', 1\nprint\nprint 'b',\n", "print('a', 1)\nprint()\nprint('b', end=\" \")\n"),
    "print-to-a-file": ("print >>f, 'a', b\nprint >>f\n", "print('a', b, file=f)\nprint(file=f)\n"),
    "print-in-brackets": (
        "print ('a', b)\nprint (1) + 2\nprint ('c')\nprint ''\n",
        "print(('a', b))\nprint((1) + 2)\nprint ('c')\nprint('')\n",
    ),
    "print-over-lines": (
        "if x: print 'a' % (b,  # why\n  c)\nelse: print [\n1]; y = 1\n",
        "if x: print('a' % (b,  # why\n  c))\nelse: print([\n1]); y = 1\n",
    ),
    "print-of-the-future": (
        "from __future__ import print_function\nprint('a', b)\nx = 1 <> 2\n",
        "from __future__ import print_function\nprint('a', b)\nx = 1 != 2\n",
    ),
    "except": (
        "try: pass\nexcept (A, B), e: pass\nexcept C, e: pass\n",
        "try: pass\nexcept (A, B) as e: pass\nexcept C as e: pass\n",
    ),
    "raise": (
        "raise E, 'm'\nraise E, m, t\nraise E('a, b')\n",
        "raise E('m')\nraise E(m).with_traceback(t)\nraise E('a, b')\n",
    ),
    "numbers": ("x = 0755 + 10L + 0xFFL + 0\n", "x = 0o755 + 10 + 0xFF + 0\n"),
    "exec-and-repr": ("exec 'a' in b\nx = `y`\n", "exec('a', b)\nx = repr(y)\n"),
    "strings-stay": (
        "x = ur'a'\ny = 'print a <> 07'\nprint y\n",
        "x = r'a'\ny = 'print a <> 07'\nprint(y)\n",
    ),
    "names": (
        "print xrange(2), unicode(x), isinstance(x, (long, basestring)), sys.maxint\n"
        "for k in d.iteritems(): pass\n",
        "print(range(2), str(x), isinstance(x, (int, str)), sys.maxsize)\nfor k in d.items(): pass\n",
    ),
    "names-of-the-file": (
        "def unicode(x): return x\nprint unicode(x), long\nlong = 3\n",
        "def unicode(x): return x\nprint(unicode(x), long)\nlong = 3\n",
    ),
    "tabs-too": (
        "def f():\n\tprint 'a'\n        return 1\n",
        "def f():\n        print('a')\n        return 1\n",
    ),
}


@pytest.mark.parametrize(("old", "new"), PYTHON_2.values(), ids=PYTHON_2)
def test_python_2_is_converted_and_said_first(old: str, new: str) -> None:
    done = again(old)

    assert done.source == new
    assert done.notes[0].message == "This file was written for Python 2, which Airflow 3 does not run."
    assert not done.refused


def test_what_python_3_counts_otherwise_is_named() -> None:
    done = upgrade("import urllib2\nreload(sys)\nprint 7 / 2, d.keys()[0], d.has_key(1)\n")

    said = notes(done)
    assert "1: Python 3 has no module urllib2. Its successor is urllib.request" in said
    assert "2: Python 3 has no reload" in said
    assert "3: The / of two integers gave an integer in Python 2" in said
    assert "3: This was a list in Python 2" in said
    assert "3: A dict of Python 3 has no has_key" in said


def test_python_2_that_cannot_be_converted_comes_back_as_it_is() -> None:
    source = "print 'a'\ndef f((a, b)):\n    print a\n"

    done = upgrade(source)

    assert (done.source, done.changes, done.refused) == (source, (), True)
    assert [note.line for note in done.notes] == [1, 2]
    assert "Most of it is converted once the line named below is corrected" in done.notes[0].advice


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("foo/.*\\.py$\n", "foo/**/*.py\n"),
        ("foo/bar/.*_test\\.py$\n", "foo/bar/**/*_test.py\n"),
        ("^foo/.*\\.py$\n", "/foo/**/*.py\n"),
        (".*/foo/.*\\.py$\n", "**/foo/**/*.py\n"),
        ("foo.*/x\\.py$\n", "**/foo*/**/x.py\n"),
        ("a_.*_b\\.py$\n", "*a_*_b.py\n**/a_*/**/*_b.py\n"),
    ],
)
def test_a_regular_expression_goes_across_folders(old: str, new: str) -> None:
    done = upgrade_ignore(old)

    assert done.source == new
    assert upgrade_ignore(new).source == new


def test_files_of_python_2_and_of_one_database_look_old() -> None:
    assert looks_old("print 'a'\n")
    assert looks_old("try: pass\nexcept E, e: pass\n")
    assert looks_old("from airflow.providers.mysql.operators.mysql import MySqlOperator\n")
    assert not looks_old("print('a')\n")
