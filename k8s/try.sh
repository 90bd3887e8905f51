#!/usr/bin/env bash
# try.sh IMAGES: a cluster with the overlay dev, and its page at http://localhost:7300, until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."
cluster=k8s/cluster/cluster

trap 'kill $(jobs -p) 2>/dev/null; $cluster down' EXIT
trap 'exit 130' INT TERM
$cluster up
$cluster load "$1"/*.tar
$cluster kubectl apply -k k8s/overlays/dev
$cluster kubectl --namespace scenecast rollout status deployment --timeout 120s

# Nothing of the cluster is outside of its namespaces, so each connection to a port of this machine is carried into them.
forward() { socat "TCP-LISTEN:$1,bind=127.0.0.1,fork,reuseaddr" "EXEC:$cluster enter 0 socat STDIO TCP\:$2\:$3" & }
forward 7300 scenecast-site 7300
forward 7301 scenecast-gateway 8080
forward 7304 scenecast-simulator 8083
echo "
  The login page: http://localhost:7300
  kubectl:        CLUSTER_NAME=${CLUSTER_NAME:-scenecast-test} $cluster kubectl --namespace scenecast get pods
"
wait
