"""How channels are set up, in both flavours."""

from __future__ import annotations

#: Bytes of one message, as the server has it.
MESSAGE_BYTES_MAX = 12 << 20

OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    # Without keepalive a channel never notices a partition.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 15_000),
    # A server that starts anew is found again soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Retries are ours: by kind of error, and never of a write without a request id.
    ("grpc.enable_retries", 0),
]
