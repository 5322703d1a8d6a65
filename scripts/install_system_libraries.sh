#!/usr/bin/env bash
# Checks for what pip cannot bring. Missing packages are installed where that needs no question
# (root on Debian or Ubuntu) and named elsewhere.
# Usage: install_system_libraries.sh [PYTHON]
set -euo pipefail
python=${1:-python3}

missing=()
if ! command -v "$python" >/dev/null; then
    missing=(python3 python3-venv)
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    echo "napari-metaseg needs Python 3.10 or newer, but $python is" \
        "$("$python" --version); name another one: make PYTHON=python3.12 ..." >&2
    exit 1
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    # Debian and Ubuntu split the module that makes virtual environments off.
    missing=("$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
fi
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"
else
    echo "Missing system packages: ${missing[*]}" >&2
    echo "Install them first, on Debian or Ubuntu: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
