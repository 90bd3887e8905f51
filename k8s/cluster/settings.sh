# What all scripts of the cluster agree on. Sourced, never run.

CLUSTER_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Two clusters with different names run side by side.
CLUSTER_NAME=${CLUSTER_NAME:-scenecast-test}
CLUSTER_NODES=${CLUSTER_NODES:-2}
# The kernel's tree of cgroups. A test lets it look like another machine's.
CGROUPS=${CGROUPS:-/sys/fs/cgroup}
# What is built once and kept.
CLUSTER_CACHE=${CLUSTER_CACHE:-$(cd "$CLUSTER_DIR/../.." && pwd)/target/kubernetes}
PROGRAMS_DIR=$CLUSTER_CACHE/bin
IMAGES_DIR=$CLUSTER_CACHE/images
DEFINITIONS_DIR=$CLUSTER_CACHE/definitions
# What a running cluster has on the disk. Sockets, certificates and mounts are inside its namespaces.
RUN_DIR=$CLUSTER_CACHE/run/$CLUSTER_NAME
LOG_DIR=$RUN_DIR/log
export CLUSTER_NAME CLUSTER_NODES CLUSTER_CACHE CGROUPS

# Inside the cluster's mount namespace, where /run is empty at first.
CERTIFICATES=/run/certificates
KUBECONFIG=$CERTIFICATES/admin.conf

# Each cluster has these addresses, in namespaces of its own.
CONTROL_PLANE=10.200.0.1
node_address() { echo "10.200.0.$((10 + $1))"; }
node_pods() { echo "10.201.$1.0/24"; }
ALL_PODS=10.201.0.0/16
SERVICES=10.96.0.0/16
API_SERVICE=10.96.0.1
DNS_SERVICE=10.96.0.10

# A kubelet sets these for the whole machine, so we put them back.
SYSCTLS_OF_KUBELETS=(vm.overcommit_memory kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys
  kernel.keys.root_maxbytes)

# Runs a command on a node, or beside all nodes (0). `ip netns exec` would hide the cgroups.
on() {
  local node=$1
  shift
  nsenter --net="/run/netns/n$node" "$@"
}

# start NAME NODE COMMAND...: in the background, with a log. /run/NAME.pid has its process.
start_program() {
  local name=$1 node=$2
  shift 2
  setsid nsenter --net="/run/netns/n$node" "$@" >"$LOG_DIR/$name.log" 2>&1 </dev/null &
  echo $! >"/run/$name.pid"
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "waited in vain for: $*" >&2; return 1; }
    sleep 0.2
  done
}

admin() { on 0 "$PROGRAMS_DIR/kubectl" --kubeconfig "$KUBECONFIG" "$@"; }
