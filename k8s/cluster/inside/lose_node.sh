# lose_node.sh NAME: a node's power fails. Nothing on it is told, and nothing answers from then on, not even with a reset.
. "$(dirname "${BASH_SOURCE[0]}")/../settings.sh"
set -euo pipefail
node=${1#n}

on 0 ip link set "node$node" nomaster
for program in kube-router kube-proxy kubelet containerd; do
  kill -KILL "$(cat "/run/$program-$node.pid")" 2>/dev/null || true
done
# Its containers, and the shims above them, are in its cgroup.
find "$CGROUPS/pids/$CLUSTER_NAME/n$node" -name cgroup.procs -exec cat {} + | xargs -r kill -KILL 2>/dev/null || true
pkill -KILL -f "containerd-shim.*/run/n$node/containerd.sock" || true
