//! What people do with mini programs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use scenecast_shared::scene::AccountName;

use super::{CannotDo, Person, Simulator, rules::codes::Opens, settings::Kind};

/// What `encodeURIComponent` leaves as it is.
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

/// A mini program's page as its code opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Whose page.
    pub account: AccountName,
    /// Which page.
    pub page: String,
    /// What the page gets as `query.scene`: still escaped.
    pub query_scene: String,
    /// An address that opens the same page without a code, for links and text messages.
    pub deep_link: String,
}

impl Launch {
    /// What the page makes of it: `decodeURIComponent(query.scene)`.
    pub fn scene(&self) -> String {
        percent_decode_str(&self.query_scene).decode_utf8_lossy().into_owned()
    }
}

impl Simulator {
    /// Scans what a mini program's code says.
    pub fn scan_code(&self, url: &str) -> Result<Launch, CannotDo> {
        let code = self.code(self.code_id(url)?)?;
        let Opens::Page { path, version } = code.opens else { return Err(CannotDo::OtherKind) };
        let escape = |text: &str| utf8_percent_encode(text, COMPONENT).to_string();
        let query_scene = escape(&code.scene);
        let deep_link = format!(
            "weixin://dl/business/?appid={}&path={path}&query={}&env_version={}",
            self.account(&code.account)?.settings.app_id,
            escape(&format!("scene={query_scene}")),
            version.word(),
        );
        Ok(Launch { account: code.account, page: path, query_scene, deep_link })
    }

    /// What `wx.login` gives to a mini program on this person's phone: a code that is good once and
    /// for five minutes.
    pub fn wx_login(&self, person: &Person, account: &AccountName) -> Result<String, CannotDo> {
        let account = self.account(account)?;
        if account.settings.kind != Kind::MiniProgram {
            return Err(CannotDo::OtherKind);
        }
        Ok(account.state().js_codes.issue(person.clone(), self.now()))
    }
}
