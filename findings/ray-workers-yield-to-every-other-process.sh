#!/usr/bin/env bash
# ray 2.60.0: tasks and actors run at niceness 15, whatever the program that starts them runs at. Where other processes of
# niceness 0 want the same cores, a worker gets some 3 % of one (weights of 36 and 1024 in Linux's scheduler); where the
# kernel groups processes by session (sched_autogroup_enabled) the niceness hardly matters, which hides it on desktops.
#
# Seen: 15 in a task and in an actor, 0 in the program; 0 everywhere with RAY_worker_niceness=0 in its environment before
# ray.init or ray start. A training on two Ray workers beside two busy processes on two cores, autogroups off: not one of
# 25 steps of a small network in ten minutes, which take seconds in the program itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ray==2.60.0 2> /dev/null
cat > "$folder/niceness.py" <<'PYTHON'
import os

import ray

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")


@ray.remote
def task():
    return os.nice(0)


@ray.remote
class Actor:
    def read(self):
        return os.nice(0)


print(os.nice(0), ray.get(task.remote()), ray.get(Actor.remote().read.remote()))
PYTHON
default=$("$folder/venv/bin/python" "$folder/niceness.py" 2> /dev/null)
set_to_0=$(RAY_worker_niceness=0 "$folder/venv/bin/python" "$folder/niceness.py" 2> /dev/null)
echo "niceness of program, task and actor: $default; with RAY_worker_niceness=0: $set_to_0"
[ "$default" = '0 15 15' ] && [ "$set_to_0" = '0 0 0' ] || { echo 'the behaviour has changed' >&2; exit 1; }
