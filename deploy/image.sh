#!/usr/bin/env bash
# Builds the image localhost/reverie:VERSION from a static release binary. Needs buildah (Debian: buildah).
set -euo pipefail
cd "$(dirname "$0")/.."
target=x86_64-unknown-linux-gnu
[ "$(uname -m)" = aarch64 ] && target=aarch64-unknown-linux-gnu
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)

# Static on the gnu target: no libc, loader or shell in the image, and name resolution still works.
RUSTFLAGS="-C target-feature=+crt-static" CARGO_TARGET_DIR=target/static \
    cargo build --profile dist --bin reverie --target "$target"
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp "target/static/$target/dist/reverie" "$context/reverie"
if readelf --program-headers --wide "$context/reverie" | grep -q INTERP; then
    echo "the binary is not static" >&2
    exit 1
fi
buildah --storage-driver vfs bud --isolation chroot --file deploy/Containerfile --tag "localhost/reverie:$version" "$context"
# It runs, as the image has it.
container=$(buildah --storage-driver vfs from "localhost/reverie:$version")
trap 'rm -rf "$context"; buildah --storage-driver vfs rm "$container" >/dev/null' EXIT
buildah --storage-driver vfs run --isolation chroot "$container" -- /reverie --version
echo "localhost/reverie:$version, binary $(du -h "$context/reverie" | cut -f1)"
