//! Where Redis is.

use std::{fmt, str::FromStr, sync::Arc};

use fred::types::config::Config;

/// Where Redis is. Never printed: it may hold a password.
#[derive(Clone)]
pub struct RedisAddress(Arc<Config>);

impl FromStr for RedisAddress {
    type Err = &'static str;

    /// Reads `redis://[user:password@]host:port[/db]`, or `rediss://…` with TLS. The error doesn't
    /// repeat the text.
    fn from_str(url: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "must be redis://[user:password@]host:port[/db], or rediss://… with TLS";
        if url == "memory:" {
            return Err("memory: carries scenes inside one process, and this may be one of several; it takes a Redis");
        }
        if !(url.starts_with("redis://") || url.starts_with("rediss://")) {
            return Err(EXPECTED);
        }
        Config::from_url(url).map(|config| Self(config.into())).map_err(|_| EXPECTED)
    }
}

impl RedisAddress {
    pub(super) fn config(&self) -> Config {
        Config::clone(&self.0)
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redis://…")
    }
}
