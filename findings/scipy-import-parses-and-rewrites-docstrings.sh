#!/usr/bin/env bash
# scipy 1.17.1: a third of the CPU time of `import scipy.stats` and its neighbours goes into parsing docstrings and
# writing them anew: decorators add tables of supported array libraries, and parameters such as nan_policy.
#
# Seen (Python 3.11, two cores): importing scipy.optimize, scipy.signal and scipy.stats parses 809 docstrings, 35 to 38 %
# of the CPU time; 1.18, 1.31 and 1.05 CPU-seconds, and 0.66, 0.66 and 0.67 with a parser that returns empty sections.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet scipy==1.17.1 numpy==2.4.6 2> /dev/null
cd "$folder"
cat > measure.py <<'PYTHON'
import sys
import time

import numpy

started = time.process_time()
import scipy._lib._docscrape as docscrape

seconds, number, original = 0.0, 0, docscrape.FunctionDoc


class Timed(original):
    def __init__(self, *arguments, **options):
        global seconds, number
        begin = time.process_time()
        super().__init__(*arguments, **options)
        seconds, number = seconds + time.process_time() - begin, number + 1

    def __str__(self):
        global seconds
        begin = time.process_time()
        text = super().__str__()
        seconds += time.process_time() - begin
        return text


docscrape.FunctionDoc = Timed
import scipy.optimize
import scipy.signal
import scipy.stats

share = seconds / (time.process_time() - started)
print(f"{number} docstrings parsed, {100 * share:.0f} % of the CPU time of the import")
sys.exit(not (number > 400 and share > 0.25))
PYTHON
for _ in 1 2 3; do venv/bin/python measure.py; done
