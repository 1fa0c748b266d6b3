#!/usr/bin/env bash
# dvc 3.67.1: a folder that is a symbolic link inside a dep is not followed: files that are added behind it
# leave the stage "up to date". A dep that is such a link itself is followed.
#
# Seen: photos/cat -> /store/cat, and photos as a dep of a stage that lists all files below it. After a second file in
# /store/cat, `dvc repro` says "Data and pipelines are up to date." With the dep photos/cat it runs the stage.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dvc==3.67.1 2> /dev/null
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1
mkdir -p "$folder/store/cat" "$folder/project/photos/dog"
cd "$folder/project"
echo 1 > photos/dog/1.txt
echo 1 > ../store/cat/1.txt
ln -s "$folder/store/cat" photos/cat
git init -q && dvc init -q
for dep in photos photos/cat; do
  printf 'stages:\n  count:\n    cmd: find -L photos -type f | wc -l > count.txt\n    deps: [%s]\n    outs: [count.txt]\n' "$dep" > dvc.yaml
  dvc repro -q
  before=$(cat count.txt)
  touch "$folder/store/cat/new-$(basename "$dep").txt"
  dvc repro -q
  echo "dep $dep: $before files, and after another one behind the link: $(cat count.txt)"
  [ "$dep" = photos ] && [ "$before" != "$(cat count.txt)" ] && { echo 'the behaviour has changed' >&2; exit 1; }
  [ "$dep" = photos/cat ] && [ "$before" = "$(cat count.txt)" ] && { echo 'the behaviour has changed' >&2; exit 1; }
done
exit 0
