//! What standalone is told: nothing is needed.

use std::net::SocketAddr;

use scenecast_shared::{
    config::{BadConfig, BusUrl, Checked, Drain, Origins, Seconds, Telemetry, defaults},
    process::Binary,
    scene::Language,
};
use serde::Deserialize;

/// Standalone's configuration. Without any, all of it listens on loopback.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where it listens.
    pub listen: Listen,
    /// What carries scenes.
    pub bus: BusConfig,
    /// Origins whose pages may log in too, beside the demo site's.
    pub origins: Origins,
    /// How long a scene lives.
    pub scene_life: Seconds,
    /// What phones are told in: that of the terminal, unless said otherwise.
    pub language: Language,
    /// How it leaves.
    pub drain: Drain,
    /// What it tells about itself.
    pub telemetry: Telemetry,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            bus: BusConfig::default(),
            origins: Origins::default(),
            scene_life: defaults::scene_life(),
            // That of the terminal.
            language: Language::of(&std::env::var("LANG").unwrap_or_default()),
            drain: Drain { notice: Seconds::new(0), window: Seconds::new(1) },
            telemetry: Telemetry::default(),
        }
    }
}

/// `[listen]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// The demo site.
    pub site: SocketAddr,
    /// The gateway, for browsers.
    pub gateway: SocketAddr,
    /// The callback, for WeChat.
    pub callback: SocketAddr,
    /// The callback, for the gateway and the site.
    pub internal: SocketAddr,
    /// The simulator of WeChat.
    pub simulator: SocketAddr,
    /// Probes and metrics of all of it.
    pub admin: SocketAddr,
    /// The gateway, for pages that are sent a QR code as soon as they connect.
    pub qr_on_open: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            site: loopback(7300),
            gateway: loopback(7301),
            callback: loopback(7302),
            internal: loopback(7303),
            simulator: loopback(7304),
            admin: loopback(7305),
            qr_on_open: loopback(7306),
        }
    }
}

/// `[bus]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusConfig {
    /// `memory:` or a Redis.
    pub url: BusUrl,
    /// Says that this is the only pod, which `memory:` needs where there could be more.
    pub only_pod: bool,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self { url: BusUrl::Memory, only_pod: false }
    }
}

impl BusConfig {
    /// Refuses memory in a Kubernetes pod, which may be one of several, unless it is said to be alone.
    pub(crate) fn check_pod(&self, in_kubernetes: bool) -> Result<(), BadConfig> {
        if matches!(self.url, BusUrl::Memory) && in_kubernetes && !self.only_pod {
            return Err(BadConfig::at(
                "bus.url",
                "memory: carries scenes inside one process, and this pod may be one of several; \
                 use Redis, or say that it is the only one with bus.only_pod = true",
            ));
        }
        Ok(())
    }
}

impl Checked for Config {
    fn check(&self) -> Result<(), BadConfig> {
        self.bus.check_pod(std::env::var_os("KUBERNETES_SERVICE_HOST").is_some())
    }
}

impl Binary for Config {
    fn admin(&self) -> SocketAddr {
        self.listen.admin
    }

    fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_refused_where_it_could_be_one_of_several_pods() {
        let memory = BusConfig::default();
        assert!(memory.check_pod(false).is_ok());
        assert!(memory.check_pod(true).unwrap_err().to_string().contains("bus.url"));
        assert!(BusConfig { only_pod: true, ..BusConfig::default() }.check_pod(true).is_ok());
        let redis = BusConfig { url: "redis://127.0.0.1:6379".parse().unwrap(), only_pod: false };
        assert!(redis.check_pod(true).is_ok());
    }
}
