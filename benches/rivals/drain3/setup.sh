#!/bin/sh
# Makes a Python environment with Drain3 in the folder that is named.
set -eu
python3 -m venv "$1"
"$1/bin/pip" install --quiet --disable-pip-version-check drain3==0.9.11
