#!/bin/sh
# Prints the flags by which rustc names files as they are called everywhere, and not where they are on this machine.
# If several fit, the last one counts.
#
# usage: remap.sh TARGET
set -eu

source=$(cd "$(dirname "$0")/../.." && pwd)
cargo=${CARGO_HOME:-$HOME/.cargo}
rust=$(rustc --print sysroot)
commit=$(rustc -vV | sed -n 's/^commit-hash: //p')

remap() {
  printf ' --remap-path-prefix=%s=%s' "$1" "$2"
}

remap "$cargo" /cargo
# One folder for each registry, whose name depends on where crates come from.
for registry in "$cargo"/registry/src/*/; do
  remap "${registry%/}" /cargo
done
remap "$rust/lib/rustlib/src/rust" "/rustc/$commit"
remap "$source" /src
remap "$1" /target
echo
