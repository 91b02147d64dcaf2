#!/usr/bin/env bash
# The tests of the core under the newest Python that this machine has, on the path or among pyenv's; under each one between
# 3.11 and it a choice of them.
source "$(dirname "$0")/fresh.sh"

works='import sys, ensurepip, sqlite3, venv; sys.exit(sys.version_info[:2] != (3, int(sys.argv[1])))'
pyenv=${PYENV_ROOT:-$HOME/.pyenv}
found=()
for minor in $(seq 12 30); do
    for one in "python3.$minor" "$pyenv/versions/3.$minor".*/bin/python; do
        if "$one" -c "$works" "$minor" > /dev/null 2>&1; then
            found+=("$one")
            break
        fi
    done
done
# `make test` runs all of them under 3.11. A Python between that and the newest hardly breaks anything alone: what it took
# away or warns of, the newest took away too, and what it lacks yet, 3.11 lacks. So it runs every command, and what leans
# on the interpreter and the system most: modules, plug-ins and packages, processes, forks, threads and locks, files and
# folders, signals, and the numbers and texts that are stored.
choice=(tests/cli)
for one in absent_parts canonical catalogue durable environment export extras face format format_2 images import \
    independent_reader inside journal listing lock old_program packages packs paths patterns plugins pool reader \
    repository scan search segments served sync sync_commit sync_keep watch; do
    choice+=("tests/store/test_$one.py")
done
echo "Pythons from 3.12 on: ${#found[@]} found${found[*]:+: ${found[*]}}"
failed=()
for one in ${found[@]+"${found[@]}"}; do
    "$one" --version
    fresh python "$one"
    pip_install '.[cpu,heic,jxl,page,parquet,raw,tiff,watch]' pytest hypothesis psutil pyte
    versions
    tests=("${choice[@]}")
    [ "$one" != "${found[-1]}" ] || tests=(tests/store tests/cli tests/page/test_guards.py)
    echo "${tests[@]}"
    "$bin/python" -m pytest -q -p no:cacheprovider "${tests[@]}" || failed+=("$one")
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "Failed under: ${failed[*]}"
    exit 1
fi
