"""Makes ``couture_workflow/services/spark/data/spark-options.json``: what Spark itself knows of its options.

Run it with the Python of a Spark environment after a change of the Spark version::

    .venv/runtimes/spark/bin/python tools/spark_options.py

Nothing is typed by hand. Configurations are the entries that register themselves when every class of Spark's
own jars that builds one is loaded; kind, unit, bounds and choices are found by giving the entry's converter
values to convert. Arguments are those of the option parser of ``spark-submit`` with the text of its
``--help``; which configuration an argument stands for is found by setting either and looking where it went.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from py4j.java_gateway import JavaObject
from py4j.protocol import Py4JJavaError
from pyspark import __version__
from pyspark.find_spark_home import _find_spark_home
from pyspark.java_gateway import launch_gateway

TARGET = (
    Path(__file__).parent.parent / "couture_workflow" / "services" / "spark" / "data" / "spark-options.json"
)
BUILDER = b"org/apache/spark/internal/config/ConfigBuilder"
PREFIX = re.compile(rb"\x01\x00[\x08-\xff](spark\.[a-zA-Z][A-Za-z0-9_.-]*\.)(?=[\x00-\x12])")
PROBES = ("7391", "spark://host:7391", "cluster")
TIME_UNITS = {1_000_000: "us", 1000: "ms", 1: "s"}
SIZE_UNITS = {2**20: "b", 2**10: "k", 1: "m"}


def classes(home: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every class in Spark's own jars."""
    for jar in sorted((home / "jars").glob("spark-*.jar")):
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                if name.startswith("org/apache/spark/") and name.endswith(".class"):
                    yield name.removesuffix(".class").replace("/", "."), archive.read(name)


def scan(home: Path) -> tuple[list[str], list[str]]:
    """Return the classes that build configuration entries, and the key prefixes that Spark's code holds."""
    builders: list[str] = []
    prefixes: set[str] = set()
    for name, content in classes(home):
        if BUILDER in content and name.endswith("$") and not name.endswith("ConfigBuilder$"):
            builders.append(name)
        prefixes.update(match.decode() for match in PREFIX.findall(content))
    return builders, sorted(prefixes - {"spark."})


def free(prefixes: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the prefixes below which names are free: Spark itself has next to none there."""
    return [prefix for prefix in prefixes if sum(name.startswith(prefix) for name in known) <= 2]


def dumped(document: dict[str, Any]) -> str:
    """Return the document as JSON with one entry a line."""
    return (
        "{\n" + ",\n".join(f"{json.dumps(name)}:{table(value)}" for name, value in document.items()) + "\n}\n"
    )


def table(value: Any) -> str:
    """Return a part of the document as JSON, the entries of a mapping one a line."""
    compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
    if not isinstance(value, dict):
        return compact(value)
    return "{\n" + ",\n".join(f"{compact(key)}:{compact(value[key])}" for key in sorted(value)) + "\n}"


def plain(value: Any) -> Any:
    """Return what is in a Scala ``Some``, anything else as it is."""
    return (
        value.get() if isinstance(value, JavaObject) and value.getClass().getName() == "scala.Some" else value
    )


class Prober:
    """Asks one entry's converter what it takes."""

    def __init__(self, entry: Any) -> None:
        self._convert = entry.valueConverter()

    def value(self, text: str) -> Any:
        """Return what Spark makes of a text, None if Spark refuses it."""
        try:
            found = self._convert.apply(text)
        except Py4JJavaError:
            return None
        return plain(found)

    def takes(self, *texts: str) -> bool:
        """Tell whether Spark takes all of the texts."""
        return all(self.value(text) is not None for text in texts)

    def takes_any(self, *texts: str) -> bool:
        """Tell whether Spark takes one of the texts."""
        return any(self.value(text) is not None for text in texts)

    def message(self, text: str) -> str:
        """Return why Spark refuses a text, "" if it does not."""
        try:
            self._convert.apply(text)
        except Py4JJavaError as error:
            return str(error.java_exception.getMessage() or "")
        return ""

    def kind(self) -> dict[str, Any]:
        """Return kind, unit, choices and least value of the entry."""
        if self.takes("true", "false") and not self.takes_any("1", "abc"):
            return {"kind": "boolean"}
        if self.takes("abc"):
            return {}
        if choices := self.choices():
            any_case = all(self.takes(choice.lower(), choice.upper()) for choice in choices)
            return {"kind": "choice", "choices": choices, **({"any_case": True} if any_case else {})}
        if self.takes_any("7s", "1200s") and not self.takes_any("7k", "1200k"):
            return {"kind": "time", **self.unit("s", TIME_UNITS)}
        if self.takes_any("7m", "64m", "1200m"):
            return {"kind": "bytes", **self.unit("m", SIZE_UNITS)}
        if self.takes_any("0.5", "0.001", "1.5", "7.5") and not self.takes("abc"):
            return {"kind": "number"}
        if self.takes_any("1", "7", "100", "2048", "1048576"):
            return {"kind": "integer", **self.least()}
        return {}

    def choices(self) -> list[str]:
        """Return the values that Spark names when it refuses one."""
        found = re.search(
            r"should be one of '(.+?)'\W*(?: but was .*)?(?:SQLSTATE.*)?$",
            self.message("no-such-value"),
            re.S,
        )
        return re.split(r"'?, '?", found[1]) if found else []

    def unit(self, suffix: str, units: dict[int, str]) -> dict[str, str]:
        """Return the unit that a bare number has."""
        for number in (7, 64, 1200):
            value = self.value(f"{number}{suffix}")
            if isinstance(value, int) and (unit := units.get(value // number)):
                return {"unit": unit}
        return {}

    def least(self) -> dict[str, int]:
        """Return the least whole number out of -1, 0 and 1 that Spark takes."""
        for number in (-1, 0, 1):
            if self.takes(str(number)):
                return {"least": number} if number >= 0 else {}
        return {}


def text(doc: str) -> str:
    """Return a documentation text in one line without mark-up."""
    return re.sub(r"\s+", " ", re.sub(r"</?(code|p|br|ul|li|a|b|i|em)\b[^>]*>", " ", doc)).strip()


def configurations(gateway: Any, builders: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """Return name -> description of the public entries, and the names of the internal ones."""
    jvm = gateway.jvm
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    for name in builders:
        try:
            jvm.java.lang.Class.forName(name, True, loader)
        except Py4JJavaError as error:
            raise SystemExit(f"{name} cannot be loaded: {error.java_exception}") from error
    known: dict[str, Any] = {}
    internal: list[str] = []
    for entry in jvm.java.util.ArrayList(jvm.org.apache.spark.internal.config.ConfigEntry.listAllEntries()):
        key, default = entry.key(), entry.defaultValueString()
        if not key.startswith("spark.") or key.startswith(("spark.test.", "spark.testing")):
            continue
        computed = entry.getClass().getSimpleName() == "ConfigEntryWithDefaultFunction"
        if computed or str(Path.cwd()) in default:
            default = ""  # only true on this machine, such as its host name or a folder below the current one
        if not entry.isPublic():
            internal.append(key)
            continue
        known[key] = {
            "doc": text(entry.doc()),
            "default": "" if default in ("<undefined>", "null") else default,
            "version": entry.version(),
            **Prober(entry).kind(),
        }
    return dict(sorted(known.items())), sorted(set(internal) - known.keys())


def submit_arguments(gateway: Any, *words: str) -> Any:
    """Return Spark's parsed form of a ``spark-submit`` line, None if Spark refuses it."""
    jvm = gateway.jvm
    sequence = jvm.scala.jdk.javaapi.CollectionConverters.asScala(
        jvm.java.util.ArrayList([*words, "app.jar"])
    ).toSeq()
    empty = getattr(getattr(jvm.scala.collection.immutable, "Map$"), "MODULE$").empty()
    try:
        return jvm.org.apache.spark.deploy.SparkSubmitArguments(sequence, empty)
    except Py4JJavaError:
        return None


def fields_with(parsed: Any, value: str) -> set[str]:
    """Return the fields of a parsed line that hold the value."""
    found = set()
    for field in parsed.getClass().getDeclaredFields() if parsed is not None else ():
        if field.getType().getSimpleName() in ("String", "Option"):
            field.setAccessible(True)
            if plain(field.get(parsed)) == value:
                found.add(field.getName())
    return found


def parser_table(parsed: Any, table: str) -> list[str]:
    """Return the long names in one of the two tables of Spark's option parser."""
    field = parsed.getClass().getSuperclass().getSuperclass().getDeclaredField(table)
    field.setAccessible(True)
    return [next(name for name in names if name.startswith("--"))[2:] for names in field.get(parsed)]


def arguments(gateway: Any, home: Path, known: Iterable[str]) -> dict[str, Any]:
    """Return name -> description of every argument of ``spark-submit``."""
    base = submit_arguments(gateway, "--class", "a.B")
    flags = parser_table(base, "switches")
    helped = help_texts(home)
    launcher = gateway.jvm.java.lang.Class.forName("org.apache.spark.launcher.SparkLauncher").getFields()
    constants = [str(field.get(None)) for field in launcher if field.getType().getSimpleName() == "String"]
    by_field: dict[str, str] = {}
    for key in {*known, *(name for name in constants if name.startswith("spark."))}:
        for value in PROBES:
            parsed = submit_arguments(gateway, "--class", "a.B", "--conf", f"{key}={value}")
            by_field.update(dict.fromkeys(fields_with(parsed, value), key))
    found: dict[str, Any] = {}
    for name in sorted(parser_table(base, "opts") + flags):
        described: dict[str, Any] = {"doc": helped.get(name, "")}
        if name in flags:
            described["kind"] = "flag"
        else:
            line = ["--class", "a.B"] if name != "class" else []
            fields: set[str] = set()
            for value in PROBES:
                fields |= fields_with(submit_arguments(gateway, *line, f"--{name}", value), value)
            if twin := next((by_field[field] for field in sorted(fields) if field in by_field), ""):
                described["configuration"] = twin
        found[name] = described
    return found


def help_texts(home: Path) -> dict[str, str]:
    """Return argument -> what ``spark-submit --help`` says of it, with the heading that it stands below."""
    command = [str(home / "bin" / "spark-submit"), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own Spark
    found: dict[str, str] = {}
    heading = name = ""
    for line in (shown.stdout + shown.stderr).splitlines():
        if option := re.match(r" {2,3}--([a-z-]+)(?:, -\w)?,?(?: [A-Z_=]+)?(?: {2,}| )(\S.*)$", line):
            name = option[1]
            found[name] = (f"{heading}: " if heading else "") + option[2]
        elif re.match(r" ?\S.*:$", line):
            heading, name = ("" if line.startswith("Options") else line.strip(" :")), ""
        elif name and line.startswith(" " * 8):
            found[name] += " " + line.strip()
    return {key: re.sub(r"\s+", " ", value) for key, value in found.items()}


def deprecated(gateway: Any) -> dict[str, str]:
    """Return name -> what Spark says of it, of configurations that are deprecated or removed."""
    found: dict[str, str] = {}
    module = getattr(getattr(gateway.jvm.org.apache.spark, "SparkConf$"), "MODULE$")
    sql = getattr(getattr(gateway.jvm.org.apache.spark.sql.internal, "SQLConf$"), "MODULE$")
    for owner, name in (
        (module, "deprecatedConfigs"),
        (sql, "deprecatedSQLConfigs"),
        (sql, "removedSQLConfigs"),
    ):
        field = next(
            field for field in owner.getClass().getDeclaredFields() if field.getName().split("$$")[-1] == name
        )
        field.setAccessible(True)
        pairs = gateway.jvm.scala.jdk.javaapi.CollectionConverters.asJava(field.get(owner))
        for item in gateway.jvm.java.util.ArrayList(pairs.values()):
            message = getattr(item, "deprecationMessage" if name == "deprecatedConfigs" else "comment")()
            state = "Removed" if "removed" in name else "Deprecated"
            found[item.key()] = f"{state} in Spark {item.version()}. {text(message)}"
    return found


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    home = Path(_find_spark_home())
    builders, prefixes = scan(home)
    gateway = launch_gateway()
    try:
        known, internal = configurations(gateway, builders)
        document = {
            "spark": __version__,
            "arguments": arguments(gateway, home, known),
            "configurations": known,
            "internal": internal,
            "prefixes": free(prefixes, known),
            "deprecated": deprecated(gateway),
        }
    finally:
        gateway.shutdown()
    options.target.parent.mkdir(parents=True, exist_ok=True)
    options.target.write_text(dumped(document), encoding="utf-8")


if __name__ == "__main__":
    main()
