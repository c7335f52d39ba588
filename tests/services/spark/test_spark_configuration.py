from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet

from couture_workflow.exceptions import ConflictError, InvalidError, SecretKeyError
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.services.spark.document import Document, Sealed, carry_over, changes
from couture_workflow.store.home import Store

HOSTILE = "a'b\"<&>ü: {x} #no --conf =\\ $HOME `id` %s"
SECRET = "spark.hadoop.fs.s3a.secret.key"


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "home", secret_key=Fernet.generate_key().decode())


@pytest.fixture
def full(store):
    for name in ("a.jar", "b.jar", "c.py"):
        store.dependencies.put(name, [name.encode()], user="ada")
    return SparkConfiguration(
        arguments={"master": "local[2]", "driver-memory": "1g", "verbose": "true"},
        configurations={
            "spark.executor.memory": "2g",
            "spark.hadoop.x": HOSTILE,
            SECRET: f"s3cr3t {HOSTILE}",
        },
        jars=("b.jar", "a.jar@1"),
        py_files=("c.py",),
    )


def test_nothing_saved_is_local_spark(store):
    loaded = spark_configuration.load(store)

    assert loaded == SparkConfiguration(arguments={"master": "local[*]"})


def test_what_is_saved_is_loaded(store, full):
    saved = spark_configuration.save(store, full, user="a'b\"<&>ü", base=None, message="First")

    loaded = spark_configuration.load(store)
    assert loaded == saved
    assert loaded.configurations == full.configurations
    assert (loaded.arguments, loaded.jars, loaded.py_files) == (full.arguments, full.jars, full.py_files)
    (entry,) = spark_configuration.history(store)
    assert (entry.id, entry.author, entry.message) == (saved.commit, "a'b\"<&>ü", "First")


def test_secrets_are_neither_on_disk_nor_in_repr(store, full):
    saved = spark_configuration.save(store, full, user="ada", base=None)

    assert "s3cr3t" not in store.config.read("spark.yaml").decode()
    assert "s3cr3t" not in repr(saved) + repr(full) + repr(spark_configuration.read(store))
    assert "s3cr3t" not in repr(Document(configurations={SECRET: "s3cr3t"}))


def test_secret_typed_again_as_it_was_changes_nothing(store, full):
    first = spark_configuration.save(store, full, user="ada", base=None)

    again = spark_configuration.save(store, full, user="bob", base=first.commit)

    assert again.commit == first.commit
    assert len(spark_configuration.history(store)) == 1


def test_lost_key_is_told_and_the_secret_can_be_entered_anew(store, full):
    first = spark_configuration.save(store, full, user="ada", base=None)
    other = Store.open(store.root, secret_key=Fernet.generate_key().decode())

    with pytest.raises(SecretKeyError):
        spark_configuration.load(other)
    assert spark_configuration.read(other).masked()[SECRET] == "******"

    spark_configuration.save(other, full, user="ada", base=first.commit)
    assert spark_configuration.load(other).configurations[SECRET] == full.configurations[SECRET]


def test_save_over_a_newer_version_is_refused_and_writes_nothing(store, full):
    first = spark_configuration.save(store, full, user="ada", base=None)
    mine = SparkConfiguration(arguments={"master": "local[3]"})
    theirs = spark_configuration.save(
        store, SparkConfiguration(arguments={"master": "yarn"}), user="bob", base=first.commit
    )

    with pytest.raises(ConflictError) as error:
        spark_configuration.save(store, mine, user="ada", base=first.commit)

    assert error.value.paths == ("spark.yaml",)
    assert spark_configuration.load(store) == theirs


def test_of_many_savers_at_once_one_wins(store):
    def save(number):
        configuration = SparkConfiguration(arguments={"master": f"local[{number}]"})
        try:
            return spark_configuration.save(store, configuration, user=f"user{number}", base=None).commit
        except ConflictError:
            return None

    with ThreadPoolExecutor(6) as pool:
        commits = [commit for commit in pool.map(save, range(1, 7)) if commit]

    assert [entry.id for entry in spark_configuration.history(store)] == commits
    assert len(commits) == 1


def test_an_invalid_configuration_is_not_saved(store):
    wrong = SparkConfiguration(arguments={"driver-memory": "lots"})

    with pytest.raises(InvalidError) as error:
        spark_configuration.save(store, wrong, user="ada", base=None)

    assert error.value.field == "arguments.driver-memory"
    assert spark_configuration.history(store) == []


def test_a_save_without_message_says_what_changed(store, full):
    first = spark_configuration.save(store, full, user="ada", base=None)
    changed = SparkConfiguration(
        arguments={"master": "local[4]", "driver-memory": "1g"},
        configurations={**full.configurations, "spark.executor.cores": "2"},
        jars=("a.jar@1", "b.jar"),
        py_files=("c.py",),
    )

    spark_configuration.save(store, changed, user="ada", base=first.commit)

    newest, _ = spark_configuration.history(store)
    assert newest.message == "Add spark.executor.cores; Change master, jars; Remove verbose"


def test_an_old_version_keeps_its_own_secret(store, full):
    first = spark_configuration.save(store, full, user="ada", base=None)
    newer = SparkConfiguration(
        full.arguments, {**full.configurations, SECRET: "other"}, full.jars, full.py_files
    )
    second = spark_configuration.save(store, newer, user="ada", base=first.commit)

    restored = spark_configuration.write(
        store, spark_configuration.read(store, commit=first.commit), user="bob", base=second.commit
    )

    assert spark_configuration.load(store).configurations[SECRET] == full.configurations[SECRET]
    assert restored.commit not in (first.commit, second.commit)


def test_a_task_goes_before_the_page():
    page = SparkConfiguration(
        arguments={"master": "yarn", "queue": "q"},
        configurations={"spark.a": "1", "spark.b": "2"},
        jars=("a.jar",),
        py_files=("c.py",),
        commit="c0ffee",
    )

    merged = spark_configuration.merge(
        page,
        arguments={"master": "local", "queue": None},
        configurations={"spark.b": None, "spark.c": "3"},
        jars=[],
    )

    assert merged == SparkConfiguration(
        arguments={"master": "local"},
        configurations={"spark.a": "1", "spark.c": "3"},
        jars=(),
        py_files=("c.py",),
        commit="c0ffee",
    )


def test_users_of_names_the_lists(store, full):
    spark_configuration.save(store, full, user="ada", base=None)

    assert spark_configuration.users_of(store, "a.jar") == ("Spark Configuration (jars)",)
    assert spark_configuration.users_of(store, "c.py") == ("Spark Configuration (py-files)",)
    assert spark_configuration.users_of(store, "d.jar") == ()


def test_changes_mask_secrets_and_tell_that_they_changed():
    old = Document({"master": "yarn"}, {SECRET: Sealed("1"), "spark.a": "1"}, ("a.jar", "b.jar"))
    new = Document({"queue": "q"}, {SECRET: Sealed("2"), "spark.a": "2"}, ("b.jar", "a.jar", "c.jar"))

    assert [(c.section, c.name, c.kind, c.old, c.new) for c in changes(old, new)] == [
        ("arguments", "master", "removed", "yarn", ""),
        ("arguments", "queue", "added", "", "q"),
        ("configurations", "spark.a", "changed", "1", "2"),
        ("configurations", SECRET, "changed", "******", "******"),
        ("jars", "c.jar", "added", "", "c.jar"),
        ("jars", "order", "changed", "a.jar, b.jar", "b.jar, a.jar, c.jar"),
    ]


def test_changes_are_carried_over_a_newer_version():
    base = Document({"master": "yarn", "queue": "q"}, {"spark.a": "1", "spark.b": "1"}, ("a.jar",))
    mine = Document({"master": "local"}, {"spark.a": "2", "spark.b": "1", "spark.m": "m"}, ("a.jar", "m.jar"))
    theirs = Document(
        {"master": "yarn", "queue": "q"}, {"spark.a": "3", "spark.t": "t"}, ("a.jar", "t.jar"), commit="c"
    )

    carried = carry_over(base, mine, theirs)

    assert carried.document == Document(
        {"master": "local"},
        {"spark.a": "2", "spark.t": "t", "spark.m": "m"},
        ("a.jar", "t.jar", "m.jar"),
        commit="c",
    )
    assert [(clash.name, clash.old, clash.new) for clash in carried.clashes] == [("spark.a", "3", "2")]
