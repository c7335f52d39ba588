from __future__ import annotations

import pytest

from couture_workflow.services.spark.configuration import SparkConfiguration, is_secret
from couture_workflow.services.spark.document import SECRET
from couture_workflow.services.spark.options import known, nearest
from couture_workflow.services.spark.rules import Problem, validate
from couture_workflow.services.spark.values import check_master
from couture_workflow.store.home import Store


@pytest.fixture
def store(tmp_path):
    store = Store.open(tmp_path / "home", secret_key="")
    store.dependencies.put("a.jar", [b"1"], user="ada")
    store.dependencies.put("c.py", [b"1"], user="ada")
    return store


def test_the_secret_rule_is_the_one_of_this_spark():
    assert known().configurations["spark.redaction.regex"].default == SECRET.pattern


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("spark.hadoop.fs.s3a.secret.key", True),
        ("spark.hadoop.fs.s3a.access.key", True),
        ("spark.ssl.keyPassword", True),
        ("spark.authenticate.secret", True),
        ("spark.hadoop.google.credential.file", True),
        ("spark.executor.memory", False),
    ],
)
def test_secrets_are_told_by_their_name(key, secret):
    assert is_secret(key) is secret


def test_options_come_from_spark_itself():
    options = known()

    assert options.spark.startswith("4.")
    assert {"master", "deploy-mode", "driver-memory", "executor-cores", "queue"} <= options.arguments.keys()
    assert len(options.configurations) > 900
    assert options.arguments["driver-memory"].configuration == "spark.driver.memory"
    assert options.arguments["num-executors"].kind == "integer"
    shuffle = options.configurations["spark.sql.shuffle.partitions"]
    assert (shuffle.kind, shuffle.default, shuffle.least) == ("integer", "200", 1)
    assert options.configurations["spark.sql.adaptive.enabled"].kind == "boolean"
    assert options.configurations["spark.network.timeout"].kind == "time"
    assert "spark.hadoop." in options.prefixes


@pytest.mark.parametrize(
    "master",
    [
        "local",
        "local[4]",
        "local[*]",
        "local[*,3]",
        "local[2,3]",
        "local-cluster[1,1,1024]",
        "spark://host:7077",
        "spark://a-b.example.org:7077,c_d:7078",
        "spark://[::1]:7077",
        "yarn",
        "k8s://https://host:6443",
        "k8s://host",
    ],
)
def test_masters_that_spark_knows(master):
    assert check_master(master) == ""


@pytest.mark.parametrize(
    "master",
    [
        "",
        "locale",
        "local[]",
        "local[0]",
        "local[x]",
        "spark://host",
        "spark://",
        "yarn-client",
        "mesos://h:1",
    ],
)
def test_masters_that_spark_refuses(master):
    assert "is not a master" in check_master(master)


ARGUMENTS = [
    ("driver-memory", "512m", ""),
    ("driver-memory", "4G", ""),
    ("driver-memory", "1024", "k, m, g or t"),
    ("driver-memory", "1gb", "k, m, g or t"),
    ("driver-memory", "1.5g", "k, m, g or t"),
    ("driver-memory", "lots", "is not an amount of memory"),
    ("executor-memory", "1024", ""),
    ("executor-memory", "2gb", ""),
    ("executor-memory", "2 g", "a bare number counts MiB"),
    ("executor-cores", "2", ""),
    ("executor-cores", "two", "is not a whole number"),
    ("num-executors", "1.5", "is not a whole number"),
    ("deploy-mode", "Client", "Use client or cluster"),
    ("master", "localhost", "is not a master"),
    ("verbose", "yes", "neither true nor false"),
    ("queue", "  ", "A value is missing"),
    ("queue", "a\nb", "one line"),
    ("executor-memry", "1g", "Did you mean executor-memory?"),
    ("a'b\"<&>ü", "1", "has no argument"),
    ("spark.driver.memory", "1g", "is a configuration"),
    ("class", "a.B", "class_path"),
    ("jars", "a.jar", "below Jars"),
    ("properties-file", "/x", "below Configurations"),
    ("kill", "x", "does not submit"),
]


@pytest.mark.parametrize(("name", "value", "told"), ARGUMENTS, ids=[f"{n}={v!r}" for n, v, _ in ARGUMENTS])
def test_arguments_are_checked_as_spark_reads_them(store, name, value, told):
    problems = validate(SparkConfiguration({"master": "spark://h:1", name: value}), store)

    errors = [problem for problem in problems if problem.level == "error"]
    if told:
        assert [problem.field for problem in errors] == [f"arguments.{name}"]
        assert told in errors[0].message
    else:
        assert errors == []


CONFIGURATIONS = [
    ("spark.network.timeout", "30s", "", ""),
    ("spark.network.timeout", "30 s", "error", "is not a time"),
    ("spark.sql.shuffle.partitions", "0", "error", "Use 1 or more"),
    ("spark.sql.shuffle.partitions", "12", "", ""),
    ("spark.memory.fraction", "0.6", "", ""),
    ("spark.memory.fraction", "most", "error", "is not a number"),
    ("spark.sql.adaptive.enabled", "TRUE", "", ""),
    ("spark.sql.adaptive.enabled", "1", "error", "neither true nor false"),
    ("spark.sql.parquet.compression.codec", "ZSTD", "", ""),
    ("spark.sql.parquet.compression.codec", "rar", "error", "is not one of its values"),
    ("spark.hadoop.fs.defaultFS", "hdfs://h:8020", "", ""),
    ("spark.executorEnv.X", "a'b\"<&>ü", "", ""),
    ("spark.hadoop.x", "a\r\nspark.y=1", "error", "one line"),
    ("spark.a b", "1", "error", "Remove it"),
    ("hadoop.x", "1", "error", "begin with spark."),
    ("driver-memory", "1g", "error", "is an argument"),
    ("spark.master", "yarn", "error", "Set the argument master"),
    ("spark.jars", "a.jar", "error", "below Jars"),
    ("spark.sql.shufle.partitions", "1", "warning", "Did you mean spark.sql.shuffle.partitions?"),
    ("spark.my.own", "1", "warning", "It is passed on as it is"),
    ("spark.cache.class", "x", "warning", "Deprecated in Spark 0.8"),
    ("spark.yarn.queue", "q", "note", "The argument queue says the same."),
    ("spark.driver.memory", "2g", "warning", "goes before it"),
    ("spark.executor.extraJavaOptions", "-Dx.password=abc", "warning", "looks like a secret"),
]


@pytest.mark.parametrize(
    ("name", "value", "level", "told"), CONFIGURATIONS, ids=[f"{n}={v!r}" for n, v, _, _ in CONFIGURATIONS]
)
def test_configurations_are_checked_as_spark_reads_them(store, name, value, level, told):
    configuration = SparkConfiguration({"master": "yarn", "driver-memory": "1g"}, {name: value})

    problems = validate(configuration, store)

    assert {problem.level for problem in problems} == ({level} if level else set())
    assert {problem.field for problem in problems} <= {f"configurations.{name}"}
    assert told in " ".join(problem.message for problem in problems)


@pytest.mark.parametrize(
    ("arguments", "field", "told"),
    [
        ({"master": "local[2]", "deploy-mode": "cluster"}, "arguments.deploy-mode", "needs a cluster"),
        ({"deploy-mode": "cluster"}, "arguments.deploy-mode", "needs a cluster"),
        ({"master": "yarn", "remote": "sc://h"}, "arguments.remote", "beside master"),
        ({"master": "yarn", "principal": "a@B"}, "arguments.principal", "needs keytab"),
    ],
    ids=["local cluster", "default cluster", "remote", "principal alone"],
)
def test_arguments_that_do_not_go_together(store, arguments, field, told):
    (problem,) = [
        problem for problem in validate(SparkConfiguration(arguments), store) if problem.level == "error"
    ]

    assert problem.field == field
    assert told in problem.message


def test_an_argument_that_the_master_does_not_read_is_noted(store):
    (problem,) = validate(SparkConfiguration({"master": "local[2]", "queue": "q"}), store)

    assert (problem.field, problem.level) == ("arguments.queue", "note")
    assert problem.message == "Has no effect with master local[2]. Spark on YARN only."


def test_files_must_be_uploaded_and_of_the_right_kind(store):
    problems = validate(
        SparkConfiguration(jars=("a.jar@1", "b.jar", "c.py", "a.jar@7"), py_files=("c.py",)), store
    )

    assert [problem.field for problem in problems] == [
        "jars.b.jar",
        "jars.c.py",
        "jars.a.jar@7",
        "jars.a.jar@7",
    ]
    assert "b.jar" in problems[0].message
    assert problems[1] == Problem("jars.c.py", "c.py does not end in .jar. Choose another file.")
    assert problems[2] == Problem("jars.a.jar@7", "a.jar has no version 7. Choose one of 1.")
    assert problems[3] == Problem("jars.a.jar@7", "a.jar stands in the list already. Delete one.")


def test_of_very_many_unknown_names_the_first_ones_alone_are_compared_with_all_known_ones(store):
    configurations = {f"spark.sql.shuffle.partition{number}": "1" for number in range(1000)}

    problems = validate(SparkConfiguration(configurations=configurations), store)

    assert len(problems) == 1000
    assert [number for number, each in enumerate(problems) if "Did you mean" in each.message] == [*range(50)]


def test_the_nearest_name_is_found_whatever_the_case():
    assert nearest("SPARK.EXECUTOR.MEMRY", known().configurations) == "spark.executor.memory"
    assert nearest("zzz", known().configurations) == ""
