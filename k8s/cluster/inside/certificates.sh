# A certificate authority, a certificate for each part of the cluster, and a kubeconfig for each that asks the API server.
. "$(dirname "${BASH_SOURCE[0]}")/../settings.sh"
set -euo pipefail
mkdir -p "$CERTIFICATES"
cd "$CERTIFICATES"

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

# certificate FILE USER [GROUP [ALTERNATIVE_NAMES]]
certificate() {
  local file=$1 subject=/CN=$2 group=${3:-} names=${4:-}
  [ -z "$group" ] || subject=/O=$group$subject
  new_key "$file"
  openssl req -new -key "$file.key" -subj "$subject" -out "$file.csr" 2>/dev/null
  {
    echo extendedKeyUsage=serverAuth,clientAuth
    [ -z "$names" ] || echo "subjectAltName=$names"
  } >"$file.extensions"
  openssl x509 -req -in "$file.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile "$file.extensions" \
    -out "$file.crt" 2>/dev/null
}

kubeconfig() {
  cat >"$1.conf" <<YAML
apiVersion: v1
kind: Config
clusters:
  - name: $CLUSTER_NAME
    cluster: { server: "https://$CONTROL_PLANE:6443", certificate-authority: $CERTIFICATES/ca.crt }
users:
  - name: $1
    user: { client-certificate: $CERTIFICATES/$1.crt, client-key: $CERTIFICATES/$1.key }
contexts:
  - name: $CLUSTER_NAME
    context: { cluster: $CLUSTER_NAME, user: $1 }
current-context: $CLUSTER_NAME
YAML
}

new_key ca
openssl req -x509 -new -key ca.key -subj /CN=test-cluster -days 2 -out ca.crt \
  -addext keyUsage=critical,keyCertSign,digitalSignature 2>/dev/null
new_key service-accounts
openssl ec -in service-accounts.key -pubout -out service-accounts.pub 2>/dev/null

certificate apiserver kube-apiserver "" "IP:$CONTROL_PLANE,IP:127.0.0.1,IP:$API_SERVICE,DNS:kubernetes.default.svc"
certificate front-proxy front-proxy-client
certificate admin admin system:masters && kubeconfig admin
certificate controller-manager system:kube-controller-manager && kubeconfig controller-manager
certificate scheduler system:kube-scheduler && kubeconfig scheduler
certificate proxy system:kube-proxy && kubeconfig proxy
for node in $(seq "$CLUSTER_NODES"); do
  certificate "n$node" "system:node:n$node" system:nodes "DNS:n$node,IP:$(node_address "$node")" && kubeconfig "n$node"
done
