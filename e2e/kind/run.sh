#!/usr/bin/env bash
# Replaces kube-proxy in a kind cluster, checks traffic, runs conformance tests, and goes back under traffic.
#
# Needs docker, kind and kubectl, and a registry for the node image and the images of the test pods: it cannot run
# without a network. ARCHIVE is the image as `make image` builds it, IMAGE its name. The cluster is made here, and must
# not exist before; kubectl's own configuration is left alone.
# KEEP=1 leaves the cluster, CONFORMANCE=0 leaves out the conformance tests, which take about an hour.
# shellcheck disable=SC2317 # functions are called by trap, and by name
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
: "${ARCHIVE:?is the image archive}" "${IMAGE:?is the name of the image}"
CLUSTER=${CLUSTER:-kp-e2e}
# The same image under another name, for an upgrade.
UPGRADE=$IMAGE-upgrade
DAEMON_SET='daemonset kube-proxy'
CREATED=0
FAILED=0
WORK=$(mktemp -d)
export KUBECONFIG=$WORK/kubeconfig
# shellcheck source=e2e/kind/traffic.sh
. "$here/traffic.sh"
# shellcheck source=e2e/kind/conformance.sh
. "$here/conformance.sh"

refuse() {
  echo "e2e-kind: $1" >&2
  rm -rf "$WORK"
  exit 2
}

missing=
for program in docker kind kubectl; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] || refuse "not found:$missing"
docker info >/dev/null 2>&1 ||
  refuse "docker does not answer; this test needs a machine with docker and a container registry"
if kind get clusters 2>/dev/null | grep -qxF "$CLUSTER"; then
  refuse "there is a cluster $CLUSTER already; name another one with CLUSTER=, or delete it"
fi

finish() {
  local status=$?
  if [ "$CREATED" = 1 ]; then
    if [ "$status" != 0 ]; then
      mkdir -p "${LOGS:-$WORK/logs}"
      kind export logs --name "$CLUSTER" "${LOGS:-$WORK/logs}" || true
      echo "logs are in ${LOGS:-$WORK/logs}" >&2
    fi
    if [ "${KEEP:-0}" = 1 ]; then
      echo "kept; to use it: kind export kubeconfig --name $CLUSTER" >&2
    else
      kind delete cluster --name "$CLUSTER" || true
    fi
  fi
  [ "$status" != 0 ] || rm -rf "$WORK"
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

# shellcheck disable=SC2086 # two words
rolled_out() {
  kubectl -n kube-system rollout status $DAEMON_SET --timeout=180s
}

# shellcheck disable=SC2086
replace() {
  sed "s,image: localhost/kube-proxy:.*,image: $IMAGE," "$here/../../manifests/kubeadm/image.yaml" >"$WORK/image.yaml"
  kubectl -n kube-system patch $DAEMON_SET --patch-file "$WORK/image.yaml"
  rolled_out
}

# As docs/install.md has the upgrade, and the way back.
# shellcheck disable=SC2086
set_image() {
  kubectl -n kube-system set image $DAEMON_SET "kube-proxy=$1"
  rolled_out
}

# On each node one pod, and in each that image.
runs() {
  local nodes found expected
  nodes=$(kubectl get nodes -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}')
  [ -n "$nodes" ] || { echo "there are no nodes" >&2; return 1; }
  expected=$(while read -r node; do echo "$node $1"; done <<<"$nodes" | sort)
  found=$(kubectl -n kube-system get pods -l k8s-app=kube-proxy --field-selector=status.phase=Running \
    -o 'jsonpath={range .items[*]}{.spec.nodeName} {.spec.containers[*].image}{"\n"}{end}' | sort)
  [ "$found" = "$expected" ] || { echo "there are: $found" >&2; return 1; }
}

# What kube-proxy calls an error on every kind node, as upstream does: kind's ConfigMap has no nodePortAddresses, and many
# kernels have no packet counters.
EXPECTED_ERRORS=(
  -e '"Kube-proxy configuration may be incomplete or incorrect" err="nodePortAddresses is empty: '
  -e '"The kernel has no packet counters (nfnetlink_acct); their metrics are missing"'
)

# Nothing here is meant to make kube-proxy log another error.
no_errors_in_logs() {
  local errors
  kubectl -n kube-system logs -l k8s-app=kube-proxy --tail=-1 --prefix --max-log-requests=20 >"$WORK/log"
  [ -s "$WORK/log" ] || { echo "the logs are empty" >&2; return 1; }
  errors=$(grep -E '(^|[] ])[EF][0-9]{4} ' "$WORK/log" | grep -vF "${EXPECTED_ERRORS[@]}" || true)
  [ -z "$errors" ] || { echo "$errors" >&2; return 1; }
}

trap finish EXIT
# Before it is made: one that was made by half is deleted, too.
CREATED=1
kind create cluster --name "$CLUSTER" --config "$here/cluster.yaml" --wait 180s
kind load image-archive "$ARCHIVE" --name "$CLUSTER"
for node in $(kind get nodes --name "$CLUSTER"); do
  docker exec "$node" ctr --namespace k8s.io images tag "$IMAGE" "$UPGRADE"
done
# shellcheck disable=SC2086
upstream=$(kubectl -n kube-system get $DAEMON_SET -o 'jsonpath={.spec.template.spec.containers[0].image}')
kubectl apply -f "$here/traffic.yaml"
kubectl -n "$NAMESPACE" rollout status deployment web --timeout=300s
kubectl -n "$NAMESPACE" wait --for=condition=Ready pod client --timeout=300s

echo "== upstream, $upstream, to know that the checks are right"
check_all
if [ "$FAILED" != 0 ]; then
  echo "checks that fail here say something about the cluster or about upstream, and count for nothing below" >&2
  FAILED=0
fi

echo "== replaced under traffic"
traffic_during "the replacement" replace
report "every node runs $IMAGE" runs "$IMAGE"
check_all
report "no errors in the logs of kube-proxy" no_errors_in_logs

echo "== upgraded under traffic"
traffic_during "the upgrade" set_image "$UPGRADE"
report "every node runs $UPGRADE" runs "$UPGRADE"
check_services

if [ "${CONFORMANCE:-1}" = 1 ]; then
  echo "== conformance"
  conformance
fi
report "still no errors in the logs of kube-proxy" no_errors_in_logs

echo "== back under traffic"
traffic_during "the way back" set_image "$upstream"
report "every node runs $upstream" runs "$upstream"
check_services
exit "$FAILED"
