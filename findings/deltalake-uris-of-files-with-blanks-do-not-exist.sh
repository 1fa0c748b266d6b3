#!/usr/bin/env bash
# deltalake 1.6.6: DeltaTable.file_uris() quotes the folder of the table for URLs and not the names below it, so that of a
# table in a folder with a blank in its name no path that it returns exists; nor is it a URL.
#
# Seen: write_deltalake("my table", ...), one partition column. os.path.exists is False for each of file_uris(). Unquoting
# helps for town=Ulm; not for the value "New York", whose folder on disk is town=New%20York, quoted itself. The same table
# in a folder without a blank: all paths exist as they are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet deltalake==1.6.6 pyarrow==25.0.1 2> /dev/null
cd "$folder"
venv/bin/python - <<'PYTHON'
import os
import sys
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

table = pa.table({"size": [1, 2], "town": ["Ulm", "New York"]})
found = {}
for name in ("my table", "table"):
    write_deltalake(name, table, partition_by=["town"])
    paths = [uri.removeprefix("file://") for uri in DeltaTable(name).file_uris()]
    found[name] = [os.path.exists(path) for path in paths], [os.path.exists(unquote(path)) for path in paths]
    for path in sorted(paths):
        print(f"{name!r}: .../{path.split('/', path.count('/') - 1)[-1]}: exists: {os.path.exists(path)}")
print(found)
sys.exit(0 if not any(found["my table"][0]) and all(found["table"][0]) else "the behaviour has changed")
PYTHON
