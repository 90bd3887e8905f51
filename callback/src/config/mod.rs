//! What the callback is told: one TOML file, environment over it.

mod account;
mod limits;
mod mini_program;
mod path;
mod webhooks;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use scenecast_shared::{
    config::{BadConfig, Bus, Checked, Drain, HttpUrl, Seconds, Telemetry, strong},
    process::Binary,
    scene::{AccountName, Rotating},
    serve::TrustedProxies,
};
use serde::Deserialize;

use crate::{clock::Clock, geo::GeoDatabase};

pub use account::{AccountSettings, Confirmation, Mode};
pub use limits::Limits;
pub use mini_program::{EnvVersion, MiniProgramSettings};
pub use path::WebhookPath;
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
    #[serde(default)]
    pub accounts: BTreeMap<AccountName, AccountSettings>,
    /// The mini programs; none is called like an Official Account.
    #[serde(default)]
    pub mini_programs: BTreeMap<AccountName, MiniProgramSettings>,
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
    /// The mini programs; none is called like an Official Account.
    pub mini_programs: BTreeMap<AccountName, MiniProgramSettings>,
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
    /// What says when a day ends.
    pub clock: Clock,
}

impl From<Config> for Settings {
    fn from(config: Config) -> Self {
        Self {
            public: config.listen.public,
            internal: config.listen.internal,
            internal_secret: config.internal_secret,
            accounts: config.accounts,
            mini_programs: config.mini_programs,
            api_keys: config.api_keys,
            trusted_proxies: config.trusted_proxies,
            geo_database: config.geo_database,
            api_base: config.wechat.api_base,
            picture_base: config.wechat.picture_base,
            limits: config.limits,
            clock: Clock::default(),
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
            // Capitals can't be written in the environment, which is where the key belongs.
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

impl Config {
    fn has(&self, account: &AccountName) -> bool {
        self.accounts.contains_key(account) || self.mini_programs.contains_key(account)
    }

    fn check_app_ids(&self) -> Result<(), BadConfig> {
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

fn check_grant_life(at: &str, life: Seconds) -> Result<(), BadConfig> {
    if (1..=600).contains(&life.duration().as_secs()) {
        return Ok(());
    }
    bad(&format!("{at}.grant_life"), "must be 1 to 600 seconds")
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
