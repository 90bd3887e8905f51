#!/usr/bin/env bash
# image.sh OUT.tar NAME:TAG PROGRAM [FILE=/PATH...]: an image of one program with the libraries that it loads, and further
# files, in the form of `docker save`. It has no shell and no other program, and its user is 65532.
set -euo pipefail
out=$(readlink -m "$1") name=$2 program=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

add() { mkdir -p "$root$(dirname "$2")" && cp --dereference "$1" "$root$2"; }

mkdir -p "$root/etc" "$root/tmp" "$work/image"
chmod 1777 "$root/tmp"
echo "nonroot:x:65532:65532::/:/" >"$root/etc/passwd"
entrypoint=/usr/local/bin/$(basename "$program")
add "$program" "$entrypoint"
# A static program has none, which ldd calls a failure.
for library in $( (ldd "$program" || true) 2>/dev/null | grep -o '/[^ ]*'); do add "$library" "$library"; done
for file in "$@"; do add "${file%%=*}" "${file#*=}"; done
chmod -R a+rX "$root"

tar --create --file "$work/image/layer.tar" --directory "$root" --sort=name --mtime=@0 --owner=0 --group=0 \
  --numeric-owner .
layer=$(sha256sum "$work/image/layer.tar" | cut -d ' ' -f 1)
architecture=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
jq -n --arg architecture "$architecture" --arg entrypoint "$entrypoint" --arg layer "sha256:$layer" \
  '{$architecture, os: "linux", config: {User: "65532:65532", Entrypoint: [$entrypoint]},
    rootfs: {type: "layers", diff_ids: [$layer]}, history: [{created_by: "image.sh"}]}' >"$work/image/config.json"
jq -n --arg name "$name" '[{Config: "config.json", RepoTags: [$name], Layers: ["layer.tar"]}]' \
  >"$work/image/manifest.json"
mkdir -p "$(dirname "$out")"
tar --create --file "$out.new" --directory "$work/image" .
mv "$out.new" "$out"
