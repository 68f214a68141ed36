//! The service on the wire: thin handlers over the verbs.

mod transcripts;

use domain::limits::GRPC_MESSAGE_BYTES_MAX;
use proto::transcript::transcript_service_server::TranscriptServiceServer;
use tonic::service::Routes;

use crate::ingest::TranscriptIngest;

pub fn routes(ingest: &TranscriptIngest) -> Routes {
    let service = TranscriptServiceServer::new(transcripts::Transcripts(ingest.clone()))
        .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX);
    Routes::new(service)
}
