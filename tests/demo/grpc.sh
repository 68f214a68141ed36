#!/usr/bin/env bash
# Lists and calls every service of a running cluster through reflection, with `buf curl`.
# Set REVERIE_URL and REVERIE_TOKEN_FILE as `reverie up` prints them. The same works with grpcurl:
#   grpcurl -plaintext -H "authorization: Bearer $(cat reverie-data/admin.token)" localhost:7400 list
set -euo pipefail
: "${REVERIE_URL:=http://127.0.0.1:7400}" "${REVERIE_TOKEN_FILE:=reverie-data/admin.token}" "${BUF:=buf}"
call() {
    echo "== $1"
    "$BUF" curl --protocol grpc --http2-prior-knowledge --header "authorization: Bearer $(cat "$REVERIE_TOKEN_FILE")" \
        --data "$2" "$REVERIE_URL/$1"
}
echo "== services"
"$BUF" curl --protocol grpc --http2-prior-knowledge --list-services "$REVERIE_URL"
call grpc.health.v1.Health/Check '{}'
call reverie.memory.v1.AccessService/WhoAmI '{}'
call reverie.memory.v1.StoreService/ListStores '{"pageSize": 3}'
store=$(call reverie.memory.v1.StoreService/ListStores '{"pageSize": 1}' | sed -n 's/.*"id": *"\(memstore_[^"]*\)".*/\1/p' | head -1)
if [ -n "$store" ]; then
    call reverie.memory.v1.MemoryService/ListMemories "{\"store\": \"$store\", \"pageSize\": 3}"
    call reverie.memory.v1.HistoryService/ListCommits "{\"store\": \"$store\", \"pageSize\": 1}"
fi
call reverie.transcript.v1.TranscriptService/ListSessions '{"pageSize": 1}'
call reverie.dream.v1.DreamService/ListDreams '{"pageSize": 1}'
