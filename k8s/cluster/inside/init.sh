# The first process inside the cluster's namespaces. Its end is the end of everything in them.
. "$(dirname "${BASH_SOURCE[0]}")/../settings.sh"
set -euo pipefail

# Where programs write that have no setting for it: not into the machine's own folders.
for folder in /run /var/log /var/lib/cni; do
  mkdir -p "$folder"
  mount -t tmpfs tmpfs "$folder"
done
# Kubelets mount volumes that containers have to see.
mount --make-rshared /
mkdir -p /run/netns

bash "$CLUSTER_DIR/inside/network.sh"
bash "$CLUSTER_DIR/inside/certificates.sh"
bash "$CLUSTER_DIR/inside/control_plane.sh"
for node in $(seq "$CLUSTER_NODES"); do
  bash "$CLUSTER_DIR/inside/node.sh" "$node" &
  nodes+=($!)
done
for node in "${nodes[@]}"; do wait "$node"; done

all_ready() { [ "$(admin get nodes --no-headers | grep -c ' Ready')" = "$CLUSTER_NODES" ]; }
wait_for 60 all_ready
admin apply -f "$CLUSTER_DIR/manifests/dns.yaml" >/dev/null
# Not `apply`: it would write these long definitions into an annotation, too.
admin create -f "$DEFINITIONS_DIR" >/dev/null
wait_for 60 admin get serviceaccount default
# The first look-ups of a pod would time out otherwise.
admin rollout status --namespace kube-system --timeout 60s deployment/coredns >/dev/null
touch "$RUN_DIR/ready"

# Bash collects ended processes that lost their parents while it waits.
exec sleep infinity &
while :; do wait -n || true; sleep 1; done
