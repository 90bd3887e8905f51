//! `[accounts.<name>]`: one Official Account.

use std::time::Duration;

use scenecast_scene::{AccountName, Language, Rotating, Secret};
use scenecast_service::config::{ConfigError, Seconds, defaults};
use scenecast_wechat::AesKey;
use serde::Deserialize;

use super::{
    check::{check_app_id, check_grant_life, check_site, is_word, require},
    delivery_path::DeliveryPath,
};
use crate::{phone::Texts, webhooks::WebhookSettings};

/// One Official Account.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    pub app_id: String,
    pub secret: Secret,
    /// The token of the server settings at WeChat: 3 to 32 letters and digits.
    pub token: Rotating,
    /// The account's own id in messages (`gh_…`).
    pub original_id: String,
    /// How WeChat sends messages, as it is set at WeChat.
    #[serde(default)]
    pub mode: Mode,
    /// The `EncodingAESKey` of the server settings at WeChat. Every mode but plain needs it.
    #[serde(default)]
    pub aes_key: Option<Rotating<AesKey>>,
    /// Whether a message must also come from one of the addresses that WeChat tells (`getcallbackip`). The proxies
    /// before the callback must be among the `trusted_proxies` then.
    #[serde(default)]
    pub check_source_address: bool,
    /// What makes a scan a login.
    #[serde(default)]
    pub confirmation: Confirmation,
    /// The site's name in questions to people. The page's host stands in for an absent name.
    #[serde(default)]
    pub site: Option<String>,
    /// A path for WeChat's deliveries, beside `/wechat/{account}`.
    #[serde(default)]
    pub path: Option<DeliveryPath>,
    /// How long a grant can be redeemed: at most ten minutes.
    #[serde(default = "defaults::grant_life")]
    pub grant_life: Seconds,
    /// How many QR codes WeChat grants a day.
    #[serde(default = "default_qr_quota")]
    pub qr_quota: u64,
    /// The mini program whose codes pages get while this account has no QR codes (left today). Without it pages get
    /// typed codes.
    #[serde(default)]
    pub fallback_mini_program: Option<AccountName>,
    /// How long a login waits for what WeChat tells about a person (`unionid`, rarely a name), in milliseconds. If
    /// WeChat is slower, the login goes on without. 0 never asks WeChat.
    #[serde(default = "default_profile_wait_ms")]
    pub profile_wait_ms: u32,
    /// The language of replies and generated names.
    #[serde(default)]
    pub language: Language,
    /// Replies in other words than our own.
    #[serde(default)]
    pub texts: Texts,
    /// Where the site is told what happens. Without it the site is told nothing.
    #[serde(default)]
    pub webhooks: Option<WebhookSettings>,
}

fn default_qr_quota() -> u64 {
    100_000
}

fn default_profile_wait_ms() -> u32 {
    300
}

impl AccountSettings {
    /// The keys that encrypt its messages; `None` in plain mode.
    pub(crate) fn encryption(&self) -> Option<&Rotating<AesKey>> {
        match self.mode {
            Mode::Plain => None,
            Mode::Safe | Mode::Compatible => {
                Some(self.aes_key.as_ref().expect("the configuration was checked at the start"))
            }
        }
    }

    /// How long a login waits for what WeChat tells about a person.
    pub(crate) fn profile_wait(&self) -> Duration {
        Duration::from_millis(self.profile_wait_ms.into())
    }
}

/// How WeChat sends messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Encrypted, and the signature covers the encrypted text.
    #[default]
    Safe,
    /// The same, with an unsigned plain copy beside it, which we don't read. It is as safe, and three times as long.
    Compatible,
    /// Not encrypted, and the signature doesn't cover the body.
    Plain,
}

/// What makes a scan a login. The stricter one is the greater one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Confirmation {
    /// The scan is the login. A person who scans a stranger's code logs the stranger in.
    None,
    /// The phone is told about the page, and the person has to say yes.
    #[default]
    Tap,
    /// The person has to pick the number that the page shows.
    Number,
}

impl Confirmation {
    /// Whether the person who scanned is asked.
    pub(crate) fn asks(self) -> bool {
        self != Self::None
    }
}

/// Checks the values; the error names all bad ones.
pub(super) fn check(at: &str, account: &AccountSettings) -> Result<(), ConfigError> {
    let require = |is_good, setting: &str, requirement: &str| require(is_good, &format!("{at}.{setting}"), requirement);
    let fits =
        |token: &Secret| (3..=32).contains(&token.bytes().len()) && token.bytes().iter().all(u8::is_ascii_alphanumeric);
    ConfigError::all([
        check_app_id(at, &account.app_id),
        require(
            account.original_id.strip_prefix("gh_").is_some_and(is_word),
            "original_id",
            "must be the account's own id as its settings at WeChat have it, such as gh_0123456789ab",
        ),
        require(
            fits(&account.token.current) && account.token.previous.as_ref().is_none_or(fits),
            "token",
            "must be 3 to 32 letters and digits",
        ),
        require(
            account.mode == Mode::Plain || account.aes_key.is_some(),
            "aes_key",
            "must be the account's EncodingAESKey, unless its mode is plain; a test account (接口测试号) has none: set its mode \
             to \"plain\"",
        ),
        check_grant_life(at, account.grant_life),
        require(
            account.profile_wait() <= Duration::from_secs(2),
            "profile_wait_ms",
            "must be at most 2000: WeChat waits 5 seconds for all of a login",
        ),
        check_site(at, account.site.as_deref()),
    ])
}
