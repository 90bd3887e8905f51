//! The callback's configuration: one TOML file, and environment variables that take precedence over it.
//!
//! | module | what it is for |
//! |---|---|
//! | `account`, `mini_program` | one Official Account, one mini program |
//! | `delivery_path` | an account's own path for WeChat's deliveries |
//! | `limits` | `[limits]` |
//! | `check` | checks that several of these have in common |
//! | `secrets` | which secrets must differ |
//! | `warnings` | settings that are probably mistakes |
//!
//! The settings of webhooks and of an account's texts are in the rooms that use them (`webhooks`, `phone`).

mod account;
mod check;
mod delivery_path;
mod limits;
mod mini_program;
mod secrets;
mod warnings;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use scenecast_bus::BusConfig;
use scenecast_scene::{AccountName, Rotating};
use scenecast_service::{
    ceilings::ConnectionCeiling,
    config::{
        ConfigError, ConfigWarning, DrainConfig, HttpUrl, Required, TelemetryConfig, Validate, all_addresses,
        check_listeners, defaults, listen_address, strong_secret,
    },
    http::TrustedProxies,
    outbound::ProxyUrl,
    process::Binary,
    threads::Threads,
};
use serde::Deserialize;
use url::Url;

use crate::{clock::Clock, phone::GeoDatabase};
use check::{bad, check_own, require};

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
    #[serde(default)]
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
    /// How our own requests leave the cluster.
    #[serde(default)]
    pub outbound: OutboundConfig,
    /// How much one pod accepts.
    #[serde(default)]
    pub limits: CallbackLimits,
    /// How many threads do the pod's work.
    #[serde(default)]
    pub threads: Threads,
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

const DEFAULT_ADMIN: SocketAddr = all_addresses(9081);

/// The addresses that a callback binds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallbackListen {
    /// For WeChat and mini programs.
    #[serde(deserialize_with = "listen_address")]
    pub public: SocketAddr,
    /// For gateways and sites.
    #[serde(deserialize_with = "listen_address")]
    pub internal: SocketAddr,
    /// `/healthz`, `/readyz`, `/metrics`.
    #[serde(deserialize_with = "listen_address")]
    pub admin: SocketAddr,
}

impl Default for CallbackListen {
    fn default() -> Self {
        Self { public: all_addresses(8081), internal: all_addresses(8082), admin: DEFAULT_ADMIN }
    }
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

/// The proxies of our own requests. Without one, they go directly.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundConfig {
    /// For calls of WeChat's API.
    pub wechat_proxy: Option<ProxyUrl>,
    /// For the webhooks of all accounts.
    pub webhook_proxy: Option<ProxyUrl>,
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
    const REQUIRED: &'static [Required] = &[
        Required::new("bus.url", "redis://stand-in"),
        Required::new("internal_secret", "stand-in of the internal_secret"),
        Required::new("accounts.*.app_id", "wxStandIn"),
        Required::new("accounts.*.secret", "stand-in of an AppSecret"),
        Required::new("accounts.*.token", "standIn"),
        Required::new("accounts.*.original_id", "gh_standIn"),
        Required::new("accounts.*.webhooks.secret", "whsec_c3RhbmQtaW4gb2YgYSBzZWNyZXQgaGVyZQ=="),
        Required::new("mini_programs.*.app_id", "wxStandIn"),
        Required::new("mini_programs.*.secret", "stand-in of an AppSecret"),
        Required::new("mini_programs.*.webhooks.secret", "whsec_c3RhbmQtaW4gb2YgYSBzZWNyZXQgaGVyZQ=="),
        Required::new("api_keys.*.key", "stand-in of an API key"),
        Required::new("api_keys.*.accounts", "stand-in"),
    ];

    fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::all([
            check_listeners(&self.listen.named()),
            self.drain.check(),
            self.limits.keep_alive.check("limits.keep_alive", defaults::KEEP_ALIVE),
            self.check_accounts(),
            self.check_mini_programs(),
            check_own(self.app_ids(), "app_id"),
            self.check_api_keys(),
            self.check_secrets(),
            self.check_redis_password(),
        ])
    }

    fn warnings(&self) -> Vec<ConfigWarning> {
        let mut warnings = self.all_warnings();
        warnings.extend(self.redis_user_warning());
        warnings
    }
}

impl CallbackListen {
    fn named(&self) -> [(&'static str, SocketAddr); 3] {
        [("listen.public", self.public), ("listen.internal", self.internal), ("listen.admin", self.admin)]
    }
}

impl WechatSettings {
    /// Whether this is WeChat itself, in whichever of its data centres, and no simulator.
    fn is_wechats_own(&self) -> bool {
        let url = Url::parse(&self.api_base.join("/"));
        url.is_ok_and(|url| url.host_str().is_some_and(|host| host.ends_with(".weixin.qq.com")))
    }
}

impl<B> CallbackConfig<B> {
    fn check_accounts(&self) -> Result<(), ConfigError> {
        if self.accounts.is_empty() && self.mini_programs.is_empty() {
            return bad("accounts", "there must be at least one, or one of mini_programs");
        }
        let accounts = || self.accounts.iter().map(|(name, account)| (format!("accounts.{name}"), account));
        let own_path = check_own(accounts().filter_map(|(at, account)| Some((at, account.path.as_ref()?))), "path");
        let own_id = check_own(accounts().map(|(at, account)| (at, &account.original_id)), "original_id");
        let each = accounts().map(|(at, account)| account::check(&at, account));
        let fallbacks = self.accounts.iter().map(|(name, account)| self.check_fallback(name, account));
        ConfigError::all(each.chain(fallbacks).chain([own_path, own_id]))
    }

    /// The fallback exists, and asks people at least as strictly as the account does: otherwise a page would get a
    /// weaker login whenever the account has no QR codes left.
    ///
    /// See docs/decisions/046-the-stricter-confirmation-counts.md.
    fn check_fallback(&self, name: &AccountName, account: &AccountSettings) -> Result<(), ConfigError> {
        let Some(other) = &account.fallback_mini_program else { return Ok(()) };
        let at = format!("accounts.{name}.fallback_mini_program");
        let Some(mini_program) = self.mini_programs.get(other) else {
            return bad(&at, &format!("there is no mini program {other}"));
        };
        if mini_program.confirmation < account.confirmation {
            let (weak, strict) = (mini_program.confirmation, account.confirmation);
            let why = format!("mini_programs.{other} has the confirmation {weak}, which is weaker than {strict} here");
            return bad(&at, &why);
        }
        Ok(())
    }

    fn check_mini_programs(&self) -> Result<(), ConfigError> {
        ConfigError::all(self.mini_programs.iter().flat_map(|(name, mini_program)| {
            let at = format!("mini_programs.{name}");
            let is_own = !self.accounts.contains_key(name);
            [mini_program::check(&at, mini_program), require(is_own, &at, "there is an Official Account of this name")]
        }))
    }

    fn check_api_keys(&self) -> Result<(), ConfigError> {
        ConfigError::all(self.api_keys.iter().map(|(name, key)| self.check_api_key(name, key)))
    }

    fn check_api_key(&self, name: &str, key: &ApiKey) -> Result<(), ConfigError> {
        // The key belongs into an environment variable, whose name can't tell capitals.
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let is_name = !name.is_empty() && name.bytes().all(is_plain);
        let named = require(is_name, "api_keys", &format!("{name:?} must be of a-z, 0-9, - and _"));
        let at = format!("api_keys.{name}.accounts");
        let some = require(!key.accounts.is_empty(), &at, "must name at least one account");
        let unknown = key.accounts.iter().filter(|account| !self.has(account));
        let known = unknown.map(|unknown| bad(&at, &format!("there is no account {unknown}")));
        ConfigError::all([named, some].into_iter().chain(known))
    }

    fn has(&self, account: &AccountName) -> bool {
        self.accounts.contains_key(account) || self.mini_programs.contains_key(account)
    }

    /// Whether a mini program's codes stand in for those of an Official Account.
    fn is_fallback(&self, mini_program: &AccountName) -> bool {
        self.accounts.values().any(|account| account.fallback_mini_program.as_ref() == Some(mini_program))
    }

    /// The settings of webhooks with their places.
    fn webhooks(&self) -> impl Iterator<Item = (String, &WebhookSettings)> {
        let accounts = self.accounts.iter().map(|(name, it)| (format!("accounts.{name}.webhooks"), &it.webhooks));
        let mini_programs =
            self.mini_programs.iter().map(|(name, it)| (format!("mini_programs.{name}.webhooks"), &it.webhooks));
        accounts.chain(mini_programs).filter_map(|(at, webhooks)| Some((at, webhooks.as_ref()?)))
    }

    /// The app ids with the places of their accounts.
    fn app_ids(&self) -> impl Iterator<Item = (String, &str)> {
        let accounts = self.accounts.iter().map(|(name, it)| (format!("accounts.{name}"), it.app_id.as_str()));
        let mini_programs =
            self.mini_programs.iter().map(|(name, it)| (format!("mini_programs.{name}"), it.app_id.as_str()));
        accounts.chain(mini_programs)
    }
}

impl Binary for CallbackConfig {
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
