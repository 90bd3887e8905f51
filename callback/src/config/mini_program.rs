//! What a mini program is told.

use scenecast_shared::{
    config::{BadConfig, Seconds, defaults},
    scene::{Language, Secret},
};
use serde::{Deserialize, Serialize};

use super::{Confirmation, Webhooks, bad, check_grant_life};

/// One mini program: pages show its code, and its login page asks before it logs anybody in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MiniProgramSettings {
    /// `AppID`.
    pub app_id: String,
    /// `AppSecret`.
    pub secret: Secret,
    /// Its page that its codes open, as `app.json` names it.
    #[serde(default = "default_page")]
    pub page: String,
    /// Which version of it they open.
    #[serde(default)]
    pub env_version: EnvVersion,
    /// What makes opening that page a login.
    #[serde(default)]
    pub confirmation: Confirmation,
    /// How long a page has to redeem its grant; at most ten minutes.
    #[serde(default = "defaults::grant_life")]
    pub grant_life: Seconds,
    /// What the phone is told that it logs in to.
    #[serde(default)]
    pub site: Option<String>,
    /// The language in which names are generated.
    #[serde(default)]
    pub language: Language,
    /// Where its site is told what happens; nowhere if absent.
    #[serde(default)]
    pub webhooks: Option<Webhooks>,
}

fn default_page() -> String {
    "pages/login/login".to_owned()
}

/// A version of a mini program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvVersion {
    /// What everybody has.
    #[default]
    Release,
    /// What testers have.
    Trial,
    /// What developers have.
    Develop,
}

/// Names the first value that makes no sense.
pub(super) fn check(at: &str, settings: &MiniProgramSettings) -> Result<(), BadConfig> {
    if settings.app_id.is_empty() {
        return bad(&format!("{at}.app_id"), "must not be empty");
    }
    let is_path = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    if settings.page.is_empty() || settings.page.starts_with('/') || !settings.page.bytes().all(is_path) {
        return bad(&format!("{at}.page"), "must be a page as app.json names it, such as pages/login/login");
    }
    if settings.site.as_ref().is_some_and(|site| site.trim().is_empty()) {
        return bad(&format!("{at}.site"), "must not be empty");
    }
    check_grant_life(at, settings.grant_life)
}
