# Checks of traffic in the cluster that kubectl's context names; a line for each. To be sourced.
# shellcheck shell=bash
# shellcheck disable=SC2034 # FAILED is read by who sources this

NAMESPACE=kp-traffic

client() {
  kubectl -n "$NAMESPACE" exec client -- "$@"
}

# Both cluster IPs of a Service, IPv6 in brackets.
addresses_of() {
  kubectl -n "$NAMESPACE" get service "$1" -o 'jsonpath={range .spec.clusterIPs[*]}{@}{"\n"}{end}' |
    sed '/:/s/.*/[&]/'
}

# Both addresses of a node, IPv6 in brackets.
addresses_of_node() {
  kubectl get node "$1" -o 'jsonpath={range .status.addresses[?(@.type=="InternalIP")]}{.address}{"\n"}{end}' |
    sed '/:/s/.*/[&]/'
}

node_of() {
  kubectl -n "$NAMESPACE" get pod "$1" -o 'jsonpath={.spec.nodeName}'
}

pods_of() {
  kubectl -n "$NAMESPACE" get pods -l "app=$1" --field-selector=status.phase=Running \
    -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}'
}

# Who answers at host:port over HTTP.
ask() {
  client curl -sS --globoff --max-time 3 "http://$1/hostname"
}

# Who answers at host port over UDP. Each question comes from a socket of its own.
ask_udp() {
  local host=${1#[}
  client sh -c "echo hostname | nc -u -w 1 ${host%]} $2"
}

# Retries a check until it holds: changes take time to reach a node.
until_holds() {
  local deadline=$((SECONDS + 60))
  until "$@"; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      return 1
    fi
    sleep 1
  done
}

report() {
  local name=$1
  shift
  if until_holds "$@" >/dev/null 2>"$WORK/why"; then
    echo "ok    $name"
  else
    echo "FAIL  $name"
    sed 's/^/      /' "$WORK/why"
    FAILED=1
  fi
}

# Every pod of the Deployment answers at the address, and nobody else.
everyone_answers() {
  local expected found
  expected=$(pods_of web | sort)
  found=$(for _ in $(seq 30); do ask "$1" || return 1; echo; done | sort -u | sed '/^$/d')
  [ "$found" = "$expected" ] || { echo "answers: $found; pods: $expected" >&2; return 1; }
}

everyone_answers_udp() {
  local expected found
  expected=$(pods_of web | sort)
  found=$(for _ in $(seq 12); do ask_udp "$1" "$2"; echo; done | sort -u | sed '/^$/d')
  [ "$found" = "$expected" ] || { echo "answers: $found; pods: $expected" >&2; return 1; }
}

one_answers() {
  local found
  found=$(for _ in $(seq 15); do ask "$1" || return 1; echo; done | sort -u | sed '/^$/d' | wc -l)
  [ "$found" = 1 ] || { echo "$found pods answered one client" >&2; return 1; }
}

# Who answers a node, which is outside for the node that it asks.
ask_from_node() {
  docker exec "$1" curl -sS --globoff --max-time 3 "http://$2/hostname"
}

# Only pods on that node answer.
only_local_answers() {
  local from=$1 node=$2 found pod
  found=$(for _ in $(seq 10); do ask_from_node "$from" "$3" || return 1; echo; done | sort -u | sed '/^$/d')
  [ -n "$found" ] || return 1
  for pod in $found; do
    [ "$(node_of "$pod")" = "$node" ] || { echo "$pod is not on $node" >&2; return 1; }
  done
}

# The node passes on what is for everyone, but not what is for pods that it does not have.
only_cluster_policy_answers() {
  ask_from_node "$1" "$2:31080" && ! ask_from_node "$1" "$2:31081"
}

refuses_or_drops() {
  ! ask "$1"
}

check_services() {
  local address node
  for address in $(addresses_of web); do
    report "cluster IP $address, TCP" everyone_answers "$address:80"
    report "cluster IP $address, UDP" everyone_answers_udp "$address" 80
  done
  for node in $(kubectl get nodes -o name | cut -d/ -f2); do
    for address in $(addresses_of_node "$node"); do
      report "node port on $node, $address, TCP" everyone_answers "$address:31080"
      report "node port on $node, $address, UDP" everyone_answers_udp "$address" 31080
    done
  done
  for address in $(addresses_of sticky); do
    report "session affinity at $address" one_answers "$address:80"
  done
}

check_local_policy() {
  local address client_node node pod
  client_node=$(node_of client)
  for pod in $(pods_of web); do
    node=$(node_of "$pod")
    for address in $(addresses_of_node "$node"); do
      report "externalTrafficPolicy Local on $node, $address" only_local_answers "$client_node" "$node" "$address:31081"
    done
  done
  for address in $(addresses_of_node "$client_node"); do
    report "externalTrafficPolicy Local without endpoints, $address" only_cluster_policy_answers "$node" "$address"
  done
}

# The only endpoint is terminating: it goes on being used, also by new connections.
check_terminating() {
  local pod address
  kubectl -n "$NAMESPACE" rollout status deployment slow --timeout=120s >/dev/null
  pod=$(pods_of slow | head -n 1)
  kubectl -n "$NAMESPACE" scale deployment slow --replicas=0 >/dev/null
  sleep 5
  for address in $(addresses_of slow); do
    report "a terminating endpoint as the last resort at $address" answers_as "$pod" "$address:80"
  done
  kubectl -n "$NAMESPACE" wait --for=delete "pod/$pod" --timeout=120s >/dev/null
  for address in $(addresses_of slow); do
    report "refused at $address after it ended" refuses_or_drops "$address:80"
  done
  kubectl -n "$NAMESPACE" scale deployment slow --replicas=1 >/dev/null
}

answers_as() {
  [ "$(ask "$2")" = "$1" ]
}

# A client that keeps its port, and so its conntrack entry, sends all the time, while the Service has no endpoints and
# gets new ones. nc ends when it is refused, so it is started again and again.
check_udp_story() {
  local address
  address=$(addresses_of web | head -n 1)
  client sh -c "rm -f /tmp/udp-stop; until [ -e /tmp/udp-stop ]; do
      echo hostname | nc -u -w 1 -p 20053 $address 80; echo; sleep 0.2
    done >/tmp/udp 2>&1" &
  local sender=$!
  sleep 5
  kubectl -n "$NAMESPACE" scale deployment web --replicas=0 >/dev/null
  kubectl -n "$NAMESPACE" wait --for=delete pod -l app=web --timeout=60s >/dev/null
  sleep 5
  kubectl -n "$NAMESPACE" scale deployment web --replicas=2 >/dev/null
  kubectl -n "$NAMESPACE" rollout status deployment web --timeout=120s >/dev/null
  report "a UDP client that keeps its port reaches the new pod" udp_reached_new_pod
  # To end kubectl would leave it running in the pod, with the port taken.
  client touch /tmp/udp-stop
  wait "$sender" || true
}

udp_reached_new_pod() {
  local pod answers
  answers=$(client cat /tmp/udp)
  for pod in $(pods_of web); do
    case $answers in *"$pod"*) return 0 ;; esac
  done
  echo "no new pod answered" >&2
  return 1
}

check_all() {
  check_services
  check_local_policy
  check_terminating
  check_udp_story
}
