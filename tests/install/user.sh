#!/usr/bin/env bash
# vstore as a user gets it: no constraints, no development tools, no sources in sight. The tour runs, doctor is content, the
# page is served.
source "$(dirname "$0")/fresh.sh"

fresh user
pip_install '.[cpu]'
versions
cd "$scratch"
PATH="$bin:$PATH" sh "$top/examples/tour.sh" demo
"$bin/vstore" doctor

# Without its extra the page says how to get it; with it, it is all there.
if "$bin/vstore" --store demo/.vstore serve --no-open 2> missing; then exit 1; fi
grep "pip install 'vstore-index\[page\]'" missing
pip_install "$top[page]"
"$bin/python" "$top/tests/install/page.py" "$bin/vstore" demo/.vstore
