//! The demo site as a process of its own, `scenecast-standalone site`: for gateways and callbacks that run elsewhere, such
//! as those of `k8s/overlays/dev`.

use std::net::SocketAddr;

use scenecast_metrics::Metrics;
use scenecast_scene::{AccountName, Secret};
use scenecast_service::{
    config::{ConfigError, DrainConfig, Required, TelemetryConfig, Validate, check_listeners},
    listener::{ListenError, Listener, serve_admin},
    process::Binary,
    shutdown::Shutdown,
    signals::Signals,
};
use serde::{Deserialize, Deserializer, de};
use url::Url;

use crate::{
    config::ListenAddresses,
    site::{LIMITS, SiteConfig, site},
};

/// The settings of `scenecast-standalone site`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteProcessConfig {
    /// As for standalone, whose image sets all of them. Only `site` and `admin` are used.
    #[serde(default)]
    listen: ListenAddresses,
    /// The gateways, as browsers reach them.
    #[serde(deserialize_with = "base_url")]
    gateway: Url,
    /// The callbacks' internal listeners, as this process reaches them.
    #[serde(deserialize_with = "base_url")]
    callback_internal: Url,
    /// The API key with which grants are redeemed.
    api_key: Secret,
    /// The accounts that visitors can log in with.
    accounts: Vec<AccountName>,
    /// The simulator with its phones, as browsers reach it; absent with real WeChat.
    #[serde(default, deserialize_with = "some_base_url")]
    simulated_phones: Option<Url>,
    #[serde(default)]
    drain: DrainConfig,
    #[serde(default)]
    telemetry: TelemetryConfig,
}

/// The library's error would show the text, which may have a password.
fn base_url<'de, D: Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
    let url = Url::parse(&String::deserialize(from)?).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none())
        .ok_or_else(|| de::Error::custom("must be an address such as http://localhost:7301"))
}

fn some_base_url<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Url>, D::Error> {
    base_url(from).map(Some)
}

impl Validate for SiteProcessConfig {
    const REQUIRED: &'static [Required] = &[
        Required::new("gateway", "http://stand-in"),
        Required::new("callback_internal", "http://stand-in"),
        Required::new("api_key", "stand-in of an API key"),
        Required::new("accounts", "stand-in"),
    ];

    fn validate(&self) -> Result<(), ConfigError> {
        let accounts = if self.accounts.is_empty() {
            Err(ConfigError::at("accounts", "must name at least one account"))
        } else {
            Ok(())
        };
        ConfigError::all([
            check_listeners(&[("listen.site", self.listen.site), ("listen.admin", self.listen.admin)]),
            accounts,
            self.drain.check(),
        ])
    }
}

impl Binary for SiteProcessConfig {
    const DEFAULT_ADMIN: Option<SocketAddr> = None;

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

/// Serves until SIGTERM.
pub async fn serve_site(config: SiteProcessConfig, signals: Signals) -> Result<(), ListenError> {
    let shutdown = Shutdown::new(config.drain);
    let listener = Listener::bind("the demo site", config.listen.site, LIMITS).await?;
    serve_admin(config.listen.admin, &Metrics::new(), &shutdown).await?;
    let site = site(SiteConfig {
        gateway: config.gateway,
        callback_internal: config.callback_internal,
        api_key: config.api_key,
        accounts: config.accounts,
        simulated_phones: config.simulated_phones,
    });
    tokio::join!(listener.serve(site, shutdown.clone()), shutdown.run_until_signal(signals));
    Ok(())
}

#[cfg(test)]
mod tests {
    use scenecast_service::config::load;

    use super::*;

    const GOOD: [(&str, &str); 7] = [
        ("SCENECAST_LISTEN__SITE", "127.0.0.1:7300"),
        ("SCENECAST_LISTEN__ADMIN", "127.0.0.1:7305"),
        ("SCENECAST_GATEWAY", "http://localhost:7301"),
        ("SCENECAST_CALLBACK_INTERNAL", "http://callback:8082"),
        ("SCENECAST_API_KEY", "what-the-site-redeems-with"),
        ("SCENECAST_ACCOUNTS", "demo,mini"),
        ("SCENECAST_SIMULATED_PHONES", "http://localhost:7304"),
    ];

    fn load_with(changed: &str, value: &str) -> Result<SiteProcessConfig, String> {
        let value_of = |(name, good): (&str, &str)| {
            let value = if name == changed { value } else { good };
            (name.to_owned(), value.to_owned())
        };
        load(None, GOOD.map(value_of)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_is_enough_also_that_of_the_image() {
        // The image is standalone's.
        let listeners = ["GATEWAY", "CALLBACK", "INTERNAL", "SIMULATOR", "QR_ON_OPEN"];
        let of_image = listeners.map(|name| (format!("SCENECAST_LISTEN__{name}"), "[::]:7399".to_owned()));
        let own = GOOD.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config: SiteProcessConfig = load(None, own.into_iter().chain(of_image)).unwrap();
        assert_eq!((config.accounts.len(), config.simulated_phones.unwrap().as_str()), (2, "http://localhost:7304/"));
    }

    #[test]
    fn an_error_names_the_invalid_value_and_repeats_none() {
        for (name, value, named) in [
            ("SCENECAST_LISTEN__ADMIN", "127.0.0.1:7300", "listen.admin: has the port of listen.site"),
            ("SCENECAST_GATEWAY", "localhost:7301", "gateway"),
            ("SCENECAST_CALLBACK_INTERNAL", "http://user:hush@callback/path", "callback_internal"),
            ("SCENECAST_API_KEY", "${API_KEY}", "api_key"),
            ("SCENECAST_ACCOUNTS", "no account", "accounts"),
        ] {
            let refused = load_with(name, value).unwrap_err();
            assert!(refused.contains(named) && !refused.contains("hush"), "{refused}");
        }
        let missing = load::<SiteProcessConfig>(None, []).unwrap_err().to_string();
        assert!(["gateway", "api_key", "accounts"].iter().all(|name| missing.contains(name)), "{missing}");
    }
}
