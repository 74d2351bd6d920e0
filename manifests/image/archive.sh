#!/bin/sh
# Turns a root file system and binaries into an OCI image archive. The same input gives the same bytes.
#
# The archive is an OCI layout with the names that containerd, podman and docker each look for, and the index of
# `docker save` for a docker that does not read layouts. No registry and no engine takes part.
#
# usage: archive.sh ARCH ROOTFS BINARIES ARCHIVE NAME VERSION REVISION
set -eu

arch=$1
rootfs=$2
binaries=$3
archive=$4
name=$5
version=$6
revision=$7
: "${SOURCE_DATE_EPOCH:?is the time of the image}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
layout=$work/layout
image=$layout:image
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

pack() {
  tar --sort=name --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
    --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "$1" -cf "$2" .
}

config() {
  umoci config --image "$image" --no-history --created "$created" "$@"
}

layer() {
  pack "$1" "$work/layer.tar"
  umoci raw add-layer --image "$image" --history.created "$created" --history.created_by "$2" \
    --history.comment '' --history.author '' "$work/layer.tar"
}

umoci init --layout "$layout"
umoci new --image "$image"
# Two layers: the second is all that an upgrade has to load.
layer "$rootfs" 'Debian packages'
mkdir -p "$work/own/usr/local/bin"
install -m 755 "$binaries/kube-proxy" "$binaries/kpctl" "$work/own/usr/local/bin"
find "$work/own" -type d -exec chmod 755 {} +
layer "$work/own" "kube-proxy $version"
config --os linux --architecture "$arch" \
  --config.entrypoint /usr/local/bin/kube-proxy --config.workingdir / \
  --config.env PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  --config.label org.opencontainers.image.title=kube-proxy \
  --config.label 'org.opencontainers.image.description=A drop-in kube-proxy, iptables mode, in Rust' \
  --config.label org.opencontainers.image.licenses=Apache-2.0 \
  --config.label "org.opencontainers.image.version=$version" \
  --config.label "org.opencontainers.image.revision=$revision" \
  --config.label "org.opencontainers.image.created=$created" \
  --config.label org.opencontainers.image.base.name=debian:bookworm
umoci gc --layout "$layout"

blob() {
  jq -er "$1" "$2" | sed 's,^sha256:,blobs/sha256/,'
}
index=$layout/index.json
jq -cS --arg name "$name" --arg arch "$arch" '.manifests[0] += {
    annotations: {"io.containerd.image.name": $name, "org.opencontainers.image.ref.name": $name},
    platform: {architecture: $arch, os: "linux"}
  }' "$index" >"$work/index.json"
mv "$work/index.json" "$index"
manifest=$layout/$(blob '.manifests[0].digest' "$index")
jq -cS --arg name "$name" '[{
    Config: .config.digest, RepoTags: [$name], Layers: [.layers[].digest]
  }]' "$manifest" | sed 's,sha256:,blobs/sha256/,g' >"$layout/manifest.json"

find "$layout" -type d -exec chmod 755 {} +
find "$layout" -type f -exec chmod 644 {} +
mkdir -p "$(dirname "$archive")"
pack "$layout" "$work/archive.tar"
mv "$work/archive.tar" "$archive"
jq -r '.manifests[0].digest' "$index"
