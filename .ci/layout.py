#!/usr/bin/env python3
"""Checks what the compiler does not: no source file over 450 lines, and crates that know only whom they may know."""
import json
import pathlib
import subprocess
import sys

LIMIT = 450
# Who may depend on whom; see ARCHITECTURE.md.
MAY_KNOW = {
    "lb-core": set(),
    "lb-vrrp": set(),
    "lb-ipvs": {"lb-core"},
    "lb-health": {"lb-core"},
    "lb-nat": {"lb-core"},
    "lb-bins": {"lb-core", "lb-vrrp", "lb-ipvs", "lb-health", "lb-nat"},
    "lb-examples": {"lb-core", "lb-vrrp", "lb-ipvs", "lb-health", "lb-nat"},
}


def problems():
    files = subprocess.run(["git", "ls-files", "*.rs", "*.py"], check=True, capture_output=True, text=True).stdout
    for name in files.split():
        path = pathlib.Path(name)
        lines = path.read_text().count("\n") if path.exists() else 0
        if lines > LIMIT:
            yield f"{name} has {lines} lines, more than {LIMIT}: split it by concern"
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
