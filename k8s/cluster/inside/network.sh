# A bridge beside the nodes, and for each node a network namespace and a cgroup.
. "$(dirname "${BASH_SOURCE[0]}")/../settings.sh"
set -euo pipefail

# The namespace that we are in is "beside all nodes", and gets a name, so that all have one.
touch /run/netns/n0
mount --bind /proc/self/ns/net /run/netns/n0
ip link set lo up
ip link add nodes type bridge
ip address add "$CONTROL_PLANE/24" dev nodes
ip link set nodes up
sysctl -qw net.ipv4.ip_forward=1

for node in $(seq "$CLUSTER_NODES"); do
  ip netns add "n$node"
  ip link add "node$node" type veth peer name eth0 netns "n$node"
  ip link set "node$node" master nodes up
  ip -n "n$node" link set lo up
  ip -n "n$node" address add "$(node_address "$node")/24" dev eth0
  ip -n "n$node" link set eth0 up
  ip -n "n$node" route add default via "$CONTROL_PLANE"
  on "$node" sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
done
for node in $(seq "$CLUSTER_NODES"); do
  ip route add "$(node_pods "$node")" via "$(node_address "$node")"
  for other in $(seq "$CLUSTER_NODES"); do
    [ "$other" = "$node" ] || ip -n "n$other" route add "$(node_pods "$node")" via "$(node_address "$node")"
  done
done

# Beside the nodes, Services are reached by way of the first one, and have names.
ip route add "$SERVICES" via "$(node_address 1)"
echo "nameserver $DNS_SERVICE
search scenecast.svc.cluster.local svc.cluster.local cluster.local" >/run/resolv.conf
mount --bind /run/resolv.conf "$(readlink -f /etc/resolv.conf)"

# Version 1 of cgroups: one tree for each controller.
for controller in "$CGROUPS"/*/; do
  for node in $(seq "$CLUSTER_NODES"); do
    mkdir -p "$controller$CLUSTER_NAME/n$node"
    [ -f "$controller/cpuset.cpus" ] || continue
    # A new group has no processors and no memory.
    for file in cpuset.cpus cpuset.mems; do
      cat "$controller/$file" >"$controller$CLUSTER_NAME/$file"
      cat "$controller/$file" >"$controller$CLUSTER_NAME/n$node/$file"
    done
  done
done
