//! What a gateway is told.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use scenecast_shared::{
    config::{self, BadConfig, Bus, Checked, HttpUrl, Origins, Seconds, Telemetry, defaults, strong},
    process::Binary,
    scene::{AccountName, Rotating},
    serve::{Admits, TrustedProxies},
};
use serde::Deserialize;

use crate::compatible::longest_life;

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

/// `[limits]`, on each pod; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at a time.
    pub connections: NonZeroU32,
    /// New ones in a second, and as many at once.
    pub connections_per_second: u32,
    /// Sockets, streams and polls at a time of each client address.
    pub sockets_per_address: u32,
    /// Requests in a minute of each client address, and as many at once.
    pub requests_per_address: u32,
    /// Scenes that each client address opens in a minute, and as many at once.
    pub scenes_per_address: u32,
}

impl Limits {
    /// So many connections at a time, and otherwise what is usual.
    pub fn new(connections: NonZeroU32) -> Self {
        Self { connections, ..Self::default() }
    }

    /// What is limited before a request is looked at.
    pub(crate) fn admits(self) -> Admits {
        Admits {
            connections: usize::try_from(self.connections.get()).unwrap_or(usize::MAX),
            connections_per_second: self.connections_per_second,
            sockets_per_address: self.sockets_per_address,
            requests_per_address: self.requests_per_address,
        }
    }
}

impl Default for Limits {
    /// What a pod of two cores bears, and, for an address, more than the largest office behind one needs.
    fn default() -> Self {
        Self {
            // A thousand less than the file descriptors that a process commonly has.
            connections: NonZeroU32::new(19_000).expect("it isn't zero"),
            connections_per_second: 5_000,
            sockets_per_address: 5_000,
            requests_per_address: 12_000,
            scenes_per_address: 3_000,
        }
    }
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
mod tests {
    use scenecast_shared::config::load;

    use super::*;

    const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway.toml");

    fn with(changes: &[(&str, &str)]) -> Result<Config, String> {
        let secrets = [
            ("SCENECAST_KEY_SECRET__CURRENT", "key-secret-of-16"),
            ("SCENECAST_INTERNAL_SECRET__CURRENT", "internal-secret-of-16"),
        ];
        let env = secrets.iter().chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(Some(SAMPLE.as_ref()), env).map_err(|bad| bad.to_string())
    }

    #[test]
    fn the_sample_is_good_once_it_has_its_secrets() {
        let config = with(&[]).unwrap();
        assert!(config.origins.allow("https://www.example.com"));
        assert!(config.compatible.is_off());
        assert_eq!(config.limits, Limits::default(), "it shows what there is without it");
        let bare = load::<Config>(Some(SAMPLE.as_ref()), []).unwrap_err();
        assert!(bare.to_string().contains("secret"), "{bare}");
    }

    #[test]
    fn pages_that_do_not_come_back_may_stay_as_long_as_their_scenes_live_or_as_it_is_said() {
        let stay = |changes: &[_]| Settings::from(with(changes).unwrap()).stay.as_secs();
        let typed_code = ("SCENECAST_COMPATIBLE__TYPED_CODE__ACCOUNT", "demo");
        let path_socket = ("SCENECAST_COMPATIBLE__PATH_SOCKET__ACCOUNT", "demo");
        assert_eq!(stay(&[]), 0);
        assert_eq!(stay(&[typed_code]), 300);
        assert_eq!(stay(&[typed_code, path_socket]), 3600);
        assert_eq!(stay(&[path_socket, ("SCENECAST_DRAIN__COMPATIBLE", "60")]), 60);
    }

    #[test]
    fn a_bad_value_is_named() {
        for (name, value, named) in [
            ("SCENECAST_BUS__URL", "memory:", "bus.url"),
            ("SCENECAST_BUS__URL", "redis://", "bus.url"),
            ("SCENECAST_BUS__CA", "/nowhere/ca.pem", "bus.ca, /nowhere/ca.pem"),
            ("SCENECAST_CALLBACK__URL", "callback:8082", "callback.url"),
            ("SCENECAST_SCENE_LIFE", "5", "scene_life"),
            ("SCENECAST_LIMITS__CONNECTIONS", "0", "limits.connections"),
            ("SCENECAST_LIMITS__CONNECTIONS_PER_SECOND", "-1", "limits.connections_per_second"),
            ("SCENECAST_LIMITS__SCENES_PER_ADDRESS", "many", "limits.scenes_per_address"),
            ("SCENECAST_LIMITS__SCENES_PER_PERSON", "5", "scenes_per_person"),
            ("SCENECAST_KEY_SECRET__CURRENT", "too short", "key_secret"),
            ("SCENECAST_INTERNAL_SECRET__PREVIOUS", "too short", "internal_secret"),
            ("SCENECAST_LISTEN__PUBLIC", "everywhere", "listen.public"),
            ("SCENECAST_ORIGINS", "www.example.com", "origins"),
            ("SCENECAST_TRUSTED_PROXIES", "10.0.0.0/40", "trusted_proxies"),
            ("SCENECAST_COMPATIBLE__PATH_SOCKET__ACCOUNT", "Demo!", "compatible.path_socket.account"),
            ("SCENECAST_COMPATIBLE__QR_ON_OPEN__ACCOUNT", "demo", "listen"),
            ("SCENECAST_COMPATIBLE__PATH_SOCKETS__ACCOUNT", "demo", "path_sockets"),
            ("SCENECAST_DRAIN__COMPATIBLE", "long", "drain.compatible"),
            ("SCENECAST_REBALANCE", "often", "rebalance"),
            ("SCENECAST_TYPO", "1", "typo"),
        ] {
            let error = with(&[(name, value)]).unwrap_err();
            assert!(error.contains(named), "{name}={value}: {error}");
        }
    }
}
