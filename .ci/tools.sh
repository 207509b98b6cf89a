# shellcheck shell=bash
# Cargo's tools in fixed versions, kept between runs; sourced. A build without optimization is enough: they run for seconds.

tools=${LB_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/lb-tools}
export PATH="$tools/bin:$PATH"

# install_tool NAME VERSION
install_tool() {
  local name=$1 version=$2
  # What cargo has installed there, and from which version of the package.
  if ! grep -qs "^\"$name $version " "$tools/.crates.toml"; then
    CARGO_TARGET_DIR="$tools/target" cargo install --quiet --debug --locked --root "$tools" "$name@$version"
  fi
}

install_tools() {
  install_tool cargo-machete 0.9.2
  install_tool cargo-deny 0.20.2
  rm -rf "$tools/target"
}
