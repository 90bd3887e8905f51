//! What a hosted account is set up with at WeChat.

use scenecast_shared::scene::Secret;
use serde::Deserialize;
use url::Url;

use super::{rules::refusal::Refusal, seal::AesKey};

/// An account, as set up with WeChat.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// What people see as its name.
    pub title: String,
    /// What it is.
    #[serde(default)]
    pub kind: Kind,
    /// What WeChat lets an Official Account do.
    #[serde(default)]
    pub rights: Rights,
    /// `AppID`.
    pub app_id: String,
    /// `AppSecret`.
    pub secret: Secret,
    /// The token that webhooks are signed with: 3 to 32 letters and digits.
    pub token: Secret,
    /// How webhooks are sealed.
    #[serde(default)]
    pub mode: Mode,
    /// `EncodingAESKey`, which an account has in any mode.
    #[serde(default = "sample_aes_key")]
    pub aes_key: AesKey,
    /// The one before, while not all of WeChat has heard of the change.
    #[serde(default)]
    pub previous_aes_key: Option<AesKey>,
    /// The account's own id in messages (`gh_…`).
    pub original_id: String,
    /// Where webhooks go. WeChat knows one address; here attempts go to several in turn, so that
    /// drills choose between pods without a proxy.
    #[serde(default)]
    pub callbacks: Vec<Url>,
    /// What `getcallbackip` tells: addresses and networks that webhooks come from.
    #[serde(default = "this_machine")]
    pub callback_ips: Vec<String>,
    /// The released pages of a mini program, such as `pages/index/index`; the first is its home.
    #[serde(default)]
    pub pages: Vec<String>,
    /// Whether it belongs to an Open Platform, so that `user/info` and `jscode2session` have a
    /// `unionid`.
    #[serde(default)]
    pub unionid: bool,
    /// How often it may call.
    #[serde(default)]
    pub quota: AccountQuota,
}

/// What an account is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 公众号: people follow it and write to it.
    #[default]
    Official,
    /// 小程序: people open its pages.
    MiniProgram,
}

/// What WeChat lets an Official Account do: 服务号 or 订阅号, verified or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rights {
    /// Everything that is simulated here.
    #[default]
    VerifiedService,
    /// Tokens, messages and replies.
    UnverifiedService,
    /// Users besides.
    VerifiedSubscription,
    /// Tokens, messages and replies: all that a person can have.
    UnverifiedSubscription,
}

/// What not every account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ability {
    /// `qrcode/create`.
    QrCodes,
    /// `user/info`.
    Users,
    /// `getwxacodeunlimit`, `jscode2session`.
    Pages,
}

/// How webhooks are sealed: 明文模式, 兼容模式, 安全模式.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Not at all.
    #[default]
    Plain,
    /// A message is there twice, in plain and sealed; an answer may be either.
    Compatible,
    /// A message is sealed, and so must be its answer.
    Safe,
}

impl Account {
    /// The sample account's app id.
    pub const SAMPLE_APP_ID: &str = "wx0123456789abcdef";
    /// Its own id in messages.
    pub const SAMPLE_ORIGINAL_ID: &str = "gh_0123456789ab";
    /// The sample mini program's app id.
    pub const SAMPLE_MINI_APP_ID: &str = "wxfedcba9876543210";
    /// Its own id in messages.
    pub const SAMPLE_MINI_ORIGINAL_ID: &str = "gh_ba9876543210";
    /// Its only page.
    pub const SAMPLE_PAGE: &str = "pages/login/login";
    /// The samples' `EncodingAESKey`, one whose last character has spare bits set.
    pub const SAMPLE_AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

    /// A made-up account in plain mode, with a verified service account's quotas, and no server yet.
    pub fn sample(secret: Secret, token: Secret) -> Self {
        Self {
            title: "Demo".to_owned(),
            kind: Kind::Official,
            rights: Rights::VerifiedService,
            app_id: Self::SAMPLE_APP_ID.to_owned(),
            secret,
            token,
            mode: Mode::Plain,
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

    /// A made-up mini program with one page.
    pub fn sample_mini_program(secret: Secret, token: Secret) -> Self {
        Self {
            title: "Demo Mini".to_owned(),
            kind: Kind::MiniProgram,
            app_id: Self::SAMPLE_MINI_APP_ID.to_owned(),
            original_id: Self::SAMPLE_MINI_ORIGINAL_ID.to_owned(),
            pages: vec![Self::SAMPLE_PAGE.to_owned()],
            ..Self::sample(secret, token)
        }
    }

    /// 48001 for what it may not do.
    pub(crate) fn require(&self, ability: Ability) -> Result<(), Refusal> {
        let may = match (self.kind, ability) {
            (Kind::Official, Ability::QrCodes) => self.rights == Rights::VerifiedService,
            (Kind::Official, Ability::Users) => {
                matches!(self.rights, Rights::VerifiedService | Rights::VerifiedSubscription)
            }
            (kind, Ability::Pages) => kind == Kind::MiniProgram,
            (Kind::MiniProgram, _) => false,
        };
        if may { Ok(()) } else { Err(Refusal::UNAUTHORIZED) }
    }
}

fn this_machine() -> Vec<String> {
    vec!["127.0.0.1".to_owned()]
}

fn sample_aes_key() -> AesKey {
    Account::SAMPLE_AES_KEY.parse().expect("43 letters and digits")
}

/// How often an account may call. The defaults are a verified service account's and any mini
/// program's.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountQuota {
    /// `qrcode/create`, a day.
    pub qr_codes: u32,
    /// `cgi-bin/token`, a day.
    pub tokens: u32,
    /// `getwxacodeunlimit`, a minute.
    pub page_codes: u32,
    /// `jscode2session`, a minute and person.
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
    fn an_account_may_do_what_its_kind_and_rights_let_it() {
        let may = |kind, rights| {
            let account = Account { kind, rights, ..Account::sample("secret".into(), "token".into()) };
            [Ability::QrCodes, Ability::Users, Ability::Pages].map(|ability| account.require(ability).is_ok())
        };
        assert_eq!(may(Kind::Official, Rights::VerifiedService), [true, true, false]);
        assert_eq!(may(Kind::Official, Rights::VerifiedSubscription), [false, true, false]);
        assert_eq!(may(Kind::Official, Rights::UnverifiedService), [false, false, false]);
        assert_eq!(may(Kind::Official, Rights::UnverifiedSubscription), [false, false, false]);
        assert_eq!(may(Kind::MiniProgram, Rights::VerifiedService), [false, false, true]);
    }
}
