//! What a hosted account is set up with at WeChat.

use scenecast_shared::scene::Secret;
use serde::Deserialize;
use url::Url;

/// An Official Account, as set up with WeChat.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// What people see as its name.
    pub title: String,
    /// `AppID`.
    pub app_id: String,
    /// `AppSecret`.
    pub secret: Secret,
    /// The token that webhooks are signed with: 3 to 32 letters and digits.
    pub token: Secret,
    /// The account's own id in messages (`gh_…`).
    pub original_id: String,
    /// Where webhooks go. WeChat knows one address; here attempts go to several in turn, so that
    /// drills choose between pods without a proxy.
    pub callbacks: Vec<Url>,
    /// Whether it belongs to an Open Platform, so that `user/info` has a `unionid`.
    #[serde(default)]
    pub unionid: bool,
    /// What it may do in a day.
    #[serde(default)]
    pub quota: AccountQuota,
}

impl Account {
    /// The sample account's app id.
    pub const SAMPLE_APP_ID: &str = "wx0123456789abcdef";
    /// Its own id in messages.
    pub const SAMPLE_ORIGINAL_ID: &str = "gh_0123456789ab";

    /// A made-up account with a verified service account's quotas, and no server yet.
    pub fn sample(secret: Secret, token: Secret) -> Self {
        Self {
            title: "Demo".to_owned(),
            app_id: Self::SAMPLE_APP_ID.to_owned(),
            secret,
            token,
            original_id: Self::SAMPLE_ORIGINAL_ID.to_owned(),
            callbacks: vec![],
            unionid: false,
            quota: AccountQuota::default(),
        }
    }
}

/// What an account may do in a day. The defaults are a verified service account's.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountQuota {
    /// `qrcode/create`.
    pub qr_codes: u32,
    /// `cgi-bin/token`.
    pub tokens: u32,
}

impl Default for AccountQuota {
    fn default() -> Self {
        Self { qr_codes: 100_000, tokens: 2000 }
    }
}
