"""Why a Spark job failed: its own root cause, found in what the driver printed.

``spark-submit`` says "exit code 1" for everything. The reason stands in the job's output (a Python
traceback), in Spark's log (the last "Caused by" of a Java exception) or in the line of a launcher that
gave up early. Pure, and tested with the words of a real Spark.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from couture_workflow.services.spark import tracebacks

LONGEST = 2000

_LOG_LINE = re.compile(r"^\d\d(\d\d)?[/-]\d\d[/-]\d\d[ T][\d:.,]+Z? +(?P<level>[A-Z]+) +(?P<text>.*)$")
_PYTHON_FRAME = re.compile(r'^\s+File ".*", line \d+')
_UNINDENTED = re.compile(r"^[^\s|].*")
_PY4J = re.compile(r"^(py4j\.protocol\.)?Py4J\w*Error: ")
_THREAD = re.compile(r'^Exception in thread "[^"]*" (?P<error>.*)$')
_CAUSED_BY = re.compile(r"^\s*Caused by: (?P<error>.*)$")
_COLON_ERROR = re.compile(r"^: (?P<error>[\w.$]+(Error|Exception|Throwable)\b.*)$")
_JAVA_ERROR = re.compile(r"^(?P<error>([a-z_]\w*\.)+[A-Z]\w*(Error|Exception|Throwable)\b.*)$")
_MEMORY = re.compile(r"(?P<error>java\.lang\.OutOfMemoryError[^\n]*)")
_EXECUTOR = re.compile(r"(?P<error>ExecutorLostFailure \(.*)")
_EXITED = re.compile(r"SparkUserAppException|User application exited with")
_LAUNCHER = (
    re.compile(r"^(?P<error>Error: Failed to load class .*)$"),
    re.compile(r"^\S+: (?P<error>can't open file .*)$"),
    re.compile(r"^(?P<error>(Invalid|Unrecognized|Conflicting) .*)$"),
    re.compile(r"^(?P<error>Cannot start .*)$"),
    re.compile(r"^(?P<error>.*Permission denied.*)$"),
    re.compile(r"^Error: (?P<error>.*)$"),
)

#: What argparse and programs like it say of their arguments.
_USAGE = re.compile(r"^[^\s:]+: error: .+")
#: What the launcher, the JVM and Spark print besides their log, whatever happens.
_NOISE = re.compile(
    r"^(\s|WARNING: |Warning: |Using |Setting default |To adjust |Picked up |log4j|SLF4J|OpenJDK|\[|:: |Ivy |"
    r"The jars for |.* added as a dependency$)"
)

_REMEDIES = (
    (
        r"OutOfMemoryError",
        "Give the driver or the executors more memory: the arguments driver-memory and executor-memory.",
    ),
    (
        r"ExecutorLostFailure",
        "An executor died; if it was killed, give it more memory: the argument executor-memory.",
    ),
    (r"SIGKILL", "Give the machine or its container more memory, or the driver less."),
    (
        r"Failed to load class|ClassNotFoundException|NoClassDefFoundError",
        "The class is neither in the code artifact nor in the jars: correct class_path, or add its jar.",
    ),
    (r"No main class set in JAR", "Set class_path to the main class of the jar."),
    (
        r"No module named",
        "Add the module to py_files, or install it in the Python of driver and executors (python_conf).",
    ),
    (
        r"All masters are unresponsive|Failed to connect to master",
        "Check the argument master, and that the Spark master runs and can be reached from here.",
    ),
    (
        r"Cannot run program|Cannot start",
        "Check that python_conf names a Python that exists on every machine.",
    ),
)


@dataclass(frozen=True)
class Diagnosis:
    """What went wrong in one line of Spark's or the job's own, and what may help ("" if not known)."""

    cause: str
    remedy: str = ""


def diagnose(output: Sequence[str], log: Sequence[str], *, exit_code: int) -> Diagnosis:
    """Return why a job failed.

    :param output: the last lines of the driver's standard output.
    :param log: the last lines of its standard error, where Spark logs.
    :param exit_code: 128 + n when it was killed by signal n.
    """
    output, log = list(_plain(output)), list(_plain(log))
    both = [*log, *output]
    cause = (
        _refused_arguments(both, exit_code)
        or _last(_MEMORY, both)
        or _python_cause(output)
        or _java_cause(output)
        or _python_cause(log)
        or _java_cause(log)
        or _launcher_cause(both)
        or _killed(exit_code)
        or _last_words(log, exit_code)
        or _last_words(output, exit_code)
        or _logged_error(log)
        or f"The application exited with code {exit_code} and printed no error."
    )
    cause = cause.strip().rstrip(";:")[:LONGEST]
    return Diagnosis(cause, next((remedy for rule, remedy in _REMEDIES if re.search(rule, cause)), ""))


def level(line: str) -> str:
    """Return the level of a line of Spark's log, such as "WARN"; of a traceback ERROR; "" for any other."""
    first, _, rest = line.partition("\n")
    if match := _LOG_LINE.match(first):
        return match["level"]
    if record := _record(line):
        return str(record.get("level", ""))
    return "ERROR" if rest and tracebacks.begins(first) else ""


def _record(line: str) -> dict[str, object] | None:
    """Return the record that a line of a structured log (``spark.log.structuredLogging.enabled``) is."""
    if not line.startswith('{"ts"'):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _plain(lines: Sequence[str]) -> Iterator[str]:
    """Return the lines with structured records written as plain ones."""
    for line in lines:
        record = _record(line)
        if record is None:
            yield line
            continue
        text = f"{record.get('logger', '')}: {record.get('msg', '')}"
        yield f"00/00/00 00:00:00 {record.get('level', 'INFO')} {text}"
        error = record.get("exception")
        if isinstance(error, dict):
            yield f"{error.get('class', '')}: {error.get('msg', '')}"


def _last(rule: re.Pattern[str], lines: Sequence[str]) -> str:
    for line in reversed(lines):
        if match := rule.search(line):
            return match["error"]
    return ""


def _python_cause(lines: Sequence[str]) -> str:
    """Return the last line of the last traceback; of a Java error that Python passes on, its own cause."""
    frames = [number for number, line in enumerate(lines) if _PYTHON_FRAME.match(line)]
    if not frames:
        return ""
    for number in range(frames[-1] + 1, len(lines)):
        line = lines[number]
        if not _UNINDENTED.match(line) or _LOG_LINE.match(line):
            continue
        rest = lines[number + 1 :]
        java = _last(_EXECUTOR, [line, *rest]) or _last(_CAUSED_BY, rest)
        if java:
            return java
        return (_last(_COLON_ERROR, rest) if _PY4J.match(line) else "") or line
    return ""


def _java_cause(lines: Sequence[str]) -> str:
    """Return the last "Caused by" of the exception that ended the program, else the exception itself."""
    starts = [number for number, line in enumerate(lines) if _THREAD.match(line)]
    if not starts:
        starts = [number for number, line in enumerate(lines) if _JAVA_ERROR.match(line)]
        if not starts:
            return ""
    last = lines[starts[-1] :]
    causes = [match["error"] for line in last if (match := _CAUSED_BY.match(line))]
    causes = [cause for cause in causes if not _EXITED.search(cause)]
    own = (_THREAD.match(last[0]) or _JAVA_ERROR.match(last[0])) if last else None
    cause = _last(_EXECUTOR, last) or (causes[-1] if causes else own["error"] if own else "")
    return "" if _EXITED.search(cause) else cause


def _launcher_cause(lines: Sequence[str]) -> str:
    for rule in _LAUNCHER:
        if cause := _last(rule, lines):
            return cause
    return ""


def _refused_arguments(lines: Sequence[str], exit_code: int) -> str:
    """Return why a program did not take its arguments; argparse ends with 2 behind that line."""
    return next((line for line in reversed(lines) if _USAGE.match(line)), "") if exit_code == 2 else ""


def _last_words(lines: Sequence[str], exit_code: int) -> str:
    """Return the last line that the program itself printed, as ``sys.exit("...")`` does."""
    for line in reversed(lines):
        if line.strip() and not _LOG_LINE.match(line) and not _NOISE.match(line):
            return f"The application exited with code {exit_code}. The last that it printed: {line.strip()}"
    return ""


def _killed(exit_code: int) -> str:
    if exit_code == 137:
        return "The driver was killed with SIGKILL, most often because the machine ran out of memory."
    if exit_code > 128:
        return f"The driver was killed by signal {exit_code - 128}."
    return ""


def _logged_error(log: Sequence[str]) -> str:
    for line in reversed(log):
        match = _LOG_LINE.match(line)
        if match and match["level"] in {"ERROR", "FATAL"}:
            return re.sub(r"^[\w.$]+: ", "", match["text"])
    return ""
