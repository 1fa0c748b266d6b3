#!/usr/bin/env bash
# Installs uv.lock and this package into the virtual environment VENV: tools/setup.sh VENV
# TORCH=cpu: torch without CUDA, from PyTorch's own index (0.7 in place of 5 GB).
# Where uv cannot be had or cannot download, pip installs the same; HEADRACE_SETUP_BY=pip: at once.
set -euo pipefail
venv=$1
pip=("$venv/bin/python" -m pip --disable-pip-version-check)
uv=$venv/bin/uv
export VIRTUAL_ENV=$PWD/$venv UV_PROJECT_ENVIRONMENT=$venv
export UV_PYTHON_DOWNLOADS=never # the Python of VENV was chosen before
export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true} # the certificates of this machine, as pip uses them

install_cpu() {
  "$uv" export --quiet --frozen --no-emit-project --prune torch --output-file "$venv/requirements.txt" &&
    "$uv" export --quiet --frozen --no-emit-project --no-hashes --output-file "$venv/constraints.txt" &&
    "$uv" pip install --no-deps --requirement "$venv/requirements.txt" &&
    "$uv" pip install --torch-backend cpu --constraint "$venv/constraints.txt" torch &&
    "$uv" pip install --no-deps --editable .
}

install_by_pip() {
  "$venv/bin/python" tools/lock_requirements.py >"$venv/requirements.txt"
  "${pip[@]}" install --no-deps --require-hashes --requirement "$venv/requirements.txt"
  "${pip[@]}" install --quiet --no-deps --no-build-isolation --editable .
}

if [ "${HEADRACE_SETUP_BY:-}" = pip ] || ! "${pip[@]}" install --quiet 'uv>=0.13,<0.14'; then
  echo 'setup: without uv; pip installs the same versions, which takes some minutes'
  install_by_pip
elif [ "${TORCH:-}" = cpu ]; then
  install_cpu
elif ! "$uv" sync --frozen --inexact; then
  echo 'setup: uv failed, as it says above; pip installs the same versions, which takes some minutes'
  install_by_pip
fi
