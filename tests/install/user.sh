#!/usr/bin/env bash
# vstore as a user gets it: no constraints, no development tools, no sources in sight. The tour runs, doctor is content.
source "$(dirname "$0")/fresh.sh"

fresh user
pip_install '.[cpu]'
versions
cd "$scratch"
PATH="$bin:$PATH" sh "$top/examples/tour.sh" demo
"$bin/vstore" doctor
