#!/usr/bin/env bash
# Checks for what pip cannot bring. Missing packages are installed where that needs no question
# (root on Debian or Ubuntu) and named elsewhere.
# Usage: install_system_libraries.sh PYTHON [window] [screen]
#   PYTHON  must be able to make a virtual environment
#   window  Linux: the libraries that Qt opens a window with
#   screen  Linux: a virtual screen, for where there is no other
set -euo pipefail
python=${1:-python3}
wanted=" ${*:2} "

# What Qt's wheels expect of the system, and the Debian package of each.
libraries="
libEGL.so.1                libegl1
libGL.so.1                 libgl1
libX11-xcb.so.1            libx11-xcb1
libdbus-1.so.3             libdbus-1-3
libfontconfig.so.1         libfontconfig1
libglib-2.0.so.0           libglib2.0-0
libxcb-cursor.so.0         libxcb-cursor0
libxcb-icccm.so.4          libxcb-icccm4
libxcb-image.so.0          libxcb-image0
libxcb-keysyms.so.1        libxcb-keysyms1
libxcb-randr.so.0          libxcb-randr0
libxcb-render-util.so.0    libxcb-render-util0
libxcb-shape.so.0          libxcb-shape0
libxcb-sync.so.1           libxcb-sync1
libxcb-xfixes.so.0         libxcb-xfixes0
libxcb-xkb.so.1            libxcb-xkb1
libxkbcommon-x11.so.0      libxkbcommon-x11-0
"

# Reads lines like those above and prints the packages whose library cannot be loaded. Loading tells
# more than the list of packages: their names differ from one Linux to the next.
load='
import ctypes, sys
for line in filter(str.strip, sys.stdin):
    library, package = line.split()
    try:
        ctypes.CDLL(library)
    except OSError:
        print(package)
'

missing=()
if ! command -v "$python" >/dev/null; then
    missing+=(python3 python3-venv)
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    echo "napari-metaseg needs Python 3.10 or newer, but $python is" \
        "$("$python" --version); name another one: make PYTHON=python3.12 ..." >&2
    exit 1
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    # Debian and Ubuntu split the module that makes virtual environments off.
    missing+=("$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
fi
if [[ $(uname -s) == Linux && $wanted == *" window "* ]]; then
    if command -v "$python" >/dev/null; then
        missing+=($("$python" -c "$load" <<<"$libraries"))
    else
        missing+=($(awk '{print $2}' <<<"$libraries"))
    fi
fi
if [[ $(uname -s) == Linux && $wanted == *" screen "* ]]; then
    command -v Xvfb >/dev/null && command -v xvfb-run >/dev/null || missing+=(xvfb)
    command -v xauth >/dev/null || missing+=(xauth)
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
