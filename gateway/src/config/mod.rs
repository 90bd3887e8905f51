//! A gateway's configuration.
//!
//! | module | section |
//! |---|---|
//! | this one | the top level, `[listen]`, `[callback]`, `[drain]` |
//! | `limits` | `[limits]`: how many connections and requests a pod accepts |
//! | `compatible` | `[compatible]`: routes for login pages that were written for other servers |

mod compatible;
mod limits;

use std::{net::SocketAddr, time::Duration};

use scenecast_bus::BusConfig;
use scenecast_scene::Rotating;
use scenecast_service::{
    ceilings::ConnectionCeiling,
    config,
    config::{
        ConfigError, ConfigWarning, HttpUrl, Origins, Required, Seconds, SecretUses, TelemetryConfig, Validate,
        all_addresses, check_listeners, defaults, keep_alive_warning, listen_address, strong_secret,
    },
    http::TrustedProxies,
    process::Binary,
    threads::Threads,
};
use serde::Deserialize;

pub(crate) use compatible::CompatibleKind;
pub use compatible::{CompatibleConfig, CompatibleListener, CompatibleRoute};
pub use limits::GatewayLimits;

/// The callbacks' user in `deploy/redis/users.acl`.
const CALLBACKS_REDIS_USER: &str = "callback";

/// A gateway's configuration; `gateway.toml` beside this crate shows all of it.
///
/// `B` is the `[bus]` section. A process that brings its own bus, such as standalone, sets it to `()`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig<B = BusConfig> {
    /// Where the gateway listens.
    #[serde(default)]
    pub listen: GatewayListen,
    /// The Redis that carries scenes between pods.
    pub bus: B,
    /// Where the gateway has scenes opened.
    pub callback: CallbackAddress,
    /// Signs the pages' keys; the same on every gateway.
    #[serde(deserialize_with = "strong_secret")]
    pub key_secret: Rotating,
    /// Signs calls to the callback; the same on every gateway and callback.
    #[serde(deserialize_with = "strong_secret")]
    pub internal_secret: Rotating,
    /// The origins whose pages may open scenes.
    pub origins: Origins,
    /// The proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` the gateway believes.
    #[serde(default)]
    pub trusted_proxies: TrustedProxies,
    /// How long a scene lives: 10 to 1800 seconds.
    #[serde(default = "defaults::scene_life")]
    pub scene_life: Seconds,
    /// How many connections and requests a pod accepts.
    #[serde(default)]
    pub limits: GatewayLimits,
    /// Whether this pod sends pages away when it has more than its share of the fleet's.
    #[serde(default = "enabled")]
    pub rebalance: bool,
    /// Routes for login pages that were written for other servers.
    #[serde(default)]
    pub compatible: CompatibleConfig,
    /// How many threads do the pod's work.
    #[serde(default)]
    pub threads: Threads,
    /// How the pod shuts down.
    #[serde(default)]
    pub drain: GatewayDrain,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

fn enabled() -> bool {
    true
}

impl<B> GatewayConfig<B> {
    /// How long pages of compatible routes may stay while this pod drains.
    pub(crate) fn compatible_drain(&self) -> Duration {
        self.drain.compatible.map_or_else(|| self.compatible.longest_scene_life(), Seconds::duration)
    }
}

const DEFAULT_ADMIN: SocketAddr = all_addresses(9090);

/// `[listen]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayListen {
    /// For browsers.
    #[serde(deserialize_with = "listen_address")]
    pub public: SocketAddr,
    /// For probes and Prometheus.
    #[serde(deserialize_with = "listen_address")]
    pub admin: SocketAddr,
}

impl Default for GatewayListen {
    fn default() -> Self {
        Self { public: all_addresses(8080), admin: DEFAULT_ADMIN }
    }
}

/// `[callback]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackAddress {
    /// The callbacks' internal listener, such as `http://callback:8082`.
    pub url: HttpUrl,
}

/// `[drain]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayDrain {
    /// How long a pod that is no longer ready still accepts connections, until the endpoints have noticed.
    pub notice: Seconds,
    /// The time over which the pod spreads the closes of its connections.
    pub window: Seconds,
    /// How long pages of compatible routes may stay, which don't reconnect. By default, as long as their
    /// scenes live.
    pub compatible: Option<Seconds>,
}

impl Default for GatewayDrain {
    fn default() -> Self {
        let config::DrainConfig { notice, window } = config::DrainConfig::default();
        Self { notice, window, compatible: None }
    }
}

impl From<GatewayDrain> for config::DrainConfig {
    fn from(GatewayDrain { notice, window, .. }: GatewayDrain) -> Self {
        Self { notice, window }
    }
}

impl<B> GatewayConfig<B> {
    fn listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        let on_open = self.compatible.qr_on_open.as_ref().map(|it| ("compatible.qr_on_open.listen", it.listen));
        let own = [("listen.public", self.listen.public), ("listen.admin", self.listen.admin)];
        own.into_iter().chain(on_open).collect()
    }

    fn secrets(&self) -> SecretUses<'_> {
        let mut uses = SecretUses::default();
        uses.add("internal_secret", &self.internal_secret);
        uses.add("key_secret", &self.key_secret);
        uses
    }
}

impl Validate for GatewayConfig {
    const REQUIRED: &'static [Required] = &[
        Required::new("bus.url", "redis://stand-in"),
        Required::new("callback.url", "http://stand-in"),
        Required::new("key_secret", "stand-in of the key_secret"),
        Required::new("internal_secret", "stand-in of the internal_secret"),
        Required::new("origins", "https://stand-in"),
    ];

    fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::all([
            check_listeners(&self.listeners()),
            self.secrets().check(),
            self.secrets().check_not_in("bus.url", |secret| self.bus.url.has_password(secret.text())),
            self.origins.check_some(),
            self.scene_life.check("scene_life", defaults::SCENE_LIFE),
            self.limits.unread.check("limits.unread", 1..=600),
            self.limits.keep_alive.check("limits.keep_alive", defaults::KEEP_ALIVE),
            config::DrainConfig::from(self.drain).check(),
            self.drain.compatible.map_or(Ok(()), |compatible| compatible.check("drain.compatible", 0..=7200)),
        ])
    }

    fn warnings(&self) -> Vec<ConfigWarning> {
        let mut warnings = self.secrets().warnings();
        warnings.extend(self.origins.warnings());
        warnings.extend(keep_alive_warning(self.limits.keep_alive));
        if self.bus.url.has_user(CALLBACKS_REDIS_USER) {
            let problem =
                "its user is the callbacks'; give gateways the user that may only read, so that none can store a login";
            warnings.push(ConfigWarning::at("bus.url", problem));
        }
        if self.drain.window == Seconds::new(0) {
            warnings.push(ConfigWarning::at("drain.window", "a pod that ends closes all its pages at once"));
        }
        warnings
    }
}

impl Binary for GatewayConfig {
    const LIBRARY_LOG_FILTER: &'static str = scenecast_bus::CLIENT_LOG_FILTER;

    const DEFAULT_ADMIN: Option<SocketAddr> = Some(DEFAULT_ADMIN);

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn threads(&self) -> Threads {
        self.threads
    }

    fn connection_ceilings(&mut self) -> Vec<ConnectionCeiling<'_>> {
        vec![self.limits.connection_ceiling()]
    }
}

#[cfg(test)]
mod tests;
