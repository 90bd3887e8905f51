# return_node.sh NAME: a node that was lost has power again, and starts what it had.
. "$(dirname "${BASH_SOURCE[0]}")/../settings.sh"
set -euo pipefail
node=${1#n}

on 0 ip link set "node$node" master nodes
exec bash "$CLUSTER_DIR/inside/node.sh" "$node"
