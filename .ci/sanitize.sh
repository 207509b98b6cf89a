#!/usr/bin/env bash
# Runs the tests that reach `unsafe` code under AddressSanitizer. Miri has none of the system calls that this code is for.
set -euo pipefail
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')

# The stable toolchain has the runtime, behind a flag that is not stable. With `--target`, build scripts and macros are built
# without it.
case $host in
  x86_64-unknown-linux-gnu | aarch64-unknown-linux-gnu)
    under_asan() {
      RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=target/sanitize \
        cargo test --quiet --locked --target "$host" "$@"
    }
    # Batches of datagrams in the relay.
    under_asan -p lb-nat --no-default-features --features relay --test relay_udp --test relay_udp_limits
    # Batches of advertisements, and everything else that the driver asks of the system.
    under_asan -p lb-vrrp --lib driver::linux
    under_asan -p lb-vrrp --test driver_linux
    ;;
  *) echo "sanitize: skipped: AddressSanitizer is not available for $host" ;;
esac
