#!/bin/sh
# Builds the image from binaries that are there: TARGET/image/kube-proxy-ARCH.oci.tar, and its digest beside it.
# Two builds of a commit are equal as long as Debian's archive is; DEBIAN_MIRROR can name a snapshot of it.
#
# usage: build.sh ARCH BINARIES TARGET NAME
set -eu

arch=$1
binaries=$2
target=$3/image
name=$4
here=$(dirname "$0")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../../Cargo.toml" | head -n 1)
revision=$(git -C "$here" rev-parse HEAD)
[ -z "$(git -C "$here" status --porcelain --untracked-files=no)" ] || revision=$revision-dirty
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

case $arch in
  amd64) strip=x86_64-linux-gnu-strip ;;
  arm64) strip=aarch64-linux-gnu-strip ;;
  *) echo "unknown architecture $arch" >&2; exit 2 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/binaries"
for program in kube-proxy kpctl; do
  "$strip" --strip-all -o "$work/binaries/$program" "$binaries/$program"
done
# Folders of this machine say nothing to others, and would make the image differ from one built elsewhere.
source=$(cd "$here/../.." && pwd)
for folder in "${CARGO_HOME:-$HOME/.cargo}/" "$(rustc --print sysroot)/" "$source/" "$binaries/" "${HOME%/}/"; do
  if [ "$folder" != / ] && grep -laF -e "$folder" "$work"/binaries/*; then
    echo "they name $folder; make builds them without, by the flags that manifests/image/remap.sh prints" >&2
    exit 1
  fi
done
"$here/rootfs.sh" "$arch" "$work/rootfs"
archive=$target/kube-proxy-$arch.oci.tar
digest=$("$here/archive.sh" "$arch" "$work/rootfs" "$work/binaries" "$archive" "$name" "v$version" "$revision" |
  tail -n 1)
echo "$digest" >"$archive.digest"
echo "$archive: $name, $(du -m --apparent-size "$archive" | cut -f1) MB, $digest"
