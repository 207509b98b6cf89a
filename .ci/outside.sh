#!/usr/bin/env bash
# Crates outside of this workspace, each with one of its libraries as the only dependency, run the example of its
# documentation and a program on it.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export CARGO_TARGET_DIR="$root/target/outside"

# build LIBRARY PROGRAM: the crate `outside-LIBRARY`, which is the example, and the program's name.
build() {
  local library=$1 program=$2 crate="$folder/$1"
  mkdir -p "$crate/src/bin"
  cat >"$crate/Cargo.toml" <<EOF
[package]
name = "outside-$library"
version = "0.1.0"
edition = "2024"

[dependencies]
$library = { path = "$root/$library" }
EOF
  {
    echo 'fn main() -> Result<(), Box<dyn std::error::Error>> {'
    # The first example of the library's documentation, without the comment marks and what types its end.
    awk '/^\/\/! ```/ { if (inside) exit; inside = 1; next }
      inside && !/^\/\/! # Ok/ { sub(/^\/\/! ?/, ""); sub(/^# /, ""); print }' "$root/$library/src/lib.rs"
    echo 'Ok(())'
    echo '}'
  } >"$crate/src/main.rs"
  cp "$root/$program" "$crate/src/bin/"
  cp "$root/Cargo.lock" "$crate/"
  (cd "$crate" && cargo build --quiet)
}

build lb-vrrp examples/two_routers.rs
"$CARGO_TARGET_DIR/debug/outside-lb-vrrp"
"$CARGO_TARGET_DIR/debug/two_routers" | tail -n 3

build lb-ipvs lb-ipvs/examples/list.rs
# Where the kernel has no IP Virtual Server, one clear line.
if ! [[ -e /proc/net/ip_vs ]]; then
  ("$CARGO_TARGET_DIR/debug/list" 2>&1 || true) | grep 'modprobe ip_vs'
fi
# Where it has, the table.
cat >"$folder/list.sh" <<EOF
set -e
modprobe ip_vs
ipvsadm -A -t 10.0.0.1:80 -s wlc
ipvsadm -a -t 10.0.0.1:80 -r 192.168.0.1:80 -m -w 3
"$CARGO_TARGET_DIR/debug/outside-lb-ipvs"
"$CARGO_TARGET_DIR/debug/list"
EOF
CARGO_TARGET_DIR="$root/target" cargo run --quiet --locked --manifest-path "$root/Cargo.toml" --bin lbctl -- \
  lab vm sh "$folder/list.sh" | tee "$folder/listed"
grep -q '^tcp:10.0.0.1:80 wlc' "$folder/listed"
[[ $(grep -c -e '-> 192.168.0.1:80 .*weight 3' "$folder/listed") == 2 ]]
