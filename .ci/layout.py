#!/usr/bin/env python3
"""Checks what the compiler does not: no source file over 600 lines, and crates that know only whom they may know."""
import json
import pathlib
import subprocess
import sys

GUIDE, LIMIT = 450, 600
LIBRARIES = {"lb-core", "lb-vrrp", "lb-ipvs", "lb-health", "lb-nat"}
DAEMONS = {"lb-director", "lb-failover"}
SHARED = {"lb-runtime", "lb-config", "lb-control", "lb-balancer", "lb-ipvsadm", "lb-lab", "lbctl"}
# Who may depend on whom; see ARCHITECTURE.md.
MAY_KNOW = {
    "lb-core": set(),
    "lb-vrrp": set(),
    "lb-ipvs": {"lb-core"},
    "lb-health": {"lb-core"},
    "lb-nat": {"lb-core"},
    "lb-runtime": {"lb-core"},
    "lb-config": {"lb-core", "lb-health", "lb-vrrp", "lb-runtime"},
    "lb-control": {"lb-core", "lb-vrrp", "lb-runtime", "lb-config"},
    "lb-balancer": {"lb-core", "lb-health", "lb-ipvs", "lb-nat", "lb-runtime", "lb-config", "lb-control"},
    "lb-director": LIBRARIES | {"lb-runtime", "lb-config", "lb-control", "lb-balancer"},
    "lb-failover": LIBRARIES | {"lb-runtime", "lb-config", "lb-control", "lb-balancer"},
    "lb-ipvsadm": {"lb-core", "lb-ipvs", "lb-config"},
    "lb-lab": {"lb-core", "lb-vrrp", "lb-nat", "lb-runtime", "lb-config"},
    "lbctl": LIBRARIES | DAEMONS | {"lb-runtime", "lb-config", "lb-control", "lb-balancer", "lb-ipvsadm", "lb-lab"},
    "lb-bins": LIBRARIES | DAEMONS | SHARED,
    "lb-examples": {"lb-core", "lb-vrrp", "lb-ipvs", "lb-health", "lb-nat"},
}


def problems():
    files = subprocess.run(["git", "ls-files", "*.rs", "*.py"], check=True, capture_output=True, text=True).stdout
    for name in files.split():
        path = pathlib.Path(name)
        lines = path.read_text().count("\n") if path.exists() else 0
        if lines > LIMIT:
            yield f"{name} has {lines} lines, more than {LIMIT}: split it by concern"
        elif lines > GUIDE:
            print(f"layout: {name} has {lines} lines, more than {GUIDE}: does it hold two concerns?")
    command = ["cargo", "metadata", "--no-deps", "--format-version=1", "--offline"]
    packages = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["packages"]
    ours = {package["name"] for package in packages}
    for name in sorted(ours ^ set(MAY_KNOW)):
        yield f"{name} is not both a crate and in {sys.argv[0]}"
    for package in packages:
        known = {dependency["name"] for dependency in package["dependencies"]} & ours
        for other in sorted(known - MAY_KNOW.get(package["name"], set())):
            yield f"{package['name']} must not depend on {other}"


found = list(problems())
print("\n".join(found) or "layout: files and dependencies are as ARCHITECTURE.md says")
sys.exit(bool(found))
