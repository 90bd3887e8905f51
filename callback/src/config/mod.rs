//! The callback's configuration: one TOML file, and environment variables that take precedence over it.
//!
//! | module | what it is for |
//! |---|---|
//! | `account`, `mini_program` | one Official Account, one mini program |
//! | `delivery_path` | an account's own path for WeChat's deliveries |
//! | `limits` | `[limits]` |
//! | `check` | checks that several of these have in common |
//!
//! The settings of webhooks and of an account's texts are in the rooms that use them (`webhooks`, `phone`).

mod account;
mod check;
mod delivery_path;
mod limits;
mod mini_program;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use scenecast_bus::BusConfig;
use scenecast_scene::{AccountName, Rotating};
use scenecast_service::{
    config::{ConfigError, DrainConfig, HttpUrl, TelemetryConfig, Validate, strong_secret},
    descriptors::ConnectionCeiling,
    http::TrustedProxies,
    process::Binary,
};
use serde::Deserialize;

use crate::{clock::Clock, phone::GeoDatabase};
use check::bad;

pub use crate::{
    webhooks::{Endpoint, WebhookSettings, WebhookTarget},
    wechat::EnvVersion,
};
pub use account::{AccountSettings, Confirmation, Mode};
pub use delivery_path::DeliveryPath;
pub use limits::{CallbackLimits, Percent};
pub use mini_program::MiniProgramSettings;

/// The configuration of a callback. `B` says what carries the scenes: a pod needs a Redis, and a process that holds the
/// gateway too may do with its memory.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackConfig<B = BusConfig> {
    /// The addresses that it binds.
    pub listen: CallbackListen,
    /// What carries scenes to the gateways.
    pub bus: B,
    /// The secret that signs the gateways' calls.
    #[serde(deserialize_with = "strong_secret")]
    pub internal_secret: Rotating,
    /// The Official Accounts, by the name in `/wechat/{account}`.
    #[serde(default)]
    pub accounts: BTreeMap<AccountName, AccountSettings>,
    /// The mini programs. None has the name of an Official Account.
    #[serde(default)]
    pub mini_programs: BTreeMap<AccountName, MiniProgramSettings>,
    /// The API keys of the sites' backends, by a name for the log.
    #[serde(default)]
    pub api_keys: BTreeMap<String, ApiKey>,
    /// The proxies whose `X-Forwarded-For` is believed.
    #[serde(default)]
    pub trusted_proxies: TrustedProxies,
    /// Tells people where in the world the page is on which they log in.
    #[serde(default)]
    pub geo_database: Option<GeoDatabase>,
    /// The addresses of WeChat's API.
    #[serde(default)]
    pub wechat: WechatSettings,
    /// How much one pod accepts.
    #[serde(default)]
    pub limits: CallbackLimits,
    /// How long it takes to shut down.
    #[serde(default)]
    pub drain: DrainConfig,
    /// Its log and its traces.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// The clock that says when a day ends. It isn't configured: tests let it run ahead.
    #[serde(skip)]
    pub clock: Clock,
}

/// The addresses that a callback binds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackListen {
    /// For WeChat and mini programs.
    pub public: SocketAddr,
    /// For gateways and sites.
    pub internal: SocketAddr,
    /// `/healthz`, `/readyz`, `/metrics`.
    pub admin: SocketAddr,
}

/// The addresses of WeChat's API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WechatSettings {
    /// The address before the paths of the API: WeChat's own, or a simulator's.
    pub api_base: HttpUrl,
    /// The address of the pictures of QR codes: WeChat's own, or a simulator's.
    pub picture_base: HttpUrl,
}

impl Default for WechatSettings {
    fn default() -> Self {
        let literal = |url: &str| HttpUrl::try_from(url.to_owned()).expect("a literal address");
        Self { api_base: literal("https://api.weixin.qq.com"), picture_base: literal("https://mp.weixin.qq.com") }
    }
}

/// The API key of a site's backend.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// What the site sends as `Authorization: Bearer`.
    #[serde(deserialize_with = "strong_secret")]
    pub key: Rotating,
    /// The accounts whose grants the site may redeem.
    pub accounts: BTreeSet<AccountName>,
}

impl Validate for CallbackConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        if self.accounts.is_empty() && self.mini_programs.is_empty() {
            return bad("accounts", "there must be at least one, or one of mini_programs");
        }
        let mut paths = BTreeMap::new();
        for (name, account) in &self.accounts {
            account::check(&format!("accounts.{name}"), account)?;
            if let Some(other) = account.path.as_ref().and_then(|path| paths.insert(path, name)) {
                return bad(&format!("accounts.{name}.path"), &format!("is that of accounts.{other} too"));
            }
            if let Some(other) = &account.fallback_mini_program
                && !self.mini_programs.contains_key(other)
            {
                return bad(
                    &format!("accounts.{name}.fallback_mini_program"),
                    &format!("there is no mini program {other}"),
                );
            }
        }
        for (name, mini_program) in &self.mini_programs {
            mini_program::check(&format!("mini_programs.{name}"), mini_program)?;
            if self.accounts.contains_key(name) {
                return bad(&format!("mini_programs.{name}"), "there is an Official Account of this name");
            }
        }
        self.check_app_ids()?;
        for (name, key) in &self.api_keys {
            // The key belongs into an environment variable, whose name can't tell capitals.
            if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_') {
                return bad("api_keys", &format!("{name:?} must be of a-z, 0-9, - and _"));
            }
            let accounts = format!("api_keys.{name}.accounts");
            if key.accounts.is_empty() {
                return bad(&accounts, "must name at least one account");
            }
            if let Some(unknown) = key.accounts.iter().find(|account| !self.has(account)) {
                return bad(&accounts, &format!("there is no account {unknown}"));
            }
        }
        Ok(())
    }
}

impl CallbackConfig {
    fn has(&self, account: &AccountName) -> bool {
        self.accounts.contains_key(account) || self.mini_programs.contains_key(account)
    }

    fn check_app_ids(&self) -> Result<(), ConfigError> {
        let accounts = self.accounts.iter().map(|(name, account)| (format!("accounts.{name}"), &account.app_id));
        let mini_programs = self.mini_programs.iter().map(|(name, it)| (format!("mini_programs.{name}"), &it.app_id));
        let mut seen = BTreeMap::new();
        for (at, app_id) in accounts.chain(mini_programs) {
            if let Some(other) = seen.insert(app_id, at.clone()) {
                return bad(&format!("{at}.app_id"), &format!("is that of {other} too"));
            }
        }
        Ok(())
    }
}

impl Binary for CallbackConfig {
    const LIBRARY_LOG_FILTER: &'static str = scenecast_bus::CLIENT_LOG_FILTER;

    fn admin(&self) -> SocketAddr {
        self.listen.admin
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn connection_ceilings(&mut self) -> Vec<ConnectionCeiling<'_>> {
        vec![self.limits.connection_ceiling()]
    }
}

#[cfg(test)]
mod tests;
