#!/usr/bin/env bash
# Installs uv.lock and this package into the virtual environment VENV: tools/setup.sh VENV
# HEADRACE_SETUP_BY=pip: as if uv could not be had. TORCH=cpu: torch without CUDA, from PyTorch's own index (0.7 in place of 5 GB). Without uv, pip installs the same.
set -euo pipefail
venv=$1
pip=("$venv/bin/python" -m pip --disable-pip-version-check)
export VIRTUAL_ENV=$PWD/$venv UV_PROJECT_ENVIRONMENT=$venv

if [ "${HEADRACE_SETUP_BY:-}" = pip ] || ! "${pip[@]}" install --quiet 'uv>=0.13,<0.14'; then
  echo 'setup: without uv; pip installs the same versions, which takes some minutes'
  "$venv/bin/python" tools/lock_requirements.py >"$venv/requirements.txt"
  "${pip[@]}" install --no-deps --require-hashes --requirement "$venv/requirements.txt"
  "${pip[@]}" install --quiet --no-deps --no-build-isolation --editable .
elif [ "${TORCH:-}" = cpu ]; then
  uv=$venv/bin/uv
  "$uv" export --quiet --frozen --no-emit-project --prune torch --output-file "$venv/requirements.txt"
  "$uv" export --quiet --frozen --no-emit-project --no-hashes --output-file "$venv/constraints.txt"
  "$uv" pip install --no-deps --requirement "$venv/requirements.txt"
  "$uv" pip install --torch-backend cpu --constraint "$venv/constraints.txt" torch
  "$uv" pip install --no-deps --editable .
else
  "$venv/bin/uv" sync --frozen --inexact
fi
