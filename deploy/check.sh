#!/usr/bin/env bash
# What is checked before a release: the image builds, the manifests render and match the API's schema.
# The manifests are validated and rendered here, never applied.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p target/tools
rendered=target/kubernetes.yaml

echo "== manifests"
kubectl kustomize deploy/kubernetes/base > "$rendered"
if [ ! -x target/tools/python/bin/kubernetes-validate ]; then
    python3 -m venv target/tools/python
    target/tools/python/bin/pip --quiet install kubernetes-validate==1.37.0
fi
target/tools/python/bin/kubernetes-validate --strict --kubernetes-version 1.32 "$rendered"

echo "== alerts"
if command -v promtool >/dev/null; then
    promtool check rules deploy/prometheus/alerts.yaml
else
    echo "promtool is not installed: the alert rules were not checked (Debian: apt-get install prometheus)"
fi

echo "== dependencies"
if cargo tree --workspace --invert aws-lc-sys >/dev/null 2>&1; then
    echo "two TLS providers: aws-lc-sys is in the tree" >&2
    exit 1
fi
if cargo deny --version >/dev/null 2>&1; then
    cargo deny check bans licenses sources
else
    echo "cargo-deny is not installed: bans, licences and sources were not checked (cargo install cargo-deny)"
fi

echo "== image"
if command -v buildah >/dev/null; then
    deploy/image.sh
else
    echo "buildah is not installed: the image was not built (Debian: apt-get install buildah)"
fi
