# Runs the conformance tests of sig-network in the cluster that kubectl's context names. To be sourced.
# shellcheck shell=bash
# shellcheck disable=SC2034 # FAILED is read by who sources this

# The published runner of the Kubernetes project, in the version of the cluster.
conformance() {
  local version runner
  version=$(kubectl get --raw /version | sed -n 's/.*"gitVersion": *"\([^"+]*\).*/\1/p')
  runner=registry.k8s.io/conformance:$version
  if ! docker pull "$runner"; then
    echo "SKIPPED  conformance: $runner cannot be had" >&2
    return
  fi
  mkdir -p "$WORK/results"
  kind get kubeconfig --name "$CLUSTER" --internal >"$WORK/kubeconfig-internal"
  if docker run --rm --network kind \
    -v "$WORK/kubeconfig-internal:/kubeconfig:ro" -v "$WORK/results:/tmp/results" \
    -e KUBECONFIG=/kubeconfig -e E2E_PROVIDER=skeleton -e E2E_PARALLEL=y \
    -e 'E2E_FOCUS=\[sig-network\].*\[Conformance\]' -e 'E2E_SKIP=\[Serial\]|\[Disruptive\]' \
    "$runner" >"$WORK/results/log" 2>&1; then
    echo "ok    sig-network conformance: $(grep -E '^(SUCCESS|Ran )' "$WORK/results/log" | tail -n 1)"
  else
    echo "FAIL  sig-network conformance"
    tail -n 50 "$WORK/results/log"
    FAILED=1
  fi
}
