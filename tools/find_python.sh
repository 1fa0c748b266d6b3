#!/usr/bin/env bash
# Prints the first Python that Headrace runs on, of the given ones or of those in PATH: tools/find_python.sh [PYTHON ...]
# Fails with one line if there is none.
set -euo pipefail
candidates=("$@")
[ $# -gt 0 ] || candidates=(python3.11 python3.12 python3.13 python3)
rejected=()
for candidate in "${candidates[@]}"; do
  path=$(command -v "$candidate") || continue
  version=$("$path" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue # a shim without its Python
  if "$path" -c 'import sys; sys.exit(not (3, 11, 4) <= sys.version_info < (3, 14))'; then
    echo "$path"
    exit 0
  fi
  rejected+=("$path is $version;")
done
echo "setup: no Python 3.11.4 to 3.13 among ${candidates[*]};${rejected[*]:+ ${rejected[*]}} install one, or name it:" \
  'make setup PYTHON=/path/to/python3.12' >&2
exit 1
