"""All speed measurements by groups, or a quick look at some.

    python benchmarks/speed/bench.py                     # a quick look, nothing is written
    python benchmarks/speed/bench.py --list              # the groups, their commands and minutes
    python benchmarks/speed/bench.py --group cora dense  # these, into benchmarks/results
    python benchmarks/speed/bench.py --all               # every group

The minutes are estimates for two cores that do nothing else. A group that was broken off goes on
where it was when it is started again; `--again` measures anew what the files already have. Rows of
another graph or an older graphkit are replaced only so.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from lab import RESULTS

HERE = Path(__file__).parent
# Name, minutes, commands. Large graphs have the layers apart, so that a group is not a whole day.
GROUPS: dict[str, tuple[int, list[str]]] = {
    "first-call": (5, ["first_call.py"]),
    "cora": (8, ["cora_epochs.py --threads 1", "cora_epochs.py"]),
    "sampling": (3, ["sampling.py"]),
    "roofline": (10, ["roofline.py", "roofline.py --threads 1"]),
    "molecules": (45, ["steps.py --workload molecules --rounds 15"]),
    "sums": (45, ["steps.py --workload power-law --layers gcn sage gin"]),
    "extremes": (60, ["steps.py --workload power-law --layers sage-max edgeconv pna"]),
    "attention": (60, ["steps.py --workload power-law --layers gat gatv2 transformer"]),
    "messages": (60, ["steps.py --workload power-law --layers gate resgated gine mpnn"]),
    "large": (80, ["steps.py --workload large --rounds 3"]),
    "dense": (80, ["steps.py --workload dense --rounds 3"]),
    "growth": (
        20,
        [
            "steps.py --workload large --layers gcn gat gate --systems pyg --rounds 3 "
            "--scale 0.0005 0.005 0.05 0.5"
        ],
    ),
    "bf16": (
        25,
        [
            "steps.py --workload power-law --layers gcn sage gat gate --base graphkit-bf16 "
            "--systems graphkit dgl"
        ],
    ),
    "kept": (
        60,
        [
            "steps.py --workload power-law --layers gcn sage sage-max gat gate "
            "--systems pyg pyg-csr dgl --allocator kept",
            "steps.py --workload molecules --layers gcn gine mpnn --rounds 15 "
            "--systems pyg dgl --allocator kept",
        ],
    ),
}
QUICK = [
    "steps.py --workload power-law --scale 0.05 --layers gcn gat gate --systems pyg dgl "
    "--rounds 3 --at-once 2",
    "steps.py --workload molecules --layers gine --systems pyg dgl",
    "cora_epochs.py --systems pyg --rounds 1",
    "sampling.py --systems dgl --batches 10 --rounds 3",
    "roofline.py --features 64 --scale 0.2 --rounds 5",
]


def run(command: str, *further: str) -> None:
    script, *words = [*shlex.split(command), *further]
    print(f"$ python benchmarks/speed/{shlex.join([script, *words])}", flush=True)
    subprocess.run([sys.executable, str(HERE / script), *words], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--group", nargs="+", choices=GROUPS, default=[], help="measure these")
    parser.add_argument("--all", action="store_true", help="measure every group")
    parser.add_argument("--list", action="store_true", help="show the groups")
    parser.add_argument("--again", action="store_true", help="measure also what the files have")
    options = parser.parse_args()
    groups = list(GROUPS) if options.all or options.list else options.group
    if not groups:
        for command in QUICK:
            run(command)
    for group in groups:
        minutes, commands = GROUPS[group]
        print(f"{group}: {minutes} minutes", flush=True)
        for command in commands:
            if options.list:
                print(f"    python benchmarks/speed/{command}")
                continue
            file = RESULTS / Path(command.split()[0]).with_suffix(".csv")
            again = ["--again"] if options.again else []
            run(command, "--csv", str(file), *again)


if __name__ == "__main__":
    main()
