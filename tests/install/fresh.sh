# Sourced by the lanes: a fresh virtual environment each, gone at the end unless KEEP=1.
# PYTHON: the interpreter; TORCH: the torch that is installed before what would choose another.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
top=$PWD
python=${PYTHON:-python3}
torch=${TORCH:-$(grep '^torch==' constraints.txt)}
scratch=$(mktemp -d)
made=()
unset PYTHONPATH
export PIP_DISABLE_PIP_VERSION_CHECK=1

tidy() {
    rm -rf "$scratch"
    if [ -z "${KEEP:-}" ] && [ ${#made[@]} -gt 0 ]; then rm -rf "${made[@]}"; fi
}
trap tidy EXIT

# fresh NAME [PYTHON]: makes .venv-NAME anew; $bin is its folder of programs.
fresh() {
    bin=$top/.venv-$1/bin
    made+=("$top/.venv-$1")
    rm -rf "$top/.venv-$1"
    "${2:-$python}" -m venv "$top/.venv-$1"
}

pip_install() {
    "$bin/python" -m pip install --quiet "$@"
}

# Says which versions were resolved: what differs between two runs of a lane is often just that.
versions() {
    "$bin/python" -m pip list --format freeze | grep -v -E '^(pip|setuptools|vstore-index)==' | paste -s -d ' ' -
}
