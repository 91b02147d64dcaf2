#!/bin/sh
# The main job, on the sample pictures, in a folder of its own: index them, search them, change some, go back.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
demo=${1:-demo}
rm -rf "$demo"
mkdir -p "$demo"
cp -R "$here/pictures" "$demo/pictures"
cd "$demo"

run() {
    printf '\n$ %s\n' "$1"
    eval "$1"
}

run 'vstore sync pictures/ -m "first look"'
run 'vstore search ./pictures/landscapes/sunset-1.jpg -k 4'
run 'mv pictures/landscapes/sunset-1.jpg pictures/evening.jpg'
run 'cp pictures/animals/cat-1.jpg pictures/cat-again.jpg'
run 'rm pictures/landscapes/sunset-2.jpg'
run 'vstore status'
run 'vstore sync -m "tidied up"'
run 'vstore snapshot list'
run 'vstore snapshot diff v1 v2'
run 'vstore search ./pictures/evening.jpg -k 2 --at v1'
run 'vstore rollback v1'
run 'vstore undo'
run 'vstore dupes'
run 'vstore check --read-data'
