//! The configuration of one role: plain data, from one TOML file. An unknown key is an error that names
//! the key. Secrets are named by file, never written into it.

use std::net::SocketAddr;
use std::path::PathBuf;

use domain::{Error, Result, limits};
use serde::{Deserialize, Serialize};

use crate::telemetry::LogFormat;

/// The commented default file, as it ships.
pub const DEFAULT: &str = include_str!("../../../deploy/reverie.toml");

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub listen: SocketAddr,
    pub data: PathBuf,
    pub cache_mib: u64,
    pub ballast_mib: u64,
    pub free_mib_min: u64,
    pub peers: Peers,
    pub admin: Admin,
    pub log: Log,
    pub otlp: Otlp,
    pub metrics: Metrics,
}

/// Where the other services are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Peers {
    pub memory_store: String,
    pub transcript_ingest: String,
}

/// How the first administrator gets in (memory-store).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// A file that holds the admin's token, made by you. Empty: one is made at first start, in data/admin.token.
    pub token_file: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Otlp {
    /// Empty sends nothing.
    pub endpoint: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Where Prometheus finds /metrics, for example 0.0.0.0:9464. Empty serves none.
    pub listen: String,
}

impl Metrics {
    /// None where none are served.
    pub fn address(&self) -> Result<Option<SocketAddr>> {
        let wrong = |_| {
            Error::invalid(
                "metrics.listen",
                format!("{:?} is not an address and port such as 0.0.0.0:9464", self.listen),
            )
        };
        Some(self.listen.as_str()).filter(|l| !l.is_empty()).map(|l| l.parse().map_err(wrong)).transpose()
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 7401)),
            data: PathBuf::from("/var/lib/reverie"),
            cache_mib: 0,
            ballast_mib: 64,
            free_mib_min: 64,
            peers: Peers::default(),
            admin: Admin::default(),
            log: Log::default(),
            otlp: Otlp::default(),
            metrics: Metrics::default(),
        }
    }
}

impl Default for Peers {
    fn default() -> Peers {
        Peers { memory_store: "http://127.0.0.1:7401".into(), transcript_ingest: "http://127.0.0.1:7402".into() }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log { filter: "info".into(), format: LogFormat::Text }
    }
}

impl Config {
    /// Bytes of sled's page cache: what `cache_mib` says; for 0 a quarter of what the process may use, for
    /// it takes two to three times its cache at its peak.
    pub fn cache_bytes(&self, memory_limit_bytes: Option<u64>) -> u64 {
        const MIB: u64 = 1 << 20;
        match (self.cache_mib, memory_limit_bytes) {
            (0, None) => limits::CACHE_MIB_DEFAULT * MIB,
            (0, Some(limit)) => {
                (limit / limits::CACHE_SHARE).clamp(limits::CACHE_MIB_MIN * MIB, limits::CACHE_MIB_MAX * MIB)
            }
            (mib, limit) => {
                if let Some(limit) = limit.filter(|limit| mib * MIB * 3 > *limit) {
                    tracing::warn!(
                        cache_mib = mib,
                        memory_limit_mib = limit / MIB,
                        "the cache may take more memory than there is: make cache_mib less than a third of the limit, or 0"
                    );
                }
                mib * MIB
            }
        }
    }

    /// Parses a file's text. The error names the key and the line.
    pub fn parse(text: &str) -> Result<Config> {
        toml::from_str(text).map_err(|e| Error::invalid("config", e.to_string().trim().replace('\n', " ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_ships_says_what_the_defaults_are() {
        assert_eq!(Config::parse(DEFAULT).unwrap(), Config::default());
    }

    #[test]
    fn the_cache_is_a_quarter_of_the_memory_unless_somebody_says() {
        let config = |cache_mib| Config { cache_mib, ..Config::default() };
        assert_eq!(config(0).cache_bytes(Some(1 << 30)), 256 << 20);
        assert_eq!(config(0).cache_bytes(Some(8 << 20)), 16 << 20);
        assert_eq!(config(0).cache_bytes(Some(1 << 40)), 4 << 30);
        assert_eq!(config(0).cache_bytes(None), 256 << 20);
        assert_eq!(config(100).cache_bytes(Some(1 << 30)), 100 << 20);
    }

    #[test]
    fn metrics_are_served_where_an_address_says_so() {
        let address = |listen: &str| Metrics { listen: listen.into() }.address();
        assert_eq!(address("").unwrap(), None);
        assert_eq!(address("0.0.0.0:9464").unwrap(), Some(SocketAddr::from(([0, 0, 0, 0], 9464))));
        assert!(address("9464").unwrap_err().to_string().contains("metrics.listen"));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = Config::parse("lisen = \"127.0.0.1:1\"").unwrap_err();
        assert!(error.message().contains("lisen"), "{error}");
    }
}
