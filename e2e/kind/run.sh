#!/usr/bin/env bash
# Replaces kube-proxy in a kind cluster, checks traffic, runs conformance tests, and goes back under traffic.
#
# Needs docker, kind, kubectl and curl, and a registry for the node image and the images of the test pods: it cannot
# run without a network. ARCHIVE is the image as `make image` builds it, IMAGE its name.
# KEEP=1 leaves the cluster, CONFORMANCE=0 leaves out the conformance tests, which take about an hour.
# shellcheck disable=SC2317 # functions are called by trap, and by name
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
: "${ARCHIVE:?is the image archive}" "${IMAGE:?is the name of the image}"
CLUSTER=${CLUSTER:-kp-e2e}
FAILED=0
WORK=$(mktemp -d)
# shellcheck source=e2e/kind/traffic.sh
. "$here/traffic.sh"
# shellcheck source=e2e/kind/conformance.sh
. "$here/conformance.sh"

missing=
for program in docker kind kubectl curl; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ]; then
  echo "e2e-kind: not found:$missing" >&2
  exit 2
fi
if ! docker info >/dev/null 2>&1; then
  echo "e2e-kind: docker does not answer; this test needs a machine with docker and a container registry" >&2
  exit 2
fi

finish() {
  local status=$?
  if [ "$status" != 0 ]; then
    mkdir -p "${LOGS:-$WORK/logs}"
    kind export logs --name "$CLUSTER" "${LOGS:-$WORK/logs}" || true
    echo "logs are in ${LOGS:-$WORK/logs}" >&2
  else
    rm -rf "$WORK"
  fi
  [ "${KEEP:-0}" = 1 ] || kind delete cluster --name "$CLUSTER" || true
}

# A request each 0.2 s to the cluster IP while kube-proxy is replaced; failures are counted.
traffic_during() {
  local name=$1 address
  shift
  address=$(addresses_of web | head -n 1)
  client sh -c "rm -f /tmp/stop /tmp/count; ok=0; bad=0; until [ -e /tmp/stop ]; do
      if curl -sS --max-time 2 -o /dev/null http://$address:80/hostname; then ok=\$((ok+1)); else bad=\$((bad+1)); fi
      sleep 0.2; echo \"\$ok \$bad\" >/tmp/count; done" 2>/dev/null &
  local sender=$!
  sleep 3
  "$@"
  sleep 5
  client touch /tmp/stop
  wait "$sender" || true
  local ok bad
  read -r ok bad < <(client cat /tmp/count)
  if [ "$bad" = 0 ] && [ "$ok" -gt 0 ]; then
    echo "ok    $name: $ok requests, none failed"
  else
    echo "FAIL  $name: $ok requests succeeded, $bad failed"
    FAILED=1
  fi
}

rolled_out() {
  kubectl -n kube-system rollout status daemonset kube-proxy --timeout=180s
}

replace() {
  sed "s,image: localhost/kube-proxy:.*,image: $IMAGE," "$here/../../manifests/kubeadm/image.yaml" >"$WORK/image.yaml"
  kubectl -n kube-system patch daemonset kube-proxy --patch-file "$WORK/image.yaml"
  rolled_out
}

go_back() {
  kubectl -n kube-system rollout undo daemonset kube-proxy
  rolled_out
}

runs_ours() {
  local images
  images=$(kubectl -n kube-system get pods -l k8s-app=kube-proxy -o 'jsonpath={.items[*].spec.containers[*].image}')
  for image in $images; do
    [ "$image" = "$IMAGE" ] || return 1
  done
}

trap finish EXIT
kind create cluster --name "$CLUSTER" --config "$here/cluster.yaml" --wait 180s
kubectl config use-context "kind-$CLUSTER"
kind load image-archive "$ARCHIVE" --name "$CLUSTER"
kubectl apply -f "$here/traffic.yaml"
kubectl -n "$NAMESPACE" rollout status deployment web --timeout=300s
kubectl -n "$NAMESPACE" wait --for=condition=Ready pod client --timeout=300s

echo "== upstream, to know that the checks are right"
check_all
if [ "$FAILED" != 0 ]; then
  echo "checks that fail here say something about the cluster or about upstream, and count for nothing below" >&2
  FAILED=0
fi

echo "== replaced under traffic"
traffic_during "the replacement" replace
report "every node runs $IMAGE" runs_ours
check_all
kubectl -n kube-system logs -l k8s-app=kube-proxy --tail=-1 --prefix | grep -E ' [EF][0-9]{4} ' >"$WORK/errors" || true
echo "$(wc -l <"$WORK/errors") errors in the logs of kube-proxy"

if [ "${CONFORMANCE:-1}" = 1 ]; then
  echo "== conformance"
  conformance
fi

echo "== back under traffic"
traffic_during "the way back" go_back
check_services
exit "$FAILED"
