#!/usr/bin/env bash
# The newest of everything that pyproject.toml allows, torch aside: models with adapters are used as a user would.
source "$(dirname "$0")/fresh.sh"

fresh newest
pip_install "$torch"
pip_install '.[cpu,heic,parquet,model]'
versions
cd "$scratch"
"$bin/python" "$top/tests/install/models.py"
