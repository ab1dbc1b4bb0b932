#!/usr/bin/env bash
# Make a Debian base image without a registry: containers/debian_base.sh BASE.tar [SUITE]
# BASE.tar is a root file system with Python and its venv module, which containers/check.sh takes as BASE.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: $0 BASE.tar [SUITE]" >&2; exit 2; }
command -v mmdebstrap > /dev/null || { echo "mmdebstrap is not installed: apt-get install mmdebstrap" >&2; exit 2; }
exec mmdebstrap --variant=minbase --include=ca-certificates,python3,python3-venv "${2:-bookworm}" "$1"
