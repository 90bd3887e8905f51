#!/usr/bin/env bash
# Builds, once: Kubernetes, etcd and the metrics adapter as one program; CoreDNS; kube-router; and two images.
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/settings.sh"
set -euo pipefail

KUBERNETES=v1.37.2
COREDNS=v1.15.0
KUBE_ROUTER=v2.1.0
GATEWAY_API=v1.4.0
KEDA=v2.21.0
PROMETHEUS_OPERATOR=v0.85.0
# Kubernetes says which Go it needs.
GO=1.26.8
GO_SHA256=30c2b1bf7dcc88d3eb0a1364e47ddd9128edb3110a30e8a0ef61cd5856b31de7 # of its linux-amd64 zip

# Uses the machine's Go if it is new enough, or else fetches one from the module proxy, where `go` itself would.
find_go() {
  local installed
  installed=$(go env GOVERSION 2>/dev/null || true)
  if [ "$(printf '%s\n' "go${GO%.*}" "$installed" | sort --version-sort | head -n 1)" = "go${GO%.*}" ]; then return; fi
  local version=v0.0.1-go$GO.linux-amd64
  local folder=$CLUSTER_CACHE/go/golang.org/toolchain@$version
  if [ ! -x "$folder/bin/go" ]; then
    mkdir -p "$CLUSTER_CACHE/go"
    curl --fail --silent --show-error --retry 3 --output "$CLUSTER_CACHE/go.zip" \
      "https://proxy.golang.org/golang.org/toolchain/@v/$version.zip"
    echo "$GO_SHA256  $CLUSTER_CACHE/go.zip" | sha256sum --check --quiet
    unzip -q -o "$CLUSTER_CACHE/go.zip" -d "$CLUSTER_CACHE/go"
    rm "$CLUSTER_CACHE/go.zip"
    # A module's files have no rights of their own.
    chmod +x "$folder"/bin/* "$folder"/pkg/tool/*/*
  fi
  export PATH=$folder/bin:$PATH GOROOT=$folder
}

# build NAME COMMAND...: unless it is there. The command writes to $1.new.
build() {
  local name=$1
  shift
  [ -e "$name" ] || { echo "building $(basename "$name")" >&2; "$@" "$name.new" && mv "$name.new" "$name"; }
}

kubernetes() {
  local version=k8s.io/component-base/version
  (cd "$CLUSTER_DIR/programs" && go build -mod=readonly -trimpath -gcflags=all=-dwarf=false -ldflags "-s -w \
    -X $version.gitVersion=$KUBERNETES -X $version.gitMajor=1 -X $version.gitMinor=37 \
    -X $version.gitTreeState=clean -X $version.buildDate=2026-01-01T00:00:00Z" -o "$1" .)
}

pause() { (cd "$CLUSTER_DIR/programs" && go build -mod=readonly -trimpath -ldflags "-s -w" -o "$1" ./pause); }

# installed MODULE@VERSION OUT
installed() {
  local folder
  folder=$(mktemp -d -p "$CLUSTER_CACHE")
  GOBIN=$folder go install -ldflags "-s -w" "$1"
  mv "$folder"/* "$2"
  rmdir "$folder"
}

# definition OUT MODULE@VERSION FILE: the definition of a kind that our manifests use, from the module of whoever made it.
# The API server then checks our objects; nothing acts on them.
definition() {
  local folder
  folder=$(cd "$CLUSTER_CACHE" && GOFLAGS=-modcacherw go mod download -json "$1" | jq -r .Dir)
  cp "$folder/$2" "$3"
}

image() { "$CLUSTER_DIR/image.sh" "$3" "$1" "$2"; }

mkdir -p "$PROGRAMS_DIR" "$IMAGES_DIR" "$DEFINITIONS_DIR"
export CGO_ENABLED=0 GOTOOLCHAIN=local
find_go
build "$PROGRAMS_DIR/kubernetes" kubernetes
for program in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl custom-metrics; do
  ln -sf kubernetes "$PROGRAMS_DIR/$program"
done
build "$PROGRAMS_DIR/coredns" installed "github.com/coredns/coredns@$COREDNS"
build "$PROGRAMS_DIR/kube-router" installed "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router@$KUBE_ROUTER"
build "$PROGRAMS_DIR/pause" pause
build "$IMAGES_DIR/pause.tar" image scenecast.test/pause:1 "$PROGRAMS_DIR/pause"
build "$IMAGES_DIR/coredns.tar" image "scenecast.test/coredns:$COREDNS" "$PROGRAMS_DIR/coredns"
build "$DEFINITIONS_DIR/httproutes.yaml" definition "sigs.k8s.io/gateway-api@$GATEWAY_API" \
  config/crd/standard/gateway.networking.k8s.io_httproutes.yaml
build "$DEFINITIONS_DIR/scaledobjects.yaml" definition "github.com/kedacore/keda/v2@$KEDA" \
  config/crd/bases/keda.sh_scaledobjects.yaml
for kind in servicemonitors prometheusrules; do
  build "$DEFINITIONS_DIR/$kind.yaml" definition \
    "github.com/prometheus-operator/prometheus-operator@$PROMETHEUS_OPERATOR" \
    "example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml"
done
