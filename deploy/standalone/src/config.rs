//! Standalone's configuration. Every value has a default.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    num::NonZeroU32,
};

use scenecast_bus::BusUrl;
use scenecast_callback::config::CallbackLimits;
use scenecast_gateway::config::GatewayLimits;
use scenecast_scene::Language;
use scenecast_service::{
    ceilings::ConnectionCeiling,
    config::{
        ConfigError, ConfigWarning, DrainConfig, Origins, Seconds, TelemetryConfig, Validate, check_listeners,
        defaults, listen_address,
    },
    process::Binary,
};
use serde::Deserialize;

/// How many connections each listener of gateway and callback accepts: enough for one process, and so few that the usual
/// limits of open files allow it.
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(4000).expect("it isn't 0");

const ADMIN_PORT: u16 = 7305;

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

/// Standalone's configuration. By default all parts listen on loopback.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StandaloneConfig {
    pub listen: ListenAddresses,
    pub bus: StandaloneBusConfig,
    /// Origins whose pages may log in too, beside the demo site's.
    pub origins: Origins,
    /// How long a scene lives.
    pub scene_life: Seconds,
    /// The language in which phones are answered; the terminal's by default.
    pub language: Language,
    pub drain: DrainConfig,
    pub telemetry: TelemetryConfig,
    /// What the gateway in this process accepts. Not a setting.
    #[serde(skip)]
    pub gateway_limits: GatewayLimits,
    /// What the callback in this process accepts. Not a setting.
    #[serde(skip)]
    pub callback_limits: CallbackLimits,
}

impl Default for StandaloneConfig {
    fn default() -> Self {
        Self {
            listen: ListenAddresses::default(),
            bus: StandaloneBusConfig::default(),
            origins: Origins::default(),
            scene_life: defaults::scene_life(),
            language: Language::from_locale(&std::env::var("LANG").unwrap_or_default()),
            drain: DrainConfig { notice: Seconds::new(0), window: Seconds::new(1) },
            telemetry: TelemetryConfig::default(),
            gateway_limits: GatewayLimits::new(CONNECTIONS),
            callback_limits: CallbackLimits::new(CONNECTIONS),
        }
    }
}

/// `[listen]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenAddresses {
    #[serde(deserialize_with = "listen_address")]
    pub site: SocketAddr,
    /// The gateway, for browsers.
    #[serde(deserialize_with = "listen_address")]
    pub gateway: SocketAddr,
    /// The callback, for WeChat.
    #[serde(deserialize_with = "listen_address")]
    pub callback: SocketAddr,
    /// The callback, for the gateway and the site.
    #[serde(deserialize_with = "listen_address")]
    pub internal: SocketAddr,
    /// The simulator of WeChat.
    #[serde(deserialize_with = "listen_address")]
    pub simulator: SocketAddr,
    /// Probes and metrics of all of it.
    #[serde(deserialize_with = "listen_address")]
    pub admin: SocketAddr,
    /// The gateway, for pages that are sent a QR code as soon as they connect.
    #[serde(deserialize_with = "listen_address")]
    pub qr_on_open: SocketAddr,
}

impl Default for ListenAddresses {
    fn default() -> Self {
        Self {
            site: loopback(7300),
            gateway: loopback(7301),
            callback: loopback(7302),
            internal: loopback(7303),
            simulator: loopback(7304),
            admin: loopback(ADMIN_PORT),
            qr_on_open: loopback(7306),
        }
    }
}

impl ListenAddresses {
    fn named(&self) -> [(&'static str, SocketAddr); 7] {
        let Self { site, gateway, callback, internal, simulator, admin, qr_on_open } = *self;
        [
            ("listen.site", site),
            ("listen.gateway", gateway),
            ("listen.callback", callback),
            ("listen.internal", internal),
            ("listen.simulator", simulator),
            ("listen.admin", admin),
            ("listen.qr_on_open", qr_on_open),
        ]
    }
}

/// `[bus]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StandaloneBusConfig {
    /// `memory:` or a Redis.
    pub url: BusUrl,
    /// Whether this is the only pod. In Kubernetes `memory:` is refused unless it is.
    pub only_pod: bool,
}

impl Default for StandaloneBusConfig {
    fn default() -> Self {
        Self { url: BusUrl::Memory, only_pod: false }
    }
}

impl StandaloneBusConfig {
    /// Refuses `memory:` in a Kubernetes pod, which may be one of several, unless `only_pod` is set.
    pub(crate) fn check_pod(&self, in_kubernetes: bool) -> Result<(), ConfigError> {
        if matches!(self.url, BusUrl::Memory) && in_kubernetes && !self.only_pod {
            return Err(ConfigError::at(
                "bus.url",
                "memory: carries scenes inside one process, and this pod may be one of several; \
                 use Redis, or say that it is the only one with bus.only_pod = true",
            ));
        }
        Ok(())
    }
}

impl Validate for StandaloneConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::all([
            check_listeners(&self.listen.named()),
            self.scene_life.check("scene_life", defaults::SCENE_LIFE),
            self.drain.check(),
            self.bus.check_pod(std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()),
        ])
    }

    fn warnings(&self) -> Vec<ConfigWarning> {
        self.origins.warnings().collect()
    }
}

impl Binary for StandaloneConfig {
    const DEFAULT_ADMIN: Option<SocketAddr> = Some(loopback(ADMIN_PORT));

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn connection_ceilings(&mut self) -> Vec<ConnectionCeiling<'_>> {
        vec![
            ConnectionCeiling { setting: "gateway's connections", ..self.gateway_limits.connection_ceiling() },
            ConnectionCeiling { setting: "callback's connections", ..self.callback_limits.connection_ceiling() },
        ]
    }

    const LIBRARY_LOG_FILTER: &'static str = scenecast_bus::CLIENT_LOG_FILTER;
}

#[cfg(test)]
mod tests {
    use scenecast_service::config::load;

    use super::*;

    fn load_with(name: &str, value: &str) -> Result<StandaloneConfig, String> {
        load(None, [(name.to_owned(), value.to_owned())]).map_err(|error| error.to_string())
    }

    #[test]
    fn an_error_names_the_invalid_value() {
        for (name, value, named) in [
            ("SCENECAST_LISTEN__ADMIN", "127.0.0.1:7301", "listen.admin: has the port of listen.gateway"),
            ("SCENECAST_LISTEN__QR_ON_OPEN", "0.0.0.0:7300", "listen.qr_on_open: has the port of listen.site"),
            ("SCENECAST_SCENE_LIFE", "5", "scene_life"),
            ("SCENECAST_DRAIN__WINDOW", "0.5", "drain.window"),
            ("SCENECAST_DRAIN__WINDOW", "3601", "drain.window"),
            ("SCENECAST_ORIGINS", "https://*.example.com", "origins"),
            ("SCENECAST_BUS__URL", "redis://${HOST}:6379", "bus.url: still has the placeholder"),
        ] {
            let error = load_with(name, value).unwrap_err();
            assert!(error.contains(named), "{name}={value}: {error}");
        }
        for limits in ["SCENECAST_GATEWAY_LIMITS__KEEP_ALIVE", "SCENECAST_CALLBACK_LIMITS__KEEP_ALIVE"] {
            let error = load_with(limits, "0").unwrap_err();
            assert!(error.contains(limits), "what isn't a setting: {error}");
        }
        assert_eq!(load_with("SCENECAST_ORIGINS", "http://a.cn").unwrap().warnings().len(), 1);
    }

    #[test]
    fn an_error_names_all_invalid_values() {
        let invalid = [
            ("SCENECAST_LISTEN__ADMIN", "127.0.0.1:7301"),
            ("SCENECAST_LISTEN__CALLBACK", "127.0.0.1:7300"),
            ("SCENECAST_SCENE_LIFE", "5"),
            ("SCENECAST_DRAIN__NOTICE", "301"),
            ("SCENECAST_DRAIN__WINDOW", "3601"),
        ];
        let env = invalid.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let texts = load::<StandaloneConfig>(None, env).unwrap_err().texts();
        for (name, _) in invalid {
            assert!(texts.iter().any(|text| text.contains(name)), "{name}: {texts:?}");
        }
    }

    #[test]
    fn memory_is_refused_where_it_could_be_one_of_several_pods() {
        let memory = StandaloneBusConfig::default();
        assert!(memory.check_pod(false).is_ok());
        assert!(memory.check_pod(true).unwrap_err().to_string().contains("bus.url"));
        assert!(StandaloneBusConfig { only_pod: true, ..StandaloneBusConfig::default() }.check_pod(true).is_ok());
        let redis = StandaloneBusConfig { url: "redis://127.0.0.1:6379".parse().unwrap(), only_pod: false };
        assert!(redis.check_pod(true).is_ok());
    }
}
