//! Channels: connected when first used, alive or known to be dead.

use std::time::Duration;

use domain::{Error, Result};
use tonic::transport::{Channel, Endpoint};

const CONNECT: Duration = Duration::from_secs(5);
/// Without keepalive a channel never notices a partition.
const KEEPALIVE: Duration = Duration::from_secs(15);

pub fn lazy(url: &str) -> Result<Channel> {
    if url.starts_with("https://") {
        return Err(Error::invalid("url", "https is not supported yet: name an http:// address"));
    }
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|_| Error::invalid("url", format!("{url:?} is not an address such as http://127.0.0.1:7400")))?;
    Ok(endpoint
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
        .connect_lazy())
}
