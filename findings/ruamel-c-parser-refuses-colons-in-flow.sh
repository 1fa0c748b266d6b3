#!/usr/bin/env bash
# ruamel.yaml 0.19.1 with the optional ruamel.yaml.clib 0.2.15, and DVC 3.67.1, which reads params.yaml with both.
#
# Seen: whether the C parser is installed decides which YAML DVC can read, and what it means.
# - a plain value with a colon in a flow mapping or list ({name: my_nets:Two}, [a:b]), which YAML 1.2 allows, is
#   the value without the C parser, and "YAML file structure is corrupted" with it;
# - under "%YAML 1.1", no is False without the C parser, and the string "no" with it.
# Nothing depends on ruamel.yaml.clib since ruamel.yaml 0.19, but any other package may bring it into an environment;
# it parses a usual params.yaml in a third of the time, which makes it tempting.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dvc==3.67.1 ruamel.yaml==0.19.1
cat > "$folder/read.py" <<'PYTHON'
from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml

for text in ("model: {name: my_nets:Two}", "columns: [a:b, c]", "%YAML 1.1\n---\nuse: no"):
    try:
        print(parse_yaml(text, "params.yaml"))
    except YAMLFileCorruptedError as error:
        print(error)
PYTHON
"$folder/venv/bin/python" "$folder/read.py" | tee "$folder/without"
"$folder/venv/bin/pip" install --quiet ruamel.yaml.clib==0.2.15
"$folder/venv/bin/python" "$folder/read.py" | tee "$folder/with"
diff "$folder/without" - <<'TEXT'
{'model': {'name': 'my_nets:Two'}}
{'columns': ['a:b', 'c']}
{'use': False}
TEXT
diff "$folder/with" - <<'TEXT'
unable to read: 'params.yaml', YAML file structure is corrupted
unable to read: 'params.yaml', YAML file structure is corrupted
{'use': 'no'}
TEXT
echo 'as described'
