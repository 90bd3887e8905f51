//! What the callback is told: one TOML file, environment over it.

mod account;
mod webhooks;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use scenecast_shared::{
    config::{BadConfig, Bus, Checked, Drain, HttpUrl, Limits, Telemetry, strong},
    process::Binary,
    scene::{AccountName, Rotating},
    serve::TrustedProxies,
};
use serde::Deserialize;

use crate::geo::GeoDatabase;

pub use account::{AccountSettings, Confirmation, Mode};
pub use webhooks::{Endpoint, Target, Webhooks};

/// A callback process.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where it listens.
    pub listen: Listen,
    /// What carries scenes to the gateways.
    pub bus: Bus,
    /// What gateways sign their calls with.
    #[serde(deserialize_with = "strong")]
    pub internal_secret: Rotating,
    /// The Official Accounts, by the name in `/wechat/{account}`.
    pub accounts: BTreeMap<AccountName, AccountSettings>,
    /// The sites' backends, by a name for logs.
    #[serde(default)]
    pub api_keys: BTreeMap<String, ApiKey>,
    /// The proxies whose word is taken for where a webhook came from.
    #[serde(default)]
    pub trusted_proxies: TrustedProxies,
    /// Tells people where in the world the page is that they log in.
    #[serde(default)]
    pub geo_database: Option<GeoDatabase>,
    /// WeChat's API.
    #[serde(default)]
    pub wechat: WechatSettings,
    /// How much it takes.
    #[serde(default)]
    pub limits: Limits,
    /// How it leaves.
    #[serde(default)]
    pub drain: Drain,
    /// What it tells about itself.
    #[serde(default)]
    pub telemetry: Telemetry,
}

/// Addresses.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// WeChat's webhooks.
    pub public: SocketAddr,
    /// The gateways' calls and the sites' redeem.
    pub internal: SocketAddr,
    /// `/healthz`, `/readyz`, `/metrics`.
    pub admin: SocketAddr,
}

/// What a callback needs of it, whatever process it is in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where WeChat's webhooks go.
    pub public: SocketAddr,
    /// Where gateways open scenes and sites redeem grants.
    pub internal: SocketAddr,
    /// What gateways sign their calls with.
    pub internal_secret: Rotating,
    /// The Official Accounts, by the name in `/wechat/{account}`.
    pub accounts: BTreeMap<AccountName, AccountSettings>,
    /// The sites' backends, by a name for logs.
    pub api_keys: BTreeMap<String, ApiKey>,
    /// The proxies whose word is taken for where a webhook came from.
    pub trusted_proxies: TrustedProxies,
    /// Tells people where in the world the page is that they log in.
    pub geo_database: Option<GeoDatabase>,
    /// WeChat's API, or a simulator's.
    pub api_base: HttpUrl,
    /// Where WeChat's pictures of QR codes are, or a simulator's.
    pub picture_base: HttpUrl,
    /// What it takes.
    pub limits: Limits,
}

impl From<Config> for Settings {
    fn from(config: Config) -> Self {
        Self {
            public: config.listen.public,
            internal: config.listen.internal,
            internal_secret: config.internal_secret,
            accounts: config.accounts,
            api_keys: config.api_keys,
            trusted_proxies: config.trusted_proxies,
            geo_database: config.geo_database,
            api_base: config.wechat.api_base,
            picture_base: config.wechat.picture_base,
            limits: config.limits,
        }
    }
}

/// WeChat's API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WechatSettings {
    /// What its paths are put after: WeChat's own address, or a simulator's.
    pub api_base: HttpUrl,
    /// Where its pictures of QR codes are: WeChat's own address, or a simulator's.
    pub picture_base: HttpUrl,
}

impl Default for WechatSettings {
    fn default() -> Self {
        let literal = |url: &str| HttpUrl::try_from(url.to_owned()).expect("a literal address");
        Self { api_base: literal("https://api.weixin.qq.com"), picture_base: literal("https://mp.weixin.qq.com") }
    }
}

/// A site's backend.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// What it sends as `Authorization: Bearer`.
    #[serde(deserialize_with = "strong")]
    pub key: Rotating,
    /// The accounts whose grants it may redeem.
    pub accounts: BTreeSet<AccountName>,
}

impl Checked for Config {
    fn check(&self) -> Result<(), BadConfig> {
        if self.accounts.is_empty() {
            return bad("accounts", "there must be at least one");
        }
        let (mut app_ids, mut paths) = (BTreeMap::new(), BTreeMap::new());
        for (name, account) in &self.accounts {
            account::check(&format!("accounts.{name}"), account)?;
            if let Some(other) = account.path.as_ref().and_then(|path| paths.insert(path, name)) {
                return bad(&format!("accounts.{name}.path"), &format!("is that of accounts.{other} too"));
            }
            if let Some(other) = app_ids.insert(&account.app_id, name) {
                return bad(&format!("accounts.{name}.app_id"), &format!("is that of accounts.{other} too"));
            }
        }
        for (name, key) in &self.api_keys {
            // Capitals can't be written in the environment, which is where the key belongs.
            if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_') {
                return bad("api_keys", &format!("{name:?} must be of a-z, 0-9, - and _"));
            }
            let accounts = format!("api_keys.{name}.accounts");
            if key.accounts.is_empty() {
                return bad(&accounts, "must name at least one account");
            }
            if let Some(unknown) = key.accounts.iter().find(|account| !self.accounts.contains_key(account)) {
                return bad(&accounts, &format!("there is no account {unknown}"));
            }
        }
        Ok(())
    }
}

fn bad(at: &str, why: &str) -> Result<(), BadConfig> {
    Err(BadConfig::at(at, why))
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
