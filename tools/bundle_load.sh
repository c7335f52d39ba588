#!/bin/sh
# Couture Workflow without internet: checks this bundle and loads its images into Docker.
#
#   sh load.sh                                  for docker compose on this machine
#   sh load.sh --push registry.example.com/a    also gives the images to a registry of your own
#
# It changes nothing before everything is checked, and may be run again.
set -u
cd "$(dirname "$0")" || exit 1

refuse() {
  echo "$*" >&2
  exit 1
}

registry=
case "${1:-}" in
  '') ;;
  --push)
    registry=${2:-}
    [ -n "$registry" ] || refuse "--push needs the registry, and a path in it if it has one: --push registry.example.com/couture"
    registry=${registry%/}
    ;;
  *) refuse "Unknown: $1. It is: sh load.sh [--push REGISTRY]" ;;
esac

# --- Docker ---
command -v docker > /dev/null || refuse "Docker is missing. Install Docker Engine 20.10 or newer, then type this again."
version=$(docker version --format '{{.Server.Version}}' 2> /dev/null)
[ -n "$version" ] || refuse "Docker's engine does not answer. Start it, or run this as a user who may use it: $(docker version 2>&1 > /dev/null | tail -n 1)"
major=${version%%.*}
minor=${version#*.}
minor=${minor%%.*}
case "$major$minor" in
  *[!0-9]* | '') ;; # A name that is not a number is that of a development version.
  *)
    if [ "$major" -lt 20 ] || { [ "$major" -eq 20 ] && [ "$minor" -lt 10 ]; }; then
      refuse "Docker $version is too old. Install Docker Engine 20.10 or newer, then type this again."
    fi
    ;;
esac

# --- The bundle ---
if command -v sha256sum > /dev/null; then
  sum() { sha256sum "$1"; }
elif command -v shasum > /dev/null; then
  sum() { shasum -a 256 "$1"; }
else
  refuse "Neither sha256sum nor shasum is installed, so the bundle cannot be checked."
fi
again="Copy the bundle to this machine again, and unpack it again; nothing was loaded."
[ -s SHA256SUMS ] && [ -s images.txt ] || refuse "The bundle is not whole: SHA256SUMS or images.txt is missing. $again"
echo "Checking the files."
while read -r expected name; do
  [ -f "$name" ] || refuse "The bundle is not whole: $name is missing. $again"
  found=$(sum "$name") || refuse "$name cannot be read. $again"
  [ "${found%% *}" = "$expected" ] || refuse "$name is damaged: its checksum is not that of SHA256SUMS. $again"
done < SHA256SUMS

# --- What is missing, and whether it fits ---
there() {
  [ "$(docker image inspect --format '{{.Id}}' "$1" 2> /dev/null)" = "$2" ]
}
needed=0
server=$(docker version --format '{{.Server.Arch}}')
while IFS='	' read -r variable name id size architecture file; do
  [ "$server" = "$architecture" ] \
    || refuse "The images are for $architecture and this Docker runs on $server. Make a bundle on a machine like this one."
  there "$name" "$id" || needed=$((needed + size / 1024))
done < images.txt
folder=$(docker info --format '{{.DockerRootDir}}' 2> /dev/null)
if [ "$needed" -gt 0 ] && [ -d "$folder" ]; then
  free=$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')
  # A layer is unpacked before it is in its place.
  wanted=$((needed + needed / 5))
  [ "$free" -ge "$wanted" ] \
    || refuse "The disk of $folder has $((free / 1024)) MB left and the images need $((wanted / 1024)) MB. Make room, then type this again."
fi

# --- Load ---
while IFS='	' read -r variable name id size architecture file; do
  if there "$name" "$id"; then
    echo "$name is there already."
    continue
  fi
  docker load --quiet --input "$file" > /dev/null < /dev/null || refuse "Docker could not load $name; its message stands above."
  docker image inspect "$name" > /dev/null 2>&1 || refuse "Docker loaded $file, and $name is still not there."
  echo "Loaded $name."
done < images.txt

# --- Push ---
if [ -n "$registry" ]; then
  settings=
  while IFS='	' read -r variable name id size architecture file; do
    target=$registry/${name##*/}
    docker tag "$name" "$target" || refuse "Docker could not name $name $target; its message stands above."
    docker push --quiet "$target" > /dev/null < /dev/null \
      || refuse "Docker could not push $target; its message stands above. Log in first: docker login ${registry%%/*}"
    echo "Pushed $target."
    settings="$settings
$variable=$target"
  done < images.txt
  echo "On each machine that shall use them, put this into .env beside docker-compose.yml:$settings"
  exit 0
fi

if ! docker compose version > /dev/null 2>&1 && ! command -v docker-compose > /dev/null; then
  echo "Docker Compose is missing; install it before you go on."
fi
echo "Ready. Start it here with: docker compose up -d worker"
