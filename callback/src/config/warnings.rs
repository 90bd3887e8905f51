//! Settings of a callback that can be used and are probably mistakes. No I/O.

use std::time::Duration;

use scenecast_service::config::{ConfigWarning, is_exposed, keep_alive_warning};

use super::CallbackConfig;
use crate::webhooks::{WebhookSettings, WebhookTarget};

/// A page on a slow network takes so long to hand its grant to its backend.
const SAFE_GRANT_LIFE: Duration = Duration::from_secs(10);

impl<B> CallbackConfig<B> {
    /// All of them.
    pub(super) fn all_warnings(&self) -> Vec<ConfigWarning> {
        let mut warnings = self.secret_warnings();
        warnings.extend(self.app_id_warnings());
        warnings.extend(self.unencrypted_warnings());
        warnings.extend(self.unredeemable_warnings());
        warnings.extend(self.hasty_warnings());
        warnings.extend(self.source_address_warnings());
        warnings.extend(keep_alive_warning(self.limits.keep_alive));
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
        for (at, webhooks) in self.webhooks() {
            if leaves_unencrypted(webhooks) {
                warnings.push(ConfigWarning::at(at, "who logged in goes to the site unencrypted; use https"));
            }
        }
        warnings
    }

    /// Grants that end before a page and its backend can use them.
    fn hasty_warnings(&self) -> impl Iterator<Item = ConfigWarning> {
        let accounts = self.accounts.iter().map(|(name, it)| (format!("accounts.{name}"), it.grant_life));
        let mini_programs =
            self.mini_programs.iter().map(|(name, it)| (format!("mini_programs.{name}"), it.grant_life));
        let hasty = accounts.chain(mini_programs).filter(|(_, life)| life.duration() < SAFE_GRANT_LIFE);
        hasty.map(|(at, _)| {
            let at = format!("{at}.grant_life");
            ConfigWarning::at(at, "is shorter than 10 seconds, so a slow page or backend redeems too late")
        })
    }

    /// Behind a proxy that isn't trusted, each message comes from the proxy's address, which is none of WeChat's.
    fn source_address_warnings(&self) -> impl Iterator<Item = ConfigWarning> {
        let checked = self.accounts.iter().filter(|(_, account)| account.check_source_address);
        checked.filter(|_| self.trusted_proxies.is_empty()).map(|(name, _)| {
            ConfigWarning::at(
                format_args!("accounts.{name}.check_source_address"),
                "trusted_proxies is empty, so all messages are refused if a proxy or load balancer is before the \
                 callbacks: they come from its address; name it in trusted_proxies",
            )
        })
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
