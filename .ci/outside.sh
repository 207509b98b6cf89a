#!/usr/bin/env bash
# A crate outside of this workspace, with lb-vrrp as its only dependency, runs the example of its documentation and a
# program on it.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
crate=$(mktemp -d)
trap 'rm -rf "$crate"' EXIT

mkdir -p "$crate/src/bin"
cat >"$crate/Cargo.toml" <<EOF
[package]
name = "outside"
version = "0.1.0"
edition = "2024"

[dependencies]
lb-vrrp = { path = "$root/lb-vrrp" }
EOF
{
  echo 'fn main() -> Result<(), Box<dyn std::error::Error>> {'
  # The first example of the crate's documentation, without the comment marks.
  awk '/^\/\/! ```/ { if (inside) exit; inside = 1; next } inside { sub(/^\/\/! ?/, ""); sub(/^# /, ""); print }' \
    "$root/lb-vrrp/src/lib.rs"
  echo '}'
} >"$crate/src/main.rs"
cp "$root/examples/two_routers.rs" "$crate/src/bin/"
cp "$root/Cargo.lock" "$crate/"

cd "$crate"
export CARGO_TARGET_DIR="$root/target/outside"
cargo run --quiet --bin outside
cargo run --quiet --bin two_routers | tail -n 3
