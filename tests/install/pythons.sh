#!/usr/bin/env bash
# The tests of the core under every newer Python that this machine has, on the path or among pyenv's.
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
echo "Pythons from 3.12 on: ${#found[@]} found${found[*]:+: ${found[*]}}"
failed=()
for one in ${found[@]+"${found[@]}"}; do
    "$one" --version
    fresh python "$one"
    pip_install '.[cpu,heic,jxl,parquet,raw,tiff,watch]' pytest hypothesis psutil pyte
    versions
    "$bin/python" -m pytest -q -p no:cacheprovider tests/store tests/cli || failed+=("$one")
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "Failed under: ${failed[*]}"
    exit 1
fi
