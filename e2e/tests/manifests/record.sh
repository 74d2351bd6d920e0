#!/bin/sh
# Records what a real kustomize and a real kubectl make of the manifests, for the test that compares it.
# To be run after a change of manifests, on a machine with kubectl, or with what is named by KUBECTL. No cluster is asked.
set -eu

kubectl=${KUBECTL:-kubectl}
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../../..
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The overlay that docs/install.md tells to make.
cp -r "$root/manifests" "$work/manifests"
cp -r "$work/manifests/kind" "$work/manifests/mine"
# shellcheck disable=SC2016 # backquotes begin and end a block there
sed -n '/^```yaml$/,/^```$/p' "$root/docs/install.md" | sed '/^```/d' >>"$work/manifests/mine/kustomization.yaml"

for overlay in base kind podmonitor mine; do
  "$kubectl" kustomize "$work/manifests/$overlay" >"$here/recorded/$overlay.yaml"
done
"$kubectl" patch --local -f "$root/e2e/src/bin/image/kubeadm.yaml" -o yaml \
  --patch-file "$root/manifests/kubeadm/image.yaml" >"$here/recorded/kubeadm.yaml"
"$kubectl" version --client
