//! Settings of a callback that can be used and are probably mistakes. No I/O.

use scenecast_service::config::{ConfigWarning, is_exposed};

use super::CallbackConfig;
use crate::webhooks::{WebhookSettings, WebhookTarget};

impl<B> CallbackConfig<B> {
    /// All of them.
    pub(super) fn all_warnings(&self) -> Vec<ConfigWarning> {
        let mut warnings = self.secret_warnings();
        warnings.extend(self.app_id_warnings());
        warnings.extend(self.unencrypted_warnings());
        warnings.extend(self.unredeemable_warnings());
        warnings
    }

    fn app_id_warnings(&self) -> impl Iterator<Item = ConfigWarning> {
        let is_wechats = |app_id: &str| app_id.len() == 18 && app_id.bytes().skip(2).all(|b| b.is_ascii_hexdigit());
        let unusual = self.app_ids().filter(move |(_, app_id)| !is_wechats(app_id));
        unusual.map(|(at, _)| {
            let at = format!("{at}.app_id");
            ConfigWarning::at(at, "is not wx and 16 hexadecimal digits, as the AppIDs of WeChat are")
        })
    }

    fn unencrypted_warnings(&self) -> Vec<ConfigWarning> {
        let mut warnings = vec![];
        if self.wechat.api_base.is_exposed() {
            warnings.push(ConfigWarning::at("wechat.api_base", "AppSecrets go there unencrypted; use https"));
        }
        let accounts = self.accounts.iter().map(|(name, it)| (format!("accounts.{name}"), &it.webhooks));
        let mini_programs = self.mini_programs.iter().map(|(name, it)| (format!("mini_programs.{name}"), &it.webhooks));
        for (at, webhooks) in accounts.chain(mini_programs) {
            if webhooks.as_ref().is_some_and(leaves_unencrypted) {
                let at = format!("{at}.webhooks");
                warnings.push(ConfigWarning::at(at, "who logged in goes to the site unencrypted; use https"));
            }
        }
        warnings
    }

    fn unredeemable_warnings(&self) -> impl Iterator<Item = ConfigWarning> {
        let is_redeemable = |name| self.api_keys.values().any(|key| key.accounts.contains(name));
        let accounts = self.accounts.keys().map(|name| ("accounts", name));
        let mini_programs = self.mini_programs.keys().filter(|name| !self.is_fallback(name));
        let all = accounts.chain(mini_programs.map(|name| ("mini_programs", name)));
        all.filter(move |(_, name)| !is_redeemable(*name)).map(|(section, name)| {
            ConfigWarning::at(
                format_args!("{section}.{name}"),
                "no API key is for it, so no site can redeem its logins",
            )
        })
    }
}

fn leaves_unencrypted(webhooks: &WebhookSettings) -> bool {
    match &webhooks.target {
        WebhookTarget::Json(endpoint) => is_exposed(&endpoint.url()),
        WebhookTarget::Form { followed, unfollowed } => is_exposed(&followed.url()) || is_exposed(&unfollowed.url()),
    }
}
