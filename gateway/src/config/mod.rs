//! What a gateway is told.

mod limits;

use std::{net::SocketAddr, time::Duration};

use scenecast_shared::{
    config::{self, BadConfig, Bus, Checked, HttpUrl, Origins, Seconds, Telemetry, defaults, strong},
    process::Binary,
    scene::{AccountName, Rotating},
    serve::TrustedProxies,
};
use serde::Deserialize;

use crate::compatible::longest_life;
pub use limits::Limits;

/// A gateway's configuration; `gateway.toml` beside this crate shows all of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where it listens.
    #[serde(default)]
    pub listen: Listen,
    /// What carries scenes.
    pub bus: Bus,
    /// Where scenes are opened.
    pub callback: Callback,
    /// Signs the pages' keys; the same on every gateway.
    #[serde(deserialize_with = "strong")]
    pub key_secret: Rotating,
    /// Signs calls to the callback; the same on every gateway and callback.
    #[serde(deserialize_with = "strong")]
    pub internal_secret: Rotating,
    /// The origins whose pages may open scenes.
    pub origins: Origins,
    /// The proxies whose word is taken for where a browser is.
    #[serde(default)]
    pub trusted_proxies: TrustedProxies,
    /// How long a scene lives.
    #[serde(default = "defaults::scene_life")]
    pub scene_life: Seconds,
    /// What it takes.
    #[serde(default)]
    pub limits: Limits,
    /// Whether it sheds pages when it holds more than its share of the fleet's.
    #[serde(default = "yes")]
    pub rebalance: bool,
    /// Routes for login pages that were written for other servers.
    #[serde(default)]
    pub compatible: Compatible,
    /// How it leaves.
    #[serde(default)]
    pub drain: Drain,
    /// What it tells about itself.
    #[serde(default)]
    pub telemetry: Telemetry,
}

fn yes() -> bool {
    true
}

/// `[listen]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// For browsers.
    pub public: SocketAddr,
    /// For probes and Prometheus.
    pub admin: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        Self { public: ([0, 0, 0, 0], 8080).into(), admin: ([0, 0, 0, 0], 9090).into() }
    }
}

/// `[callback]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callback {
    /// The callbacks' internal listener, such as `http://callback:8082`.
    pub url: HttpUrl,
}

/// `[drain]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drain {
    /// How long a pod that is no longer ready still accepts, until the endpoints have noticed.
    pub notice: Seconds,
    /// Over how long the closes of held connections are spread.
    pub window: Seconds,
    /// How long pages of compatible routes may stay, which don't come back when their connection ends: as long
    /// as their scenes live, by default.
    pub compatible: Option<Seconds>,
}

impl Default for Drain {
    fn default() -> Self {
        let config::Drain { notice, window } = config::Drain::default();
        Self { notice, window, compatible: None }
    }
}

impl From<Drain> for config::Drain {
    fn from(Drain { notice, window, .. }: Drain) -> Self {
        Self { notice, window }
    }
}

/// `[compatible]`: routes for login pages that were written for other servers, each off unless it
/// names the account that its pages log in with. `docs/compatible.md` says what they are and what they
/// are unfit for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Compatible {
    /// An id that the page chose, in the path of its WebSocket.
    pub path_socket: Option<CompatibleRoute>,
    /// An id that the page chose, in the query of its WebSocket; the account is a mini program.
    pub client_id_socket: Option<CompatibleRoute>,
    /// A code that is typed to the account.
    pub typed_code: Option<CompatibleRoute>,
    /// A QR code for whoever connects, on a port of its own.
    pub qr_on_open: Option<CompatibleListener>,
    /// A ticket that the page polls with.
    pub ticket_polling: Option<CompatibleRoute>,
}

impl Compatible {
    /// Whether none of them is on.
    pub(crate) fn is_off(&self) -> bool {
        let Self { path_socket, client_id_socket, typed_code, qr_on_open, ticket_polling } = self;
        let routes = [path_socket, client_id_socket, typed_code, ticket_polling];
        qr_on_open.is_none() && routes.iter().all(|route| route.is_none())
    }
}

/// A compatible route of the public listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompatibleRoute {
    /// The account that its pages log in with.
    pub account: AccountName,
}

/// A compatible route with a listener of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompatibleListener {
    /// The account that its pages log in with.
    pub account: AccountName,
    /// Where its pages connect.
    pub listen: SocketAddr,
}

/// What a gateway needs of it, whatever process it is in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where browsers connect.
    pub public: SocketAddr,
    /// Where scenes are opened.
    pub callback: HttpUrl,
    /// Signs the pages' keys.
    pub key_secret: Rotating,
    /// Signs calls to the callback.
    pub internal_secret: Rotating,
    /// The origins whose pages may open scenes.
    pub origins: Origins,
    /// The proxies whose word is taken for where a browser is.
    pub trusted_proxies: TrustedProxies,
    /// How long a scene lives.
    pub scene_life: Seconds,
    /// Routes for login pages that were written for other servers.
    pub compatible: Compatible,
    /// How long pages of those routes may stay when it leaves.
    pub stay: Duration,
    /// Whether it sheds pages when it holds more than its share of the fleet's.
    pub rebalance: bool,
    /// What it takes.
    pub limits: Limits,
}

impl From<Config> for Settings {
    fn from(config: Config) -> Self {
        Self {
            public: config.listen.public,
            callback: config.callback.url,
            key_secret: config.key_secret,
            internal_secret: config.internal_secret,
            origins: config.origins,
            trusted_proxies: config.trusted_proxies,
            scene_life: config.scene_life,
            stay: config.drain.compatible.map_or_else(|| longest_life(&config.compatible), Seconds::duration),
            rebalance: config.rebalance,
            compatible: config.compatible,
            limits: config.limits,
        }
    }
}

impl Checked for Config {
    fn check(&self) -> Result<(), BadConfig> {
        if !(10..=1800).contains(&self.scene_life.duration().as_secs()) {
            return Err(BadConfig::at("scene_life", "must be 10 to 1800 seconds"));
        }
        Ok(())
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
mod tests;
