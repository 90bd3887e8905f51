//! The configuration file of the simulator, and its checks.

use std::{collections::BTreeMap, net::SocketAddr};

use scenecast_scene::AccountName;
use scenecast_service::{
    config::{ConfigError, DrainConfig, Required, TelemetryConfig, Validate, check_listeners, listen_address},
    process::Binary,
};
use serde::{Deserialize, de};
use url::Url;

use crate::accounts::{AccountKind, SimulatedAccount};

/// The simulator as a process; `simulator.toml` in this crate shows every setting.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatorConfig {
    /// The addresses on which it listens.
    pub listen: SimulatorListeners,
    /// The URL at which others reach the public listener. QR codes begin with it.
    #[serde(deserialize_with = "public_url")]
    pub public_url: Url,
    /// The Official Accounts and mini programs that it hosts.
    pub accounts: BTreeMap<AccountName, SimulatedAccount>,
    #[serde(default)]
    pub drain: DrainConfig,
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

/// The addresses on which the simulator listens.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatorListeners {
    /// The API, the phone, and the control routes.
    #[serde(deserialize_with = "listen_address")]
    pub public: SocketAddr,
    /// `/healthz`, `/readyz`, `/metrics`.
    #[serde(deserialize_with = "listen_address")]
    pub admin: SocketAddr,
}

/// The error of the library would show the text, which may have a password.
fn public_url<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
    String::deserialize(from)?
        .parse()
        .map_err(|_| de::Error::custom("must be an address such as http://127.0.0.1:8083"))
}

impl Validate for SimulatorConfig {
    const REQUIRED: &'static [Required] = &[
        Required::new("listen.public", "127.0.0.1:0"),
        Required::new("listen.admin", "127.0.0.1:0"),
        Required::new("public_url", "http://stand-in"),
        Required::new("accounts.*.app_id", "wxStandIn"),
        Required::new("accounts.*.secret", "stand-in of an AppSecret"),
        Required::new("accounts.*.token", "standIn"),
        Required::new("accounts.*.original_id", "gh_standIn"),
    ];

    fn validate(&self) -> Result<(), ConfigError> {
        let is_base = self.public_url.path() == "/" && self.public_url.query().is_none();
        let accounts = self.accounts.iter().map(|(name, account)| check_account(name, account));
        ConfigError::all(accounts.chain([
            require(is_base, "public_url", "must end after the host and port"),
            check_listeners(&[("listen.public", self.listen.public), ("listen.admin", self.listen.admin)]),
            self.drain.check(),
            self.check_own("app_id", |account| &account.app_id),
            self.check_own("original_id", |account| &account.original_id),
        ]))
    }
}

impl SimulatorConfig {
    /// Refuses two accounts with the same value of this setting: at WeChat each has its own.
    fn check_own(&self, setting: &str, value: impl Fn(&SimulatedAccount) -> &str) -> Result<(), ConfigError> {
        let mut seen = BTreeMap::new();
        ConfigError::all(self.accounts.iter().map(|(name, account)| match seen.insert(value(account), name) {
            Some(other) => Err(ConfigError::at(
                format_args!("accounts.{name}.{setting}"),
                format_args!("is that of accounts.{other}, too"),
            )),
            None => Ok(()),
        }))
    }
}

fn require(is_good: bool, at: &str, requirement: &str) -> Result<(), ConfigError> {
    if is_good { Ok(()) } else { Err(ConfigError::at(at, requirement)) }
}

/// Checks the values; the error names all bad ones.
fn check_account(name: &AccountName, account: &SimulatedAccount) -> Result<(), ConfigError> {
    let require = |is_good, setting: &str, must: &str| require(is_good, &format!("accounts.{name}.{setting}"), must);
    let token = account.token.bytes();
    let is_token = (3..=32).contains(&token.len()) && token.iter().all(u8::is_ascii_alphanumeric);
    let (setting, is_set, must) = match account.kind {
        AccountKind::Official => ("callbacks", !account.callbacks.is_empty(), "must name at least one address"),
        AccountKind::MiniProgram => ("pages", !account.pages.is_empty(), "must name at least one page"),
    };
    ConfigError::all([
        require(is_token, "token", "must be 3 to 32 letters and digits"),
        require(account.app_id.starts_with("wx"), "app_id", "must begin with wx"),
        require(account.original_id.starts_with("gh_"), "original_id", "must begin with gh_"),
        require(is_set, setting, must),
    ])
}

impl Binary for SimulatorConfig {
    const DEFAULT_ADMIN: Option<SocketAddr> = None;

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::EncryptionMode;

    const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/simulator.toml");

    fn config_with(changes: &[(&str, &str)]) -> Result<SimulatorConfig, String> {
        let env = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        scenecast_service::config::load(Some(SAMPLE.as_ref()), env).map_err(|bad| bad.to_string())
    }

    fn account(config: &SimulatorConfig, name: &str) -> SimulatedAccount {
        config.accounts[&name.parse().unwrap()].clone()
    }

    #[test]
    fn the_sample_hosts_the_sample_accounts() {
        let config = config_with(&[]).unwrap();
        let SimulatedAccount { app_id, original_id, kind, mode, aes_key, .. } = account(&config, "demo");
        assert_eq!(
            (app_id.as_str(), original_id.as_str()),
            (SimulatedAccount::SAMPLE_APP_ID, SimulatedAccount::SAMPLE_ORIGINAL_ID)
        );
        assert_eq!(
            (kind, mode, aes_key),
            (AccountKind::Official, EncryptionMode::Safe, SimulatedAccount::SAMPLE_AES_KEY.parse().unwrap())
        );
        let SimulatedAccount { app_id, kind, pages, .. } = account(&config, "mini");
        assert_eq!((app_id.as_str(), kind), (SimulatedAccount::SAMPLE_MINI_APP_ID, AccountKind::MiniProgram));
        assert_eq!(pages, [SimulatedAccount::SAMPLE_PAGE]);
    }

    #[test]
    fn quotas_default_to_those_of_a_verified_service_account() {
        let quota = account(&config_with(&[("SCENECAST_ACCOUNTS__DEMO__QUOTA__QR_CODES", "3")]).unwrap(), "demo").quota;
        assert_eq!((quota.qr_codes, quota.tokens), (3, 2000));
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let bad = [
            ("SCENECAST_ACCOUNTS__DEMO__TOKEN", "ab"),
            ("SCENECAST_ACCOUNTS__DEMO__ORIGINAL_ID", "1"),
            ("SCENECAST_ACCOUNTS__DEMO__KIND", "mini_program"),
            ("SCENECAST_ACCOUNTS__MINI__APP_ID", "gh_0"),
            ("SCENECAST_PUBLIC_URL", "http://127.0.0.1:8083/wechat"),
            ("SCENECAST_LISTEN__ADMIN", "0.0.0.0:8083"),
            ("SCENECAST_DRAIN__WINDOW", "3601"),
        ];
        let error = config_with(&bad).unwrap_err();
        assert!(
            bad.iter().filter(|(name, _)| !name.ends_with("KIND")).all(|(name, _)| error.contains(name)),
            "{error}"
        );
        assert!(error.contains("accounts.demo.pages"), "{error}");
        // What can't be read hides none of the rest but its own section's.
        let error =
            config_with(&[bad.as_slice(), &[("SCENECAST_TELEMETRY__TRACE_SHARE", "much")]].concat()).unwrap_err();
        for (name, _) in bad.iter().filter(|(name, _)| !name.ends_with("KIND")) {
            assert!(error.contains(name), "{name}: {error}");
        }
    }

    #[test]
    fn an_error_names_the_bad_value() {
        for (name, value, named) in [
            ("SCENECAST_ACCOUNTS__DEMO__TOKEN", "ab", "accounts.demo.token"),
            ("SCENECAST_ACCOUNTS__DEMO__TOKEN", "a-b-c", "accounts.demo.token"),
            ("SCENECAST_ACCOUNTS__DEMO__ORIGINAL_ID", "1", "accounts.demo.original_id"),
            ("SCENECAST_ACCOUNTS__DEMO__ORIGINAL_ID", "gh_ba9876543210", "accounts.mini.original_id: is that of"),
            ("SCENECAST_ACCOUNTS__DEMO__APP_ID", "wxfedcba9876543210", "accounts.mini.app_id: is that of"),
            ("SCENECAST_ACCOUNTS__DEMO__APP_ID", "gh_0123456789ab", "accounts.demo.app_id"),
            ("SCENECAST_ACCOUNTS__DEMO__SECRET", "${APP_SECRET}", "accounts.demo.secret: still has the placeholder"),
            ("SCENECAST_LISTEN__ADMIN", "0.0.0.0:8083", "listen.admin: has the port of listen.public"),
            ("SCENECAST_DRAIN__WINDOW", "0.5", "drain.window"),
            ("SCENECAST_DRAIN__WINDOW", "3601", "drain.window"),
            ("SCENECAST_ACCOUNTS__DEMO__MODE", "open", "mode"),
            ("SCENECAST_ACCOUNTS__DEMO__AES_KEY", "short", "aes_key"),
            ("SCENECAST_ACCOUNTS__DEMO__RIGHTS", "all", "rights"),
            ("SCENECAST_ACCOUNTS__DEMO__KIND", "mini_program", "accounts.demo.pages"),
            ("SCENECAST_ACCOUNTS__MINI__KIND", "official", "accounts.mini.callbacks"),
            ("SCENECAST_ACCOUNTS__DEMO__TITEL", "Demo", "titel"),
            ("SCENECAST_ACCOUNTS__OTHER__TITLE", "Other", "accounts.other"),
            ("SCENECAST_PUBLIC_URL", "here", "public_url"),
            ("SCENECAST_PUBLIC_URL", "http://u:hush@:8083", "public_url: must be an address such as"),
            ("SCENECAST_PUBLIC_URL", "http://127.0.0.1:8083/wechat", "public_url"),
            ("SCENECAST_LISTEN__ADMIN", "everywhere", "listen.admin"),
        ] {
            let error = config_with(&[(name, value)]).unwrap_err();
            assert!(error.contains(named) && !error.contains("hush"), "{name}={value}: {error}");
        }
    }
}
