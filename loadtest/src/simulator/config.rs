//! What the simulator is told.

use std::{collections::BTreeMap, net::SocketAddr};

use scenecast_shared::{
    config::{BadConfig, Checked, Drain, Telemetry},
    process::Binary,
    scene::AccountName,
};
use serde::Deserialize;
use url::Url;

use super::{Account, Kind};

/// The simulator as a process of its own; `simulator.toml` beside this crate shows all of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatorConfig {
    /// Where it listens.
    pub listen: Listen,
    /// How others reach the public listener: what QR codes begin with.
    pub public_url: Url,
    /// The Official Accounts and mini programs that it hosts.
    pub accounts: BTreeMap<AccountName, Account>,
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
    /// The API, the phone and the switches.
    pub public: SocketAddr,
    /// `/healthz`, `/readyz`, `/metrics`.
    pub admin: SocketAddr,
}

impl Checked for SimulatorConfig {
    fn check(&self) -> Result<(), BadConfig> {
        if self.public_url.path() != "/" || self.public_url.query().is_some() {
            return Err(BadConfig::at("public_url", "must end after the host and port"));
        }
        for (name, account) in &self.accounts {
            let bad = |value: &str, must: &str| Err(BadConfig::at(format_args!("accounts.{name}.{value}"), must));
            let token = account.token.bytes();
            if !(3..=32).contains(&token.len()) || !token.iter().all(u8::is_ascii_alphanumeric) {
                return bad("token", "must be 3 to 32 letters and digits");
            }
            if !account.original_id.starts_with("gh_") {
                return bad("original_id", "must begin with gh_");
            }
            match account.kind {
                Kind::Official if account.callbacks.is_empty() => {
                    return bad("callbacks", "must name at least one address");
                }
                Kind::MiniProgram if account.pages.is_empty() => return bad("pages", "must name at least one page"),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Binary for SimulatorConfig {
    fn admin(&self) -> SocketAddr {
        self.listen.admin
    }

    fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Mode;

    const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/simulator.toml");

    fn with(changes: &[(&str, &str)]) -> Result<SimulatorConfig, String> {
        let env = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        scenecast_shared::config::load(Some(SAMPLE.as_ref()), env).map_err(|bad| bad.to_string())
    }

    fn account(config: &SimulatorConfig, name: &str) -> Account {
        config.accounts[&name.parse().unwrap()].clone()
    }

    #[test]
    fn the_sample_hosts_the_sample_accounts() {
        let config = with(&[]).unwrap();
        let Account { app_id, original_id, kind, mode, aes_key, .. } = account(&config, "demo");
        assert_eq!((app_id.as_str(), original_id.as_str()), (Account::SAMPLE_APP_ID, Account::SAMPLE_ORIGINAL_ID));
        assert_eq!((kind, mode, aes_key), (Kind::Official, Mode::Safe, Account::SAMPLE_AES_KEY.parse().unwrap()));
        let Account { app_id, kind, pages, .. } = account(&config, "mini");
        assert_eq!((app_id.as_str(), kind), (Account::SAMPLE_MINI_APP_ID, Kind::MiniProgram));
        assert_eq!(pages, [Account::SAMPLE_PAGE]);
    }

    #[test]
    fn quotas_are_a_verified_service_accounts_unless_written() {
        let quota = account(&with(&[("SCENECAST_ACCOUNTS__DEMO__QUOTA__QR_CODES", "3")]).unwrap(), "demo").quota;
        assert_eq!((quota.qr_codes, quota.tokens), (3, 2000));
    }

    #[test]
    fn a_bad_value_is_named() {
        for (name, value, named) in [
            ("SCENECAST_ACCOUNTS__DEMO__TOKEN", "ab", "accounts.demo.token"),
            ("SCENECAST_ACCOUNTS__DEMO__TOKEN", "a-b-c", "accounts.demo.token"),
            ("SCENECAST_ACCOUNTS__DEMO__ORIGINAL_ID", "1", "accounts.demo.original_id"),
            ("SCENECAST_ACCOUNTS__DEMO__MODE", "open", "mode"),
            ("SCENECAST_ACCOUNTS__DEMO__AES_KEY", "short", "aes_key"),
            ("SCENECAST_ACCOUNTS__DEMO__RIGHTS", "all", "rights"),
            ("SCENECAST_ACCOUNTS__DEMO__KIND", "mini_program", "accounts.demo.pages"),
            ("SCENECAST_ACCOUNTS__MINI__KIND", "official", "accounts.mini.callbacks"),
            ("SCENECAST_ACCOUNTS__DEMO__TITEL", "Demo", "titel"),
            ("SCENECAST_ACCOUNTS__OTHER__TITLE", "Other", "accounts.other"),
            ("SCENECAST_PUBLIC_URL", "here", "public_url"),
            ("SCENECAST_PUBLIC_URL", "http://127.0.0.1:8083/wechat", "public_url"),
            ("SCENECAST_LISTEN__ADMIN", "everywhere", "listen.admin"),
        ] {
            let error = with(&[(name, value)]).unwrap_err();
            assert!(error.contains(named), "{name}={value}: {error}");
        }
    }
}
