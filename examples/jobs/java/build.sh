#!/bin/sh
# Build word-count.jar against the jars of a Spark distribution. Needs a JDK 17 or newer.
#
#   SPARK_HOME=/opt/spark ./build.sh [folder for the jar]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-$here}
: "${SPARK_HOME:?set SPARK_HOME to the folder of Spark, the one that has jars/ in it}"
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
javac --release 17 -classpath "$SPARK_HOME/jars/*" -d "$classes" "$here"/src/examples/*.java
jar --create --file "$target/word-count.jar" --main-class examples.WordCount -C "$classes" .
echo "Built $target/word-count.jar"
