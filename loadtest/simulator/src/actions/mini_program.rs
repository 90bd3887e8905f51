//! What users do with mini programs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use scenecast_scene::AccountName;

use crate::{
    accounts::AccountKind,
    rules::codes::CodeTarget,
    simulator::Simulator,
    users::{ActionError, WeChatUser},
};

/// The characters that JavaScript's `encodeURIComponent` escapes.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// A mini program's page, opened by a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MiniProgramLaunch {
    pub account: AccountName,
    /// The path of the page.
    pub page: String,
    /// What the page receives as `query.scene`, still escaped.
    pub query_scene: String,
    /// A link that opens the same page without a code.
    pub deep_link: String,
}

impl MiniProgramLaunch {
    /// The scene that the page reads: `decodeURIComponent(query.scene)`.
    pub fn scene(&self) -> String {
        percent_decode_str(&self.query_scene).decode_utf8_lossy().into_owned()
    }
}

impl Simulator {
    /// Scans a mini program's code, whose content is `url`.
    pub fn scan_code(&self, url: &str) -> Result<MiniProgramLaunch, ActionError> {
        let code = self.code(self.code_id(url)?)?;
        let CodeTarget::Page { path, version } = code.target else { return Err(ActionError::WrongAccountKind) };
        let escape = |text: &str| utf8_percent_encode(text, COMPONENT).to_string();
        let query_scene = escape(&code.scene);
        let deep_link = format!(
            "weixin://dl/business/?appid={}&path={path}&query={}&env_version={version}",
            self.account(&code.account)?.settings.app_id,
            escape(&format!("scene={query_scene}")),
        );
        Ok(MiniProgramLaunch { account: code.account, page: path, query_scene, deep_link })
    }

    /// The code that `wx.login` gives to a mini program on this person's phone. It is valid once, for five minutes.
    pub fn wx_login(&self, person: &WeChatUser, account: &AccountName) -> Result<String, ActionError> {
        let account = self.account(account)?;
        if account.settings.kind != AccountKind::MiniProgram {
            return Err(ActionError::WrongAccountKind);
        }
        Ok(account.state().login_codes.issue(person.clone(), self.now()))
    }
}
