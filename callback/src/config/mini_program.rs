//! `[mini_programs.<name>]`: one mini program.

use scenecast_scene::{Language, Secret};
use scenecast_service::config::{ConfigError, Seconds, defaults};
use serde::Deserialize;

use super::{
    account::Confirmation,
    check::{check_app_id, check_grant_life, check_site, require},
};
use crate::{webhooks::WebhookSettings, wechat::EnvVersion};

/// One mini program: pages show its code, and its login page asks the person before the login.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MiniProgramSettings {
    pub app_id: String,
    pub secret: Secret,
    /// The page that its codes open, as `app.json` names it.
    #[serde(default = "default_page")]
    pub page: String,
    /// The version that its codes open.
    #[serde(default)]
    pub env_version: EnvVersion,
    /// What makes opening that page a login.
    #[serde(default)]
    pub confirmation: Confirmation,
    /// How long a grant can be redeemed: at most ten minutes.
    #[serde(default = "defaults::grant_life")]
    pub grant_life: Seconds,
    /// The site's name on the phone.
    #[serde(default)]
    pub site: Option<String>,
    /// The language of generated names.
    #[serde(default)]
    pub language: Language,
    /// Where the site is told what happens. Without it the site is told nothing.
    #[serde(default)]
    pub webhooks: Option<WebhookSettings>,
}

fn default_page() -> String {
    "pages/login/login".to_owned()
}

/// Checks the values; the error names all bad ones.
pub(super) fn check(at: &str, settings: &MiniProgramSettings) -> Result<(), ConfigError> {
    let is_path = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    let page = &settings.page;
    ConfigError::all([
        check_app_id(at, &settings.app_id),
        require(
            !page.is_empty() && !page.starts_with('/') && page.bytes().all(is_path),
            &format!("{at}.page"),
            "must be a page as app.json names it, such as pages/login/login",
        ),
        check_site(at, settings.site.as_deref()),
        check_grant_life(at, settings.grant_life),
    ])
}
