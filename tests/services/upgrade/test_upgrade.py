"""The upgrade of old DAG files: what it converts, what it names, and that it hurts nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from couture_workflow.services.upgrade import apart
from couture_workflow.services.upgrade.upgrading import (
    looks_old,
    upgrade,
    upgrade_bytes,
    upgrade_ignore,
)
from tests.support.upgrades import again, notes

BASH = "from airflow.providers.standard.operators.bash import BashOperator\n"
OLD_BASH = "from airflow.operators.bash_operator import BashOperator\n"
PYTHON = "from airflow.providers.standard.operators.python import PythonOperator\n"
OLD_PYTHON = "from airflow.operators.python_operator import PythonOperator\n"


CASES = {
    # imports
    "import-from": (OLD_BASH, BASH),
    "import-two-from-one": (
        "from airflow.operators import BashOperator, CouturePySparkOperator\n",
        BASH + "from couture_workflow.operators import CouturePySparkOperator\n",
    ),
    "import-keeps-the-local-name": (
        "from airflow.operators.dummy_operator import DummyOperator\nDummyOperator(task_id='a')\n",
        "from airflow.providers.standard.operators.empty import EmptyOperator as DummyOperator\n"
        "DummyOperator(task_id='a')\n",
    ),
    "import-as": (
        "from airflow.operators.dummy_operator import DummyOperator as D\n",
        "from airflow.providers.standard.operators.empty import EmptyOperator as D\n",
    ),
    "import-module-as": (
        "import airflow.operators.bash_operator as bo\nbo.BashOperator(task_id='a', bash_command='x')\n",
        "import airflow.providers.standard.operators.bash as bo\n"
        "bo.BashOperator(task_id='a', bash_command='x')\n",
    ),
    "import-module-renamed-class": (
        "import airflow.operators.dummy_operator as do\ndo.DummyOperator(task_id='a')\n",
        "import airflow.providers.standard.operators.empty as do\ndo.EmptyOperator(task_id='a')\n",
    ),
    "import-module-by-its-path": (
        "import airflow.operators.bash_operator\nairflow.operators.bash_operator.BashOperator(task_id='a')\n",
        "import airflow.providers.standard.operators.bash\n"
        "airflow.providers.standard.operators.bash.BashOperator(task_id='a')\n",
    ),
    "import-module-from": (
        "from airflow.operators import bash_operator\nbash_operator.BashOperator(task_id='a')\n",
        "from airflow.providers.standard.operators import bash as bash_operator\n"
        "bash_operator.BashOperator(task_id='a')\n",
    ),
    "import-in-one-line-with-others": (
        "x = 1; from airflow.operators import BashOperator, DagOperator; y = 2\n",
        "x = 1; from airflow.providers.standard.operators.bash import BashOperator; "
        "from couture_workflow.operators import DagOperator; y = 2\n",
    ),
    "import-with-a-comment-inside": (
        "if True:\n    from airflow.operators import (\n        BashOperator,  # why\n    )\n",
        "if True:\n    # why\n    from airflow.providers.standard.operators.bash import BashOperator\n",
    ),
    "import-of-what-airflow-2-had": (
        "from airflow.datasets import Dataset, DatasetAlias\nfrom airflow.operators.python import task\n"
        "from airflow.models.taskinstance import Context, TaskInstance\n"
        "from airflow.utils.weekday import WeekDay\n\nDataset('s3://a')\n",
        "from airflow.sdk import Asset as Dataset, AssetAlias as DatasetAlias\nfrom airflow.sdk import task\n"
        "from airflow.models.taskinstance import TaskInstance\nfrom airflow.sdk import Context\n"
        "from airflow.providers.standard.utils.weekday import WeekDay\n\nDataset('s3://a')\n",
    ),
    "import-that-was-the-whole-block": (
        "try:\n    from airflow.utils.decorators import apply_defaults\nexcept ImportError:\n    raise\n",
        "try:\n    pass\nexcept ImportError:\n    raise\n",
    ),
    "import-of-the-manual": (
        "from airflow.operators.jupyter_operator import CoutureJupyterOperator\n"
        "from airflow.operators.dag_operator import DagOperator\n",
        "from couture_workflow.operators import CoutureJupyterOperator\n"
        "from couture_workflow.operators import DagOperator\n",
    ),
    "notebook-operator-by-its-longer-name": (
        "from airflow.operators.jupyter_operator import CoutureJupyterNotebookOperator as N\n\n"
        "N(task_id='t', input_nb='a.ipynb', output_nb='b.ipynb', parameters={'a': 10}, export_html=True)\n",
        "from couture_workflow.operators import CoutureJupyterOperator as N\n\n"
        "N(task_id='t', input_nb='a.ipynb', output_nb='b.ipynb', parameters={'a': 10}, export_html=True)\n",
    ),
    "notebook-operator-by-its-module": (
        "import airflow.operators.jupyter_operator as j\n\n"
        "j.CoutureJupyterOperator(task_id='t', input_nb='a', task_concurrency=1, provide_context=True)\n",
        "import couture_workflow.operators as j\n\n"
        "j.CoutureJupyterOperator(task_id='t', input_nb='a', max_active_tis_per_dag=1)\n",
    ),
    "apply-defaults": (
        "from airflow.models import BaseOperator\nfrom airflow.utils.decorators import apply_defaults\n\n\n"
        "class My(BaseOperator):\n    @apply_defaults\n    def __init__(self, sla, **kwargs):\n"
        "        super().__init__(**kwargs)\n\n\nMy(task_id='a', sla=4)\n",
        "from airflow.models import BaseOperator\n\n\n"
        "class My(BaseOperator):\n    def __init__(self, sla, **kwargs):\n"
        "        super().__init__(**kwargs)\n\n\nMy(task_id='a', sla=4)\n",
    ),
    # DAGs
    "schedule": (
        "from airflow import DAG\ndag = DAG('x', schedule_interval='@daily', catchup=False)\n",
        "from airflow import DAG\ndag = DAG('x', schedule='@daily', catchup=False)\n",
    ),
    "schedule-in-a-decorator": (
        "from airflow.decorators import dag\n@dag(schedule_interval=None)\ndef f(): pass\n",
        "from airflow.decorators import dag\n@dag(schedule=None)\ndef f(): pass\n",
    ),
    "implicit-schedule": (
        "from airflow import DAG\ndag = DAG(\n    'x',\n    concurrency=2,  # two\n)\n",
        "from airflow import DAG\nfrom datetime import timedelta\n"
        "dag = DAG(\n    'x',\n    max_active_tasks=2,\n    schedule=timedelta(days=1),  # two\n)\n",
    ),
    "implicit-schedule-with-the-module": (
        "import datetime as dt\nfrom airflow import DAG\nDAG('x', concurrency=2)\n",
        "import datetime as dt\nfrom airflow import DAG\n"
        "DAG('x', max_active_tasks=2, schedule=dt.timedelta(days=1))\n",
    ),
    "arguments-by-their-place": (
        "from airflow import DAG\nDAG('x', 'words', '@daily', start, concurrency=2)\n",
        "from airflow import DAG\nDAG('x', description='words', schedule='@daily', start_date=start, "
        "max_active_tasks=2)\n",
    ),
    "arguments-that-are-gone": (
        "from airflow import DAG\nDAG('x', schedule_interval=None, default_view='tree', orientation='LR')\n"
        "DAG(\n    'y',\n    full_filepath='a',  # kept\n    schedule_interval=None,\n)\n",
        "from airflow import DAG\nDAG('x', schedule=None)\nDAG(\n    'y',\n    # kept\n"
        "    schedule=None,\n)\n",
    ),
    # tasks
    "provide-context": (
        OLD_PYTHON
        + "PythonOperator(\n    task_id='a',\n    python_callable=f,\n    provide_context=True,\n)\n",
        PYTHON + "PythonOperator(\n    task_id='a',\n    python_callable=f,\n)\n",
    ),
    "provide-context-in-the-defaults": (
        "default_args = {'owner': 'me', 'provide_context': True}\n",
        "default_args = {'owner': 'me'}\n",
    ),
    "description": (
        OLD_BASH + "BashOperator(task_id='a', bash_command='b', description='c')\n",
        BASH + "BashOperator(task_id='a', bash_command='b', doc='c')\n",
    ),
    "description-of-ours-stays": (
        "from airflow.operators import CoutureSparkOperator\n"
        "CoutureSparkOperator(task_id='a', description='c')\n",
        "from couture_workflow.operators import CoutureSparkOperator\n"
        "CoutureSparkOperator(task_id='a', description='c')\n",
    ),
    "task-concurrency-and-rules": (
        OLD_BASH + "BashOperator(task_id='a', task_concurrency=3, trigger_rule=\"dummy\", xcom_push=True)\n",
        BASH
        + "BashOperator(task_id='a', max_active_tis_per_dag=3, trigger_rule=\"always\", do_xcom_push=True)\n",
    ),
    "trigger-rule-member": (
        "from airflow.utils.trigger_rule import TriggerRule\nf(task_id=1, trigger_rule=TriggerRule.DUMMY)\n",
        "from airflow.sdk import TriggerRule\nf(task_id=1, trigger_rule=TriggerRule.ALWAYS)\n",
    ),
    "sla-none": (
        OLD_BASH + "BashOperator(task_id='a', bash_command='b', sla=None)\n",
        BASH + "BashOperator(task_id='a', bash_command='b')\n",
    ),
    "trigger-with-a-condition": (
        "from airflow.operators.dagrun_operator import TriggerDagRunOperator\n"
        "TriggerDagRunOperator(task_id='a', trigger_dag_id='b', python_callable=f)\n",
        "from couture_workflow.operators import DagOperator\n"
        "DagOperator(task_id='a', run_dag_id='b', python_callable=f)\n",
    ),
    "xcom-key-none": (
        BASH
        + "BashOperator(task_id='a')\nv = ti.xcom_pull(key=None, task_ids='a')\n"
        + "w = ti.xcom_pull(task_ids='a', key=None)\n",
        BASH + "BashOperator(task_id='a')\nv = ti.xcom_pull(task_ids='a')\nw = ti.xcom_pull(task_ids='a')\n",
    ),
    "default-var-of-the-sdk": (
        "from airflow.sdk import Variable\nVariable.get('a', default_var=3)\n",
        "from airflow.sdk import Variable\nVariable.get('a', default=3)\n",
    ),
    "default-var-of-models-works": (
        "from airflow.models import Variable\nVariable.get('a', default_var=3)\n",
        "from airflow.models import Variable\nVariable.get('a', default_var=3)\n",
    ),
    "days-ago": (
        "from airflow.utils.dates import days_ago\nargs = {'start_date': days_ago(2, hour=3)}\n",
        "import pendulum\nargs = {'start_date': pendulum.today('UTC').subtract(days=2).set(hour=3)}\n",
    ),
    # templates
    "template": (
        "a = f(task_id='{{ execution_date }} {{ END_DATE }} {{params.execution_date}} execution_date')\n",
        "a = f(task_id='{{ logical_date }} {{ ds }} {{params.execution_date}} execution_date')\n",
    ),
    "template-in-either-quotes": (
        "a = '{{ yesterday_ds_nodash }}'\nb = \"{{ tomorrow_ds }}\"\n"
        "c = '''{% if ti.execution_date %}{% endif %}'''\n",
        "a = '{{ (logical_date.subtract(days=1) | ds_nodash) }}'\n"
        'b = "{{ logical_date.add(days=1).to_date_string() }}"\n'
        "c = '''{% if logical_date %}{% endif %}'''\n",
    ),
    "template-in-an-f-string": (
        "a = f'{x} {{{{ execution_date }}}} {execution_date}'\n",
        "a = f'{x} {{{{ logical_date }}}} {execution_date}'\n",
    ),
    "template-xcom": (
        BASH + "BashOperator(task_id='b')\n"
        "a = \"{{ ti.xcom_pull(key=None, task_ids='b') }} {{ ti.xcom_pull(task_ids='b', key=None) }}\"\n",
        BASH + "BashOperator(task_id='b')\n"
        "a = \"{{ ti.xcom_pull(task_ids='b') }} {{ ti.xcom_pull(task_ids='b') }}\"\n",
    ),
    "template-with-a-known-period": (
        "from airflow import DAG\nDAG('x', schedule_interval='0 3 * * *', catchup=False)\n"
        "a = '{{ next_ds }}'\n",
        "from airflow import DAG\nDAG('x', schedule='0 3 * * *', catchup=False)\n"
        "a = '{{ logical_date.add(days=1).to_date_string() }}'\n",
    ),
    "template-own-variable": (
        "a = '{% set end_date = 1 %}{{ end_date }} {{ f(end_date=2) }}'\n",
        "a = '{% set end_date = 1 %}{{ end_date }} {{ f(end_date=2) }}'\n",
    ),
    # the context
    "context": (
        OLD_PYTHON + "def f(**kwargs):\n    a = kwargs['execution_date'], kwargs.get(\"execution_date\")\n"
        "    return a, kwargs['ti'].execution_date, kwargs['dag_run'].execution_date, "
        "kwargs['yesterday_ds']\n"
        "PythonOperator(task_id='a', python_callable=f)\n",
        PYTHON + "def f(**kwargs):\n    a = kwargs['logical_date'], kwargs.get(\"logical_date\")\n"
        "    return a, kwargs['logical_date'], kwargs['dag_run'].logical_date, "
        "kwargs['logical_date'].subtract(days=1).to_date_string()\n"
        "PythonOperator(task_id='a', python_callable=f)\n",
    ),
    "context-as-parameters": (
        OLD_PYTHON
        + "def f(ds, execution_date, tomorrow_ds, **kwargs):\n    '''Doc.'''\n    return execution_date\n"
        "PythonOperator(task_id='a', python_callable=f)\n",
        PYTHON + "def f(ds, logical_date, **kwargs):\n    '''Doc.'''\n    execution_date = logical_date\n"
        "    tomorrow_ds = logical_date.add(days=1).to_date_string()\n    return execution_date\n"
        "PythonOperator(task_id='a', python_callable=f)\n",
    ),
    "context-own-argument": (
        OLD_PYTHON + "def f(execution_date, **kwargs): return kwargs['next_ds']\n"
        "PythonOperator(task_id='a', python_callable=f, op_kwargs={'execution_date': 1, 'next_ds': 2})\n",
        PYTHON + "def f(execution_date, **kwargs): return kwargs['next_ds']\n"
        "PythonOperator(task_id='a', python_callable=f, op_kwargs={'execution_date': 1, 'next_ds': 2})\n",
    ),
    "no-context": (
        "def f(row):\n    return row['execution_date'], data['execution_date']\n",
        "def f(row):\n    return row['execution_date'], data['execution_date']\n",
    ),
    # containers
    "docker": (
        "from airflow.operators.docker_operator import DockerOperator\n"
        "DockerOperator(task_id='a', image='i', auto_remove=True, volumes=['/in:/data:ro', 'kept:/out'])\n",
        "from airflow.providers.docker.operators.docker import DockerOperator\n"
        "DockerOperator(task_id='a', image='i', auto_remove=\"force\", "
        'mounts=[{"type": "bind", "source": "/in", "target": "/data", "read_only": True}, '
        '{"type": "volume", "source": "kept", "target": "/out"}])\n',
    ),
    "kubernetes": (
        "from airflow.contrib.operators.kubernetes_pod_operator import KubernetesPodOperator\n"
        "KubernetesPodOperator(\n    task_id='a',\n    is_delete_operator_pod=True,\n"
        "    resources={'request_memory': '1Gi', 'limit_cpu': 2},\n    node_selectors={'disk': 'ssd'},\n)\n",
        "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator\n"
        "from kubernetes.client import models as k8s\n"
        "KubernetesPodOperator(\n    task_id='a',\n    on_finish_action=\"delete_pod\",\n"
        "    node_selector={'disk': 'ssd'},\n    container_resources=k8s.V1ResourceRequirements("
        'requests={"memory": \'1Gi\'}, limits={"cpu": 2}),\n)\n',
    ),
    # text
    "typographic": (
        "# it\u2019s\n"
        "f(a=\u2018Print Date\u2019, b='don\u2019t \u201ctouch\u201d', c=\u201cit\u2019s\u201d)\u00a0\n",
        "# it\u2019s\nf(a='Print Date', b='don\u2019t \u201ctouch\u201d', c=\"it\u2019s\") \n",
    ),
    "typographic-in-a-valid-string": ("a = '\u2018x\u2019'\n", "a = '\u2018x\u2019'\n"),
    "tabs": (
        "def f():\n\tif x:\n        \tg(1,\n\t  2)\n\t\ts = '''\n\tkept\n'''\n",
        "def f():\n        if x:\n                g(1,\n\t  2)\n                s = '''\n\tkept\n'''\n",
    ),
    "tabs-that-work-stay": ("def f():\n\treturn 1\n", "def f():\n\treturn 1\n"),
}


@pytest.mark.parametrize(("old", "new"), CASES.values(), ids=CASES)
def test_old_becomes_new(old: str, new: str) -> None:
    assert again(old).source == new


TASK_SLA = "from couture_workflow.operators import task_sla\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(
            OLD_BASH + "t = BashOperator(\n    task_id='late',\n    sla=timedelta(hours=1),  # an hour\n)\n",
            "t = task_sla(BashOperator(\n    task_id='late',  # an hour\n), timedelta(hours=1))\n",
            id="task",
        ),
        pytest.param(
            OLD_BASH + "BashOperator(task_id='late', sla=timedelta(hours=1)) >> other\n",
            "task_sla(BashOperator(task_id='late'), timedelta(hours=1)) >> other\n",
            id="expression",
        ),
    ],
)
def test_an_sla_of_a_task_is_said_with_task_sla(old: str, new: str) -> None:
    done = again(old)

    assert TASK_SLA in done.source
    assert done.source.endswith(new)
    assert not done.notes


@pytest.mark.parametrize("base", ["", "(NamedTuple)", "(Generic[T])", "(Kept)"])
def test_a_class_of_the_file_that_is_no_operator_keeps_its_arguments(base: str) -> None:
    source = (
        "from airflow.sdk import DAG\n\n\nclass Kept:\n    pass\n\n\n"
        f"class Job{base}:\n    task_id: str\n\n\n"
        "Job(task_id='a', sla=x, provide_context=True, task_concurrency=2)\n"
    )

    assert again(source).source == source


def test_a_class_of_the_file_makes_tasks_if_a_base_does_or_it_is_given_a_task_id() -> None:
    head = "from base import Work\nfrom airflow.sdk import BaseOperator\n\n\n"
    bases = {"One": "BaseOperator", "Two": "One", "Three": "Work"}
    classes = "".join(f"class {name}({base}):\n    pass\n\n\n" for name, base in bases.items())

    done = again(f"{head}{classes}Two('a', sla=x)\nThree(task_id='b', sla=x)\nThree('c', sla=x)\n")

    assert done.source.endswith("task_sla(Two('a'), x)\ntask_sla(Three(task_id='b'), x)\nThree('c', sla=x)\n")


def test_many_classes_that_are_made_on_two_others_each_take_no_longer_than_they_are_many() -> None:
    # Whoever asks each base anew asks 2 ** 60 times.
    classes = "".join(f"class C{at}(C{at - 1}, C{at - 2}):\n    pass\n\n\n" for at in range(2, 60))
    head = "from airflow.sdk import BaseOperator\n\n\n"
    first = "class C0:\n    pass\n\n\nclass C1(%s):\n    pass\n\n\n"

    plain = again(f"{head}{first % 'C0'}{classes}C59('a', sla=x)\n")
    tasks = again(f"{head}{first % 'BaseOperator'}{classes}C59('a', sla=x)\n")

    assert plain.source.endswith("C59('a', sla=x)\n") and "task_sla" not in plain.source
    assert tasks.source.endswith("task_sla(C59('a'), x)\n")


@pytest.mark.parametrize(
    "source",
    [
        "default_args = {\n    'owner': 'me',\n    'sla': timedelta(hours=1),  # an hour\n}\n",
        "from airflow.sdk import DAG\n\nd = dict(sla=x)\nDAG('x', default_args=d, schedule=None)\n",
        "from airflow.sdk import DAG\n\nDAG('x', schedule=None, sla_miss_callback=f)\n",
        "default_args = {}\ndefault_args['sla'] = x\n",
        "from airflow.sdk import task\n\n\n@task(sla=timedelta(1))\ndef f(): pass\n",
        BASH + "BashOperator.partial(task_id='a', sla=timedelta(1)).expand(bash_command=['ls'])\n",
    ],
)
def test_an_sla_that_counts_here_as_it_stands_stays(source: str) -> None:
    done = again(source)

    assert done.source == source
    assert not any("SLA" in note.message for note in done.notes)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "from airflow.operators.subdag_operator import SubDagOperator\n",
            "1: Airflow 3 has no SubDagOperator",
        ),
        (
            "from airflow.contrib.operators.spark_submit_operator import SparkSubmitOperator\n",
            "CoutureSparkOperator",
        ),
        ("from airflow.operators import *\n", "1: airflow.operators has nothing of what * took from it"),
        (
            "from airflow.operators.my_plugin import My\nMy()\n",
            "1: airflow.operators.my_plugin.My does not exist",
        ),
        (
            "from airflow.settings import Session\n",
            "1: airflow.settings.Session: tasks of Airflow 3 have no access",
        ),
        ("from airflow import settings\nsettings.Session()\n", "2: airflow.settings.Session: tasks"),
        ("a = '{{ next_ds }}'\n", "1: This template uses next_ds"),
        ("a = f'{{{{ macros.ds_add(next_ds, {x}) }}}}'\n", "1: This template uses next_ds"),
        ("def f(**context): return context['next_ds']\n", "1: The context of Airflow 3 has no 'next_ds'"),
        ("def f(**context): return context.get('yesterday_ds')\n", "has no 'yesterday_ds'"),
        ("ti.xcom_pull()\n", "1: xcom_pull without task_ids"),
        (
            "from airflow.models import Variable\nVariable.set(1)\n",
            "2: Variable.set needs a name and a value",
        ),
        ("from airflow.utils.dates import days_ago\nx = [days_ago]\n", "days_ago"),
        (
            "default_args = {'schedule_interval': '@daily'}\n",
            "1: schedule_interval in default_args never had",
        ),
        (OLD_PYTHON + "PythonOperator(task_id='a', op_kwargs={'ds': 1})\n", "2: op_kwargs has 'ds'"),
        (
            "from airflow.utils.dates import days_ago\nx = days_ago(1)\n",
            "2: A start date that moves every day",
        ),
        (
            "from airflow.operators.docker_operator import DockerOperator\n"
            "DockerOperator(task_id='a', volumes=[f'{HERE}:/data'])\n",
            "2: DockerOperator: volumes= is gone",
        ),
        ("dag.concurrency_reached\nfrom airflow.api.auth.backend import basic_auth\n", ""),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_cannot_be_converted_is_named_with_its_line(source: str, said: str) -> None:
    assert said in notes(again(source))


def test_catchup_is_never_written_and_both_changed_defaults_are_told() -> None:
    done = again("from airflow import DAG\n\nDAG('x', schedule_interval='@daily')\n")

    assert "catchup" not in done.source
    assert "3: Without catchup=, all periods since start_date were run" in notes(done)
    assert "3: The date of a scheduled run (logical_date, ds, ts) moves by one period" in notes(done)
    assert "create_cron_data_intervals" in notes(done)


@pytest.mark.parametrize(
    "source",
    [
        "from airflow.sdk import DAG, task\n\nwith DAG('x'):\n    pass\n",
        "from airflow import DAG\nDAG('x', start_date=y)\n",
        "from airflow.sdk import DAG\nDAG('x', schedule='@daily')\nmake(task_id='a', rows={'owner': 'me'})\n",
        "def make(task_id, sla): ...\nmake(task_id=1, sla=2)\n",
        "",
        "\n# a comment\n",
        "x = b'{{ execution_date }}'\n",
    ],
)
def test_a_file_of_today_is_left_alone(source: str) -> None:
    done = upgrade(source)

    assert (done.source, done.changes, done.notes) == (source, (), ())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def f((a, b)): print a\n", "1: This file was written for Python 2"),
        ("x = 1\ndef f(:\n", "2: This is not Python 3: invalid syntax"),
        ("x = '\0'\n", "1: This is not Python 3"),
        ("x = " + "(" * 9000, "1: This is not Python 3: too many nested parentheses"),
        ("x = " + "-" * 20_000 + "1", "nested"),
        ("x" + ".a" * 2500 + "\n" + OLD_BASH, "nested"),
        ("\ud800", "1: This is not Python 3"),
        ("x = 1\n" * 200_000, "1: The file is larger than 1 MiB"),
    ],
    ids=["python-2", "mistake", "null", "brackets", "signs", "attributes", "half-a-character", "large"],
)
def test_what_cannot_be_read_comes_back_with_a_note(source: str, said: str) -> None:
    done = upgrade(source)

    assert (done.source, done.changes) == (source, ())
    assert said in notes(done)


def test_line_endings_mark_and_encoding_stay() -> None:
    mark, latin = b"\xef\xbb\xbf", b"# -*- coding: latin-1 -*-\r\nx = '\xe9'\r\n"

    assert upgrade_bytes(mark + OLD_BASH.encode())[0] == mark + BASH.encode()
    assert upgrade_bytes(latin + OLD_BASH.encode())[0] == latin + BASH.encode()
    assert upgrade("\ufeff" + OLD_BASH).source == "\ufeff" + BASH
    assert (
        upgrade(OLD_BASH.replace("\n", "\r\n") + "x = 1\r\n").source
        == BASH.replace("\n", "\r\n") + "x = 1\r\n"
    )
    assert upgrade(OLD_BASH + "x = 1").source == BASH + "x = 1"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"# coding: nonsense\n", b"x = '\xe9'\n"])
def test_bytes_that_are_no_text_come_back_with_a_note(content: bytes) -> None:
    new, done = upgrade_bytes(content)

    assert new == content
    assert done.refused
    assert "The file is no text in the encoding that it says" in notes(done)


def test_lines_of_the_old_and_of_the_new_file_are_told() -> None:
    done = upgrade(OLD_BASH + "xcom_pull(key=None)\n")

    [told] = [note for note in done.notes if "xcom_pull(key=None)" in note.message]
    assert told.line == 2
    assert done.source.splitlines()[told.new_line - 1].startswith("xcom_pull(")


def test_a_line_that_begins_with_what_was_replaced_is_told_as_itself() -> None:
    done = upgrade("from airflow import DAG\nDAG(\n    'a',\n    schedule_interval=None,\n)\n")

    [told] = [change for change in done.changes if "schedule_interval=" in change.message]
    assert (told.line, told.new_line) == (4, 4)


def test_a_name_that_only_ruff_knows_is_moved_too() -> None:
    done = again(
        "from airflow.operators.slack_operator import SlackAPIPostOperator\n"
        "SlackAPIPostOperator(task_id='a')\n"
    )

    assert "from airflow.providers.slack.operators.slack import SlackAPIPostOperator\n" in done.source
    assert any("slack provider" in change.message for change in done.changes)


def test_templates_in_files_are_upgraded() -> None:
    sql = "SELECT '{{ execution_date }}'\nWHERE day < '{{ next_ds }}' -- execution_date\n"

    done = again(sql, "query.sql")

    assert done.source == sql.replace("{{ execution_date }}", "{{ logical_date }}")
    assert [change.line for change in done.changes] == [1]
    assert "2: This template uses next_ds" in notes(done)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("etl/configs/.*\n", "**/etl/configs/\n"),
        (".*_test\\.py$\nproject_a\n", "*_test.py\n*project_a*\n"),
        ("^plugins/\nfoo # why\r\n", "/plugins/\n# why\r\n*foo*\r\n"),
        ("x\\.py|y\\.py\n", "*x.py*\n*y.py*\n"),
        ("file_\\d\\.py", "*file_[0-9].py*"),
        ("(a|b)\\.py\n", "# TODO: a regular expression of Airflow 1.10: (a|b)\\.py\n"),
        ("plugins/\n*.sql\n# .*x\n", "plugins/\n*.sql\n# .*x\n"),
    ],
)
def test_regular_expressions_of_an_ignore_file_become_globs(old: str, new: str) -> None:
    done = upgrade_ignore(old)

    assert done.source == new
    assert upgrade_ignore(new).source == new
    assert upgrade(old, path="a/.airflowignore") == done


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern")
def test_globs_ignore_what_the_regular_expressions_did(tmp_path: Path) -> None:
    from airflow._shared.module_loading import find_path_from_directory

    names = [
        "etl/configs/a.py",
        "etl/b.py",
        "c_test.py",
        "x/d_test.py",
        "plugins/e.py",
        "x/plugins.py",
        "f.py",
    ]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    ignore = tmp_path / ".airflowignore"
    regular = "etl/configs/.*\n.*_test\\.py$\n^plugins/\n"

    def found(text: str, syntax: str) -> list[str]:
        ignore.write_text(text)
        paths = find_path_from_directory(tmp_path, ".airflowignore", syntax)
        return sorted(str(Path(path).relative_to(tmp_path)) for path in paths if path.endswith(".py"))

    before = found(regular, "regexp")

    assert before == ["etl/b.py", "f.py", "x/plugins.py"]
    assert found(upgrade_ignore(regular).source, "glob") == before


def test_a_line_that_may_be_either_is_named() -> None:
    done = upgrade_ignore("test.*\n")

    assert done.source == "test.*\n"
    assert "1: 'test.*' is read as a glob" in notes(done)


@pytest.mark.parametrize(
    ("source", "old"),
    [
        (OLD_BASH, True),
        ("DAG('x', schedule_interval=None)", True),
        ("t = Operator(sla=x)", True),
        ("a = '{{ next_ds }}'", True),
        (BASH + "# sla=1, schedule_interval, execution_date\n", False),
        ("from airflow.sdk import DAG\nDAG('x', schedule='@daily')\n", False),
        ("", False),
    ],
)
def test_an_old_file_is_told_at_a_glance(source: str, old: bool) -> None:
    assert looks_old(source) is old


def test_of_more_files_than_are_remembered_each_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_MOST_KNOWN", 1)
    files = [("a.py", OLD_BASH), ("b.py", BASH), ("c.py", OLD_PYTHON)]

    assert apart.would_change(files) == [True, False, True]
    assert apart.would_change(files) == [True, False, True]
