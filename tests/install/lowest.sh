#!/usr/bin/env bash
# The lowest of everything that pyproject.toml allows, torch aside: the tests of the core, models with adapters, then the
# matrix of adapters.
source "$(dirname "$0")/fresh.sh"

fresh uv
pip_install uv
uv=$bin/uv
lowest() {
    "$uv" pip install --quiet --python "$bin/python" --resolution lowest-direct "$@"
}

# The core by itself first: what models bring would lift some of its packages.
fresh lowest
lowest '.[cpu,heic,jxl,page,pandas,parquet,raw,tiff,watch]'
pip_install pytest hypothesis psutil pyte
versions
"$bin/python" -m pytest -q -p no:cacheprovider tests/store tests/cli tests/page/test_guards.py

fresh lowest
pip_install "$torch"
echo "$torch" > "$scratch/torch.txt"
lowest --constraints "$scratch/torch.txt" '.[cpu,heic,jxl,parquet,raw,tiff,model]'
pip_install pytest hypothesis psutil
versions
cd "$scratch"
"$bin/python" "$top/tests/install/models.py"
cd "$top"
"$bin/python" -m pytest -q -p no:cacheprovider tests/models/test_adapter_matrix.py tests/models/test_adapter_kinds.py
