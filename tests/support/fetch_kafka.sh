#!/usr/bin/env bash
# Fetches a real Kafka as plain jars from Maven Central: fetch_kafka.sh FOLDER [VERSION].
# FOLDER/libs holds the jars when it ends well; run again, it does nothing. Needs mvn and Java 17.
set -euo pipefail

folder=${1:?usage: fetch_kafka.sh FOLDER [VERSION]}
version=${2:-3.9.1}

[[ -f $folder/complete ]] && exit 0
command -v mvn >/dev/null || { echo "fetch_kafka.sh: no mvn; install the Debian package maven" >&2; exit 1; }

mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rbr</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
POM
mvn --batch-mode --quiet -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
  -DoutputDirectory="$work/libs"
rm -rf "$folder/libs"
mv "$work/libs" "$folder/libs"
touch "$folder/complete"
