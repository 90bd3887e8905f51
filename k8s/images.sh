#!/usr/bin/env bash
# images.sh FOLDER: images of the workspace's debug build and of the machine's Redis, as `docker save` would write them,
# for tests on a cluster. Released images are made by docker, without debug code.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

# The authorities that our HTTP clients trust. They don't start without any.
CERTIFICATES=/etc/ssl/certs/ca-certificates.crt=/etc/ssl/certs/ca-certificates.crt

# Lets a process see another time, where a test wants that.
CLOCK=$(dpkg -L libfaketime | grep '/libfaketimeMT.so.1$')=/usr/local/lib/libfaketime.so.1

# Makes an image anew if its program or this script is newer.
image() {
  local archive=$folder/$1.tar
  [ "$archive" -nt "$3" ] && [ "$archive" -nt k8s/images.sh ] || k8s/cluster/image.sh "$archive" "$2" "$3" "$CERTIFICATES" "$CLOCK"
}

for binary in gateway callback loadtest standalone; do
  image "scenecast-$binary" "scenecast-$binary:$version" "target/debug/scenecast-$binary"
done
image redis redis:7.4-alpine "$(command -v redis-server)"
