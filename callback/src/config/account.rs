//! What an Official Account is told.

use std::time::Duration;

use scenecast_shared::{
    config::{BadConfig, Seconds, defaults},
    scene::{AccountName, Language, Rotating, Secret},
    wechat::AesKey,
};
use serde::Deserialize;

use super::{WebhookPath, Webhooks, bad, check_grant_life};
use crate::texts::Texts;

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
    /// Whether a message has to come from one of the addresses that WeChat tells (`getcallbackip`),
    /// beside being signed. Proxies on the way have to be among the `trusted_proxies`.
    #[serde(default)]
    pub check_source_address: bool,
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
    /// The mini program whose codes pages get instead where this account gives no QR codes (any more
    /// today); codes to be typed if none.
    #[serde(default)]
    pub fallback_mini_program: Option<AccountName>,
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
    /// The phone is told of the page, and has to say yes.
    #[default]
    Tap,
    /// The phone has to pick the number that the page shows.
    Number,
    /// Nothing more. Somebody who is shown a stranger's code logs that stranger in.
    None,
}

impl Confirmation {
    /// Whether who scanned is asked.
    pub(crate) fn asks(self) -> bool {
        self != Self::None
    }
}

/// Names the first value that makes no sense.
pub(super) fn check(at: &str, account: &AccountSettings) -> Result<(), BadConfig> {
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
    check_grant_life(at, account.grant_life)?;
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
