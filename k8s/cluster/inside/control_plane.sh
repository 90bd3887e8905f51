# etcd, the API server, the controller manager and the scheduler, beside all nodes.
. "$(dirname "${BASH_SOURCE[0]}")/../settings.sh"
set -euo pipefail
B=$PROGRAMS_DIR C=$CERTIFICATES

# The cluster lives for minutes, so etcd needn't wait for the disk.
start_program etcd 0 "$B/etcd" --name etcd --data-dir "$RUN_DIR/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380

start_program kube-apiserver 0 "$B/kube-apiserver" \
  --etcd-servers=http://127.0.0.1:2379 --advertise-address="$CONTROL_PLANE" --secure-port=6443 \
  --service-cluster-ip-range="$SERVICES" --allow-privileged=true --shutdown-delay-duration=0s \
  --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --client-ca-file="$C/ca.crt" \
  --cert-dir="$C" --tls-cert-file="$C/apiserver.crt" --tls-private-key-file="$C/apiserver.key" \
  --service-account-key-file="$C/service-accounts.pub" --service-account-signing-key-file="$C/service-accounts.key" \
  --service-account-issuer=https://kubernetes.default.svc \
  --kubelet-client-certificate="$C/admin.crt" --kubelet-client-key="$C/admin.key" \
  --kubelet-certificate-authority="$C/ca.crt" --kubelet-preferred-address-types=InternalIP \
  --proxy-client-cert-file="$C/front-proxy.crt" --proxy-client-key-file="$C/front-proxy.key" \
  --requestheader-client-ca-file="$C/ca.crt" --requestheader-allowed-names=front-proxy-client \
  --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
  --requestheader-extra-headers-prefix=X-Remote-Extra- --enable-aggregator-routing=true
wait_for 120 admin get --raw /readyz

as() { echo "--kubeconfig=$C/$1.conf --authentication-kubeconfig=$C/$1.conf --authorization-kubeconfig=$C/$1.conf"; }
# The autoscaler looks every 5 s instead of every 15, so that its tests take less time. A node that is silent counts as
# gone after 12 s instead of 50.
# shellcheck disable=SC2046 # `as` gives several words
start_program kube-controller-manager 0 "$B/kube-controller-manager" $(as controller-manager) \
  --bind-address=127.0.0.1 --leader-elect=false --use-service-account-credentials=true \
  --service-account-private-key-file="$C/service-accounts.key" --root-ca-file="$C/ca.crt" \
  --horizontal-pod-autoscaler-sync-period=5s --node-monitor-period=2s --node-monitor-grace-period=12s
# shellcheck disable=SC2046
start_program kube-scheduler 0 "$B/kube-scheduler" $(as scheduler) --bind-address=127.0.0.1 --leader-elect=false
