//! What the callback is told: one TOML file, environment over it.

mod webhooks;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use scenecast_shared::{
    config::{BadConfig, Bus, Checked, Drain, HttpUrl, Limits, Seconds, Telemetry, defaults, strong},
    process::Binary,
    scene::{AccountName, Language, Rotating, Secret},
    serve::TrustedProxies,
    wechat::AesKey,
};
use serde::Deserialize;

use crate::{geo::GeoDatabase, texts::Texts, webhook::WebhookPath};

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

/// One Official Account.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// `AppID`.
    pub app_id: String,
    /// `AppSecret`.
    pub secret: Secret,
    /// The token of the webhook's settings at WeChat: 3 to 32 letters and digits.
    pub token: Rotating,
    /// The account's own id in messages (`gh_…`).
    pub original_id: String,
    /// How WeChat sends messages, as set there.
    #[serde(default)]
    pub mode: Mode,
    /// The `EncodingAESKey` of the webhook's settings at WeChat; every mode but plain needs it.
    #[serde(default)]
    pub aes_key: Option<Rotating<AesKey>>,
    /// What makes a scan a login.
    #[serde(default)]
    pub confirmation: Confirmation,
    /// What the site is called where people are asked whether they log in; the host of the page if absent.
    #[serde(default)]
    pub site: Option<String>,
    /// Where its webhook is too, beside `/wechat/{account}`.
    #[serde(default)]
    pub path: Option<WebhookPath>,
    /// How long a page has to redeem its grant; at most ten minutes.
    #[serde(default = "defaults::grant_life")]
    pub grant_life: Seconds,
    /// How many QR codes WeChat grants a day.
    #[serde(default = "default_qr_quota")]
    pub qr_quota: u64,
    /// How long a login waits for what WeChat tells of a person (`unionid`, rarely a name), in
    /// milliseconds; 0 never asks. A login that WeChat is too slow for goes on without.
    #[serde(default = "default_profile_wait_ms")]
    pub profile_wait_ms: u32,
    /// The language of replies and generated names.
    #[serde(default)]
    pub language: Language,
    /// Replies in other words than ours.
    #[serde(default)]
    pub texts: Texts,
    /// Where its site is told what happens; nowhere if absent.
    #[serde(default)]
    pub webhooks: Option<Webhooks>,
}

fn default_qr_quota() -> u64 {
    100_000
}

fn default_profile_wait_ms() -> u32 {
    300
}

impl AccountSettings {
    /// What its messages are encrypted with; nothing in plain mode.
    pub(crate) fn encryption(&self) -> Option<&Rotating<AesKey>> {
        match self.mode {
            Mode::Plain => None,
            Mode::Safe | Mode::Compatible => Some(self.aes_key.as_ref().expect("it was checked at the start")),
        }
    }

    /// How long a login waits for what WeChat tells of a person.
    pub(crate) fn profile_wait(&self) -> Duration {
        Duration::from_millis(self.profile_wait_ms.into())
    }
}

/// How WeChat sends messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Encrypted, and signed with what is encrypted.
    #[default]
    Safe,
    /// The same, with an unsigned copy in plain beside it that is not read: as safe, and three times as long.
    Compatible,
    /// Unencrypted; the signature doesn't cover the body.
    Plain,
}

/// What makes a scan a login.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confirmation {
    /// Whoever scanned says yes.
    #[default]
    Tap,
    /// They pick, among three, the number that the page shows.
    Number,
    /// Nothing more. Somebody who is shown a stranger's code logs that stranger in.
    None,
}

impl Checked for Config {
    fn check(&self) -> Result<(), BadConfig> {
        if self.accounts.is_empty() {
            return bad("accounts", "there must be at least one");
        }
        let (mut app_ids, mut paths) = (BTreeMap::new(), BTreeMap::new());
        for (name, account) in &self.accounts {
            check_account(&format!("accounts.{name}"), account)?;
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

fn check_account(at: &str, account: &AccountSettings) -> Result<(), BadConfig> {
    if account.app_id.is_empty() {
        return bad(&format!("{at}.app_id"), "must not be empty");
    }
    if account.original_id.is_empty() {
        return bad(&format!("{at}.original_id"), "must not be empty");
    }
    let fits =
        |token: &Secret| (3..=32).contains(&token.bytes().len()) && token.bytes().iter().all(u8::is_ascii_alphanumeric);
    if !fits(&account.token.current) || !account.token.previous.as_ref().is_none_or(fits) {
        return bad(&format!("{at}.token"), "must be 3 to 32 letters and digits");
    }
    if account.mode != Mode::Plain && account.aes_key.is_none() {
        return bad(&format!("{at}.aes_key"), "must be the account's EncodingAESKey, unless its mode is plain");
    }
    if !(1..=600).contains(&account.grant_life.duration().as_secs()) {
        return bad(&format!("{at}.grant_life"), "must be 1 to 600 seconds");
    }
    if account.profile_wait() > Duration::from_secs(2) {
        return bad(
            &format!("{at}.profile_wait_ms"),
            "must be at most 2000: WeChat waits 5 seconds for all of a login",
        );
    }
    if account.site.as_ref().is_some_and(|site| site.trim().is_empty()) {
        return bad(&format!("{at}.site"), "must not be empty");
    }
    Ok(())
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
#[path = "config_tests.rs"]
mod tests;
