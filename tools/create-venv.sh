#!/usr/bin/env bash
# Create a virtual environment with pip in it:  tools/create-venv.sh PYTHON FOLDER
set -euo pipefail

python=$1
folder=$2

if ! command -v "$python" >/dev/null; then
  echo "wilks needs Python 3.11 or newer, but there is no '$python' on PATH." >&2
  echo "Name one with: make PYTHON=/path/to/python3.11 ..." >&2
  exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "wilks needs Python 3.11 or newer, but '$python' is $("$python" --version)." >&2
  echo "Name another with: make PYTHON=/path/to/python3.11 ..." >&2
  exit 1
fi

if "$python" -c 'import ensurepip' 2>/dev/null; then
  "$python" -m venv "$folder"
else
  # Debian keeps ensurepip in a package of its own (python3-venv); the pip of the system can step in.
  "$python" -m venv --without-pip "$folder"
  "$python" -m pip --python "$folder/bin/python" install --quiet pip
fi
