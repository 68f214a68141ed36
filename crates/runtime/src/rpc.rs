//! What a request's path says: which RPC it calls, and whether that streams its answer.

use std::collections::HashSet;
use std::sync::LazyLock;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use prost::Message as _;
use prost_types::FileDescriptorSet;

/// Whether a request or an answer is one of gRPC or grpc-web.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Infrastructure that answers anybody: health and reflection.
pub fn is_public(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.") || path.starts_with("/grpc.reflection.")
}

/// Whether the RPC's answer may go on for as long as it likes.
pub fn is_streaming(path: &str) -> bool {
    static STREAMING: LazyLock<HashSet<String>> = LazyLock::new(streaming);
    STREAMING.contains(path) || is_public(path)
}

fn streaming() -> HashSet<String> {
    let set = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap_or_default();
    let mut paths = HashSet::new();
    for file in &set.file {
        for service in &file.service {
            for method in service.method.iter().filter(|m| m.server_streaming() || m.client_streaming()) {
                paths.insert(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_and_imports_stream_and_reads_do_not() {
        assert!(is_streaming("/reverie.memory.v1.MemoryService/WatchStore"));
        assert!(is_streaming("/reverie.transcript.v1.TranscriptService/ImportTranscripts"));
        assert!(!is_streaming("/reverie.memory.v1.MemoryService/GetMemory"));
    }
}
