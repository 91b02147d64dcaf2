#!/bin/sh
# Adopts an old index: FAISS, .npy and a list of paths that lead nowhere any more. Nothing that it knew is embedded again.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
demo=${1:-adopted}
python=${PYTHON:-python3}
rm -rf "$demo"
mkdir -p "$demo"
cp -R "$here/pictures" "$demo/pictures"
cd "$demo"
"$python" "$here/make_old_index.py" pictures scripts

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

# Since then one picture was renamed, one moved, one copied and one deleted.
mv pictures/landscapes/sunset-1.jpg pictures/evening.jpg
mkdir pictures/new-folder
mv pictures/landscapes/sunset-2.jpg pictures/new-folder/
cp pictures/animals/cat-1.jpg pictures/cat-again.jpg
rm pictures/landscapes/sunset-3.jpg

run vstore import --faiss scripts/old.faiss --embeddings scripts/old.npy --metadata scripts/old.json \
    --root pictures/ --model builtin-1 --by-name --report report.json
run vstore check --reembed 32 -q
run vstore status
run vstore sync -m "what the old index lacked"
run vstore search ./pictures/evening.jpg -k 3
run vstore rollback v1
run vstore undo
run vstore export exported/
run vstore --store again import --faiss exported/index.faiss --metadata exported/metadata.json
run vstore snapshot list
