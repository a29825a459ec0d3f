#!/bin/sh
# Makes a Python environment with ONNX Runtime in the folder that is named.
set -eu
python3 -m venv "$1"
"$1/bin/pip" install --quiet --disable-pip-version-check numpy onnx==1.23.2 onnxruntime==1.31.1
