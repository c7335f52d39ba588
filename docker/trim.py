"""``python3 trim.py ENVIRONMENT``: take out of a virtual environment what no container of ours ever uses.

That is: pip and what came with it, the packages' own tests, headers and sources of compiled modules, Spark's
examples, OpenVINO's devices other than the CPU, the native libraries of other systems inside Spark's jars,
and the locales that Flask-AppBuilder has no translation for. Everything that a job could import stays.
"""

import platform
import re
import shutil
import sys
import zipfile
from pathlib import Path

#: Below ``site-packages``.
FOLDERS = (
    "pip",
    "pip-*.dist-info",
    "setuptools",
    "setuptools-*.dist-info",
    "pkg_resources",
    "_distutils_hack",
    "numpy/**/tests",
    "pandas/tests",
    "pyarrow/tests",
    "pyarrow/include",
    "py4j/tests",
    "libcst/**/tests",
    "psutil/tests",
    "greenlet/tests",
    "pyspark/examples",
    "pyspark/data",
)
FILES = (
    "distutils-precedence.pth",
    "**/*.pyx",
    "**/*.pxd",
    "**/*.pxi",
    "sqlalchemy/**/*.c",
    # Models run on the CPU.
    "openvino/libs/cache.json",
    "openvino/libs/libopenvino_intel_gpu_plugin.so",
    "openvino/libs/libopenvino_intel_npu_plugin.so",
)
LOCALES = re.compile(r"(root|de|en|es|fr|ja|ko|nl|pl|pt|ru|sl|zh)(_\w+)?\.dat")

#: Native libraries inside jars, by the system that they are for.
NATIVE = re.compile(r"\.(so|dll|jnilib|dylib)$")
MACHINES = {
    "x86_64": ("linux64", "linux/amd64", "Linux/x86_64"),
    "aarch64": ("linux-aarch64", "linux/aarch64", "Linux/aarch64"),
}
#: Jars that hold nothing but such a library.
NATIVE_JAR = re.compile(r"netty-.*-(?P<system>linux|osx|windows)-(?P<machine>x86_64|aarch_64|riscv64)\.jar")


def main() -> None:
    """Trim one environment and say what that saved."""
    environment = Path(sys.argv[1])
    before = size(environment)
    for site in environment.glob("lib/python3*/site-packages"):
        trim(site)
    saved = before - size(environment)
    sys.stdout.write(f"{environment}: {before >> 20} MiB, {saved >> 20} MiB of it taken out.\n")


def trim(site: Path) -> None:
    """Trim one ``site-packages``."""
    for pattern in FOLDERS:
        for folder in [*site.glob(pattern)]:
            shutil.rmtree(folder, ignore_errors=True)
    for pattern in FILES:
        for file in [*site.glob(pattern)]:
            file.unlink()
    for file in site.glob("babel/locale-data/*.dat"):
        if not LOCALES.fullmatch(file.name):
            file.unlink()
    for jar in [*site.glob("pyspark/jars/*.jar")]:
        trim_jar(jar)


def trim_jar(jar: Path) -> None:
    """Leave only this machine's native libraries in a jar; remove a jar that is for another one."""
    if found := NATIVE_JAR.fullmatch(jar.name):
        if found["system"] != "linux" or found["machine"].replace("_", "") != platform.machine().replace(
            "_", ""
        ):
            jar.unlink()
        return
    mine = MACHINES.get(platform.machine())
    with zipfile.ZipFile(jar) as old:
        native = [entry for entry in old.infolist() if NATIVE.search(entry.filename)]
        kept = {entry.filename for entry in native if mine and any(name in entry.filename for name in mine)}
        if not kept or len(kept) == len(native):
            return
        with zipfile.ZipFile(jar.with_suffix(".part"), "w", zipfile.ZIP_DEFLATED) as new:
            for entry in old.infolist():
                if entry in native and (entry.filename not in kept or "musl" in entry.filename):
                    continue
                new.writestr(entry, old.read(entry))
    jar.with_suffix(".part").replace(jar)


def size(folder: Path) -> int:
    """Return the bytes below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


if __name__ == "__main__":
    main()
