#!/usr/bin/env bash
# The newest of everything that pyproject.toml allows, torch aside: models with adapters are used as a user would, then
# the matrix of adapters, the layouts of other libraries, and the pixels of old spaces.
source "$(dirname "$0")/fresh.sh"

fresh newest
pip_install "$torch"
pip_install '.[cpu,heic,parquet,model]'
pip_install --no-deps open_clip_torch timm
pip_install pytest hypothesis psutil
versions
cd "$scratch"
"$bin/python" "$top/tests/install/models.py"
cd "$top"
"$bin/python" -m pytest -q -p no:cacheprovider tests/models/test_adapter_matrix.py tests/models/test_adapter_kinds.py \
    tests/models/test_open_clip.py tests/models/test_timm.py tests/store/test_images_golden.py
