//! `[bus]` in the configuration: where Redis is.

use std::{path::PathBuf, str::FromStr};

use scenecast_metrics::Metrics;
use scenecast_redis::{MinReplicas, Redis, RedisAddress, RedisAddressError};
use serde::{Deserialize, de};

use crate::{census::Census, reader::SceneReader, store::key_value::Store, writer::SceneWriter};

/// `[bus]` of a pod. A pod can't use `memory:`, because its scenes would be unknown to all other pods; see [`BusUrl`].
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "BusConfigText")]
pub struct BusConfig {
    /// The Redis that carries scenes between pods.
    pub url: RedisAddress,
}

/// [`BusConfig`] as it is written in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BusConfigText {
    url: RedisAddress,
    /// A PEM file. With TLS, its authorities are trusted in place of the system's.
    ca: Option<PathBuf>,
    #[serde(default)]
    min_replicas: MinReplicas,
}

impl BusConfig {
    /// Connects a gateway. It gets no connection to Redis by which it could do more than read scenes and be counted.
    pub fn connect_reader(&self, metrics: &Metrics) -> (SceneReader, Census) {
        let redis = Redis::connect(&self.url, metrics);
        (SceneReader::over(&redis, metrics), Census::over(&redis))
    }

    /// Connects a callback.
    pub fn connect_writer(&self, metrics: &Metrics) -> (SceneWriter, Store) {
        let redis = Redis::connect(&self.url, metrics);
        (SceneWriter::over(&redis), Store::over(Some(redis)))
    }
}

impl TryFrom<BusConfigText> for BusConfig {
    type Error = String;

    fn try_from(BusConfigText { url, ca, min_replicas }: BusConfigText) -> Result<Self, String> {
        let url = match ca {
            None => url,
            Some(file) => url.trusting(&file).map_err(|error| format!("bus.ca, {}: {error}", file.display()))?,
        };
        Ok(Self { url: url.requiring(min_replicas) })
    }
}

/// What carries scenes where all runs in one process: `memory:`, or a Redis.
#[derive(Debug, Clone)]
pub enum BusUrl {
    /// Inside this process.
    Memory,
    /// Between pods.
    Redis(RedisAddress),
}

impl<'de> Deserialize<'de> for BusUrl {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl FromStr for BusUrl {
    type Err = RedisAddressError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        if url == "memory:" { Ok(Self::Memory) } else { url.parse().map(Self::Redis) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_is_memory_or_a_redis() {
        assert!(matches!("memory:".parse(), Ok(BusUrl::Memory)));
        assert!(matches!("redis://r".parse(), Ok(BusUrl::Redis(_))));
        assert!("http://x".parse::<BusUrl>().is_err());
    }

    #[test]
    fn a_secret_in_a_bad_url_is_not_shown() {
        for url in ["redis://u:hush@", "redis://u:hush@host:port", "rediss:hush"] {
            let error = url.parse::<BusUrl>().map(drop).unwrap_err();
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }
}
