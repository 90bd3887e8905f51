//! How an account is set up at WeChat.

use scenecast_scene::Secret;
use serde::Deserialize;
use url::Url;

use crate::{encryption::EncodingAesKey, rules::refusal::ApiRefusal};

/// An account, as set up at WeChat.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatedAccount {
    /// The name that people see.
    pub title: String,
    /// An Official Account or a mini program.
    #[serde(default)]
    pub kind: AccountKind,
    /// What WeChat allows an Official Account.
    #[serde(default)]
    pub rights: Rights,
    pub app_id: String,
    pub secret: Secret,
    /// The token that signs deliveries: 3 to 32 letters and digits.
    pub token: Secret,
    #[serde(default)]
    pub mode: EncryptionMode,
    /// `EncodingAESKey`. An account has one in every mode.
    #[serde(default = "sample_aes_key")]
    pub aes_key: EncodingAesKey,
    /// The key before, which parts of WeChat still use just after a change.
    #[serde(default)]
    pub previous_aes_key: Option<EncodingAesKey>,
    /// The account's own id in messages (`gh_…`).
    pub original_id: String,
    /// Where deliveries go. WeChat knows one address. The simulator delivers to several in turn, so that a drill
    /// chooses between pods without a proxy.
    #[serde(default)]
    pub callbacks: Vec<Url>,
    /// What `getcallbackip` answers: addresses and networks from which deliveries come.
    #[serde(default = "this_machine")]
    pub callback_ips: Vec<String>,
    /// The released pages of a mini program, such as `pages/index/index`. The first one is its home page.
    #[serde(default)]
    pub pages: Vec<String>,
    /// Whether the account belongs to an Open Platform, so that `user/info` and `jscode2session` answer a `unionid`.
    #[serde(default)]
    pub unionid: bool,
    /// How often the account may call the API.
    #[serde(default)]
    pub quota: AccountQuota,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// 公众号: people follow it and write to it.
    #[default]
    Official,
    /// 小程序: people open its pages.
    MiniProgram,
}

/// What WeChat allows an Official Account: 服务号 or 订阅号, verified or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rights {
    /// Everything that is simulated here.
    #[default]
    VerifiedService,
    /// Tokens, messages and replies.
    UnverifiedService,
    /// Tokens, messages, replies and users.
    VerifiedSubscription,
    /// Tokens, messages and replies. A private person can't have more.
    UnverifiedSubscription,
}

/// A group of API calls that not every account may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capability {
    /// `qrcode/create`.
    QrCodes,
    /// `user/info`.
    Users,
    /// `getwxacodeunlimit`, `jscode2session`.
    Pages,
}

/// How deliveries are encrypted: 明文模式, 兼容模式, 安全模式.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum EncryptionMode {
    #[default]
    Plain,
    /// A delivery contains the message twice, plain and encrypted. The answer may be either.
    Compatible,
    /// The message is encrypted, and the answer has to be encrypted too.
    Safe,
}

impl SimulatedAccount {
    /// The sample account's app id.
    pub const SAMPLE_APP_ID: &str = "wx0123456789abcdef";
    /// The sample account's own id in messages.
    pub const SAMPLE_ORIGINAL_ID: &str = "gh_0123456789ab";
    /// The sample mini program's app id.
    pub const SAMPLE_MINI_APP_ID: &str = "wxfedcba9876543210";
    /// The sample mini program's own id in messages.
    pub const SAMPLE_MINI_ORIGINAL_ID: &str = "gh_ba9876543210";
    /// The sample mini program's only page.
    pub const SAMPLE_PAGE: &str = "pages/login/login";
    /// The samples' `EncodingAESKey`. The spare bits of its last character are set.
    pub const SAMPLE_AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

    /// An Official Account in plain mode, with the quotas of a verified service account, and without a server.
    pub fn sample(secret: Secret, token: Secret) -> Self {
        Self {
            title: "Demo".to_owned(),
            kind: AccountKind::Official,
            rights: Rights::VerifiedService,
            app_id: Self::SAMPLE_APP_ID.to_owned(),
            secret,
            token,
            mode: EncryptionMode::Plain,
            aes_key: sample_aes_key(),
            previous_aes_key: None,
            original_id: Self::SAMPLE_ORIGINAL_ID.to_owned(),
            callbacks: vec![],
            callback_ips: this_machine(),
            pages: vec![],
            unionid: false,
            quota: AccountQuota::default(),
        }
    }

    /// A mini program with one page.
    pub fn sample_mini_program(secret: Secret, token: Secret) -> Self {
        Self {
            title: "Demo Mini".to_owned(),
            kind: AccountKind::MiniProgram,
            app_id: Self::SAMPLE_MINI_APP_ID.to_owned(),
            original_id: Self::SAMPLE_MINI_ORIGINAL_ID.to_owned(),
            pages: vec![Self::SAMPLE_PAGE.to_owned()],
            ..Self::sample(secret, token)
        }
    }

    /// Refuses with 48001 if the account may not use these calls.
    pub(crate) fn require(&self, capability: Capability) -> Result<(), ApiRefusal> {
        let may = match (self.kind, capability) {
            (AccountKind::Official, Capability::QrCodes) => self.rights == Rights::VerifiedService,
            (AccountKind::Official, Capability::Users) => {
                matches!(self.rights, Rights::VerifiedService | Rights::VerifiedSubscription)
            }
            (kind, Capability::Pages) => kind == AccountKind::MiniProgram,
            (AccountKind::MiniProgram, _) => false,
        };
        if may { Ok(()) } else { Err(ApiRefusal::UNAUTHORIZED) }
    }
}

fn this_machine() -> Vec<String> {
    vec!["127.0.0.1".to_owned()]
}

fn sample_aes_key() -> EncodingAesKey {
    SimulatedAccount::SAMPLE_AES_KEY.parse().expect("43 letters and digits")
}

/// How often an account may call the API. The defaults are those of a verified service account, and of every mini
/// program.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountQuota {
    /// `qrcode/create`, per day.
    pub qr_codes: u32,
    /// `cgi-bin/token`, per day.
    pub tokens: u32,
    /// `getwxacodeunlimit`, per minute.
    pub page_codes: u32,
    /// `jscode2session`, per minute and person.
    pub sessions: u32,
}

impl Default for AccountQuota {
    fn default() -> Self {
        Self { qr_codes: 100_000, tokens: 2000, page_codes: 5000, sessions: 100 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_rights_decide_what_an_account_may_do() {
        let may = |kind, rights| {
            let account =
                SimulatedAccount { kind, rights, ..SimulatedAccount::sample("secret".into(), "token".into()) };
            [Capability::QrCodes, Capability::Users, Capability::Pages]
                .map(|capability| account.require(capability).is_ok())
        };
        assert_eq!(may(AccountKind::Official, Rights::VerifiedService), [true, true, false]);
        assert_eq!(may(AccountKind::Official, Rights::VerifiedSubscription), [false, true, false]);
        assert_eq!(may(AccountKind::Official, Rights::UnverifiedService), [false, false, false]);
        assert_eq!(may(AccountKind::Official, Rights::UnverifiedSubscription), [false, false, false]);
        assert_eq!(may(AccountKind::MiniProgram, Rights::VerifiedService), [false, false, true]);
    }
}
