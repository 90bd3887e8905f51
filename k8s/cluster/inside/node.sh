# node.sh NUMBER: a node's containerd, kubelet, kube-proxy and NetworkPolicy agent.
. "$(dirname "${BASH_SOURCE[0]}")/../settings.sh"
set -euo pipefail
node=$1 address=$(node_address "$1") C=$CERTIFICATES
STATE=/run/n$node DISK=$RUN_DIR/n$node
mkdir -p "$STATE" "$STATE/cni" "$DISK"

cat >"$STATE/cni/bridge.conflist" <<JSON
{ "cniVersion": "0.4.0", "name": "pods", "plugins": [
  { "type": "bridge", "bridge": "pods", "isGateway": true, "hairpinMode": true,
    "ipam": { "type": "host-local", "dataDir": "$STATE/addresses", "ranges": [[{ "subnet": "$(node_pods "$node")" }]],
              "routes": [{ "dst": "0.0.0.0/0" }] } },
  { "type": "portmap", "capabilities": { "portMappings": true } } ] }
JSON

cat >"$STATE/containerd.toml" <<TOML
version = 2
root = "$DISK/containerd"
state = "$STATE/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
address = "$STATE/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "scenecast.test/pause:1"
# Without CAP_SYS_RESOURCE nobody may lower an oom_score_adj.
restrict_oom_score_adj = true
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$STATE/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
BinaryName = "$(command -v runc)"
Root = "$STATE/runc"
TOML
start_program "containerd-$node" "$node" containerd --config "$STATE/containerd.toml" --log-level warn
wait_for 30 ctr -a "$STATE/containerd.sock" version
for archive in "$IMAGES_DIR"/*.tar; do
  ctr -a "$STATE/containerd.sock" -n k8s.io images import "$archive" >/dev/null
done

: >"$STATE/resolv.conf"
cat >"$STATE/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $address
authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: $C/ca.crt } }
authorization: { mode: Webhook }
tlsCertFile: $C/n$node.crt
tlsPrivateKeyFile: $C/n$node.key
containerRuntimeEndpoint: unix://$STATE/containerd.sock
clusterDomain: cluster.local
clusterDNS: [$DNS_SERVICE]
resolvConf: $STATE/resolv.conf
cgroupDriver: cgroupfs
cgroupRoot: /$CLUSTER_NAME/n$node
cgroupsPerQOS: true
enforceNodeAllocatable: [pods]
failCgroupV1: false
failSwapOn: false
maxOpenFiles: 20000
maxPods: 60
# Nodes share one disk, which is mostly full of other things.
evictionHard: {}
imageGCHighThresholdPercent: 100
localStorageCapacityIsolation: false
nodeStatusUpdateFrequency: 3s
nodeLeaseDurationSeconds: 8
# Secrets and ConfigMaps reach their pods within some 5 s instead of a minute.
syncFrequency: 5s
podLogsDir: $DISK/pods
volumePluginDir: $STATE/plugins
YAML
start_program "kubelet-$node" "$node" "$PROGRAMS_DIR/kubelet" --config="$STATE/kubelet.yaml" \
  --kubeconfig="$C/n$node.conf" --hostname-override="n$node" --node-ip="$address" --root-dir="$DISK/kubelet" \
  --cert-dir="$STATE" --node-labels="topology.kubernetes.io/zone=zone-$node"

cat >"$STATE/kube-proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: { kubeconfig: $C/proxy.conf }
mode: nftables
clusterCIDR: $ALL_PODS
hostnameOverride: n$node
bindAddress: $address
# The limit of connections is the machine's.
conntrack: { maxPerCore: 0 }
YAML
start_program "kube-proxy-$node" "$node" "$PROGRAMS_DIR/kube-proxy" --config="$STATE/kube-proxy.yaml"

# Enforces NetworkPolicies, and nothing else. It begins once its node exists.
wait_for 60 admin get node "n$node"
start_program "kube-router-$node" "$node" "$PROGRAMS_DIR/kube-router" --kubeconfig="$C/admin.conf" \
  --hostname-override="n$node" --run-firewall=true --run-router=false --run-service-proxy=false \
  --service-cluster-ip-range="$SERVICES" --metrics-port=0 --health-port=0
