#!/usr/bin/env bash
# tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
# Like tools/dist_run.sh.
set -euo pipefail
if [ $# -lt 2 ]; then sed -n '2,3s/^# //p' "$0" >&2; exit 2; fi
exec "$(dirname "$0")/dist_run.sh" train.py "$2" "$1" "${@:3}"
