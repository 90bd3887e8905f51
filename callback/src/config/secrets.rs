//! Which secrets of a callback must differ, and which should. No I/O.

use scenecast_scene::{AccountName, Rotating, Secret};
use scenecast_service::config::{ConfigError, ConfigWarning, SecretUses};
use scenecast_wechat::AesKey;

use super::{AccountSettings, CallbackConfig, Mode, WebhookSettings, check::bad};

/// The secret of an app at WeChat has 32 characters. A shorter one was cut.
const APP_SECRET_BYTES: usize = 32;

/// Whoever has seen one signed message can try shorter tokens on it.
const TOKEN_BYTES: usize = 16;

/// The token and the AES key of `simulator.toml`; a test holds that they are.
pub(super) const PUBLISHED_TOKEN: &str = "simulatedToken";
pub(super) const PUBLISHED_AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// The gateways' user in `deploy/redis/users.acl`.
const GATEWAYS_REDIS_USER: &str = "gateway";

impl CallbackConfig {
    /// Whoever may read the address of Redis doesn't know another secret by it.
    pub(super) fn check_redis_password(&self) -> Result<(), ConfigError> {
        self.secret_uses().check_not_in("bus.url", |secret| self.bus.url.has_password(secret.text()))
    }

    pub(super) fn redis_user_warning(&self) -> Option<ConfigWarning> {
        let problem = "its user is the gateways', which may not store logins; give callbacks their own";
        self.bus.url.has_user(GATEWAYS_REDIS_USER).then(|| ConfigWarning::at("bus.url", problem))
    }
}

impl<B> CallbackConfig<B> {
    /// Refuses secrets that serve two purposes, and API keys that no site can send.
    pub(super) fn check_secrets(&self) -> Result<(), ConfigError> {
        let is_ascii = |secret: &Secret| secret.text().is_ascii();
        let unsendable = self.api_keys.iter().filter(|(_, key)| key.key.any(|secret| !is_ascii(secret)));
        let unsendable = unsendable
            .map(|(name, _)| bad(&format!("api_keys.{name}.key"), "must be ASCII: a site can't send other characters"));
        let uses = self.secret_uses();
        let webhooks = self.webhooks().map(|(at, webhooks)| {
            uses.check_not_in(format_args!("{at}.secret"), |secret| webhooks.signer.signs_with(secret))
        });
        let others = [self.check_plain_tokens(), self.check_aes_keys(), self.check_published_secrets(), uses.check()];
        ConfigError::all(unsendable.chain(webhooks).chain(others))
    }

    /// Whoever has read our sample files could forge messages to an account at WeChat that has their secrets.
    ///
    /// See docs/decisions/082-published-secrets-and-shared-passwords-are-refused.md.
    fn check_published_secrets(&self) -> Result<(), ConfigError> {
        if !self.wechat.is_wechats_own() {
            return Ok(());
        }
        let why = "is that of the simulator's sample, so everybody knows it; make a random one at WeChat";
        ConfigError::all(self.accounts.iter().flat_map(|(name, account)| {
            let token = account.token.any(|token| token.text() == PUBLISHED_TOKEN);
            let is_published = |keys: &Rotating<AesKey>| keys.any(|key| key.is_written(PUBLISHED_AES_KEY));
            let aes_key = account.aes_key.as_ref().is_some_and(is_published);
            let bad_if = |is_bad: bool, setting: &str| {
                if is_bad { bad(&format!("accounts.{name}.{setting}"), why) } else { Ok(()) }
            };
            [bad_if(token, "token"), bad_if(aes_key, "aes_key")]
        }))
    }

    /// An account's AES key is none of the secrets that let somebody in here: WeChat and all who set the account up there
    /// know it.
    fn check_aes_keys(&self) -> Result<(), ConfigError> {
        ConfigError::all(self.accounts.iter().map(|(name, account)| {
            let Some(keys) = &account.aes_key else { return Ok(()) };
            let is_same = |secret: &Rotating| keys.current.is_written(secret.current.text());
            let api_key = self.api_keys.iter().find(|(_, api_key)| is_same(&api_key.key));
            let other = match api_key {
                Some((name, _)) => format!("api_keys.{name}.key"),
                None if is_same(&self.internal_secret) => "internal_secret".to_owned(),
                None => return Ok(()),
            };
            bad(&format!("accounts.{name}.aes_key"), &format!("is the secret of {other}, too; each needs its own"))
        }))
    }

    /// An account in plain mode has a token that no account in another mode has: their deliveries show signatures that the
    /// plain account would accept, and that nobody claims.
    ///
    /// See docs/decisions/047-a-signature-is-good-for-one-content.md.
    fn check_plain_tokens(&self) -> Result<(), ConfigError> {
        let is_plain = |account: &AccountSettings| account.mode == Mode::Plain;
        let encrypted = || self.accounts.iter().filter(|(_, account)| !is_plain(account));
        let plain = self.accounts.iter().filter(|(_, account)| is_plain(account));
        ConfigError::all(plain.map(|(name, account)| {
            let shares =
                |other: &AccountSettings| account.token.any(|token| other.token.any(|it| it.bytes() == token.bytes()));
            let Some((other, _)) = encrypted().find(|(_, other)| shares(other)) else { return Ok(()) };
            let why = format!("is that of accounts.{other} too, which is not in plain mode: use another token");
            bad(&format!("accounts.{name}.token"), &why)
        }))
    }

    /// Secrets that can be used and should be others.
    pub(super) fn secret_warnings(&self) -> Vec<ConfigWarning> {
        let mut warnings = self.secret_uses().warnings();
        warnings.extend(self.aes_key_warnings());
        warnings.extend(self.app_secret_warnings());
        warnings.extend(self.token_warnings());
        warnings.extend(self.webhook_secret_warnings());
        warnings
    }

    fn secret_uses(&self) -> SecretUses<'_> {
        let mut uses = SecretUses::default();
        uses.add("internal_secret", &self.internal_secret);
        for (name, key) in &self.api_keys {
            uses.add(format_args!("api_keys.{name}.key"), &key.key);
        }
        for (name, account) in &self.accounts {
            uses.add_fixed(format_args!("accounts.{name}.secret"), &account.secret);
            uses.add_shareable(format_args!("accounts.{name}.token"), &account.token);
        }
        for (name, mini_program) in &self.mini_programs {
            uses.add_fixed(format_args!("mini_programs.{name}.secret"), &mini_program.secret);
        }
        uses
    }

    fn aes_key_warnings(&self) -> Vec<ConfigWarning> {
        let mut warnings = vec![];
        let mut seen: Vec<(&AccountName, &AesKey)> = vec![];
        for (name, account) in &self.accounts {
            let Some(keys) = &account.aes_key else { continue };
            let at = format!("accounts.{name}.aes_key");
            if token_begins_key(account) {
                warnings.push(ConfigWarning::at(&at, "begins with the account's token; make a random one at WeChat"));
            }
            if keys.previous.as_ref().is_some_and(|previous| previous.is_same(&keys.current)) {
                warnings.push(ConfigWarning::at(&at, "the previous key is the current one, so nothing is rotated"));
            }
            if let Some((other, _)) = seen.iter().find(|(_, key)| key.is_same(&keys.current)) {
                warnings
                    .push(ConfigWarning::at(&at, format_args!("is that of accounts.{other}, too; each needs its own")));
            }
            seen.push((name, &keys.current));
        }
        warnings
    }

    fn token_warnings(&self) -> impl Iterator<Item = ConfigWarning> {
        let short = self.accounts.iter().filter(|(_, it)| it.token.any(|token| token.bytes().len() < TOKEN_BYTES));
        short.map(|(name, _)| {
            let at = format!("accounts.{name}.token");
            ConfigWarning::at(at, "has fewer than 16 characters, so it can be guessed from one signed message; take 32")
        })
    }

    /// Whoever has the secret of another site's webhooks can forge them.
    fn webhook_secret_warnings(&self) -> Vec<ConfigWarning> {
        let all: Vec<_> = self.webhooks().collect();
        let shared = all.iter().enumerate().filter_map(|(n, (at, webhooks))| {
            let is_shared = |other: &WebhookSettings| {
                other.signer.shares_secret_with(&webhooks.signer) && other.target.host() != webhooks.target.host()
            };
            let (other, _) = all[..n].iter().find(|(_, other)| is_shared(other))?;
            let problem = format!("the secret is that of {other}, which go to another site; each site needs its own");
            Some(ConfigWarning::at(at, problem))
        });
        shared.collect()
    }

    fn app_secret_warnings(&self) -> impl Iterator<Item = ConfigWarning> {
        let accounts = self.accounts.iter().map(|(name, it)| (format!("accounts.{name}.secret"), &it.secret));
        let mini_programs =
            self.mini_programs.iter().map(|(name, it)| (format!("mini_programs.{name}.secret"), &it.secret));
        let cut = accounts.chain(mini_programs).filter(|(_, secret)| secret.bytes().len() < APP_SECRET_BYTES);
        cut.filter(|_| self.wechat.is_wechats_own())
            .map(|(at, _)| ConfigWarning::at(at, "is shorter than the 32 characters of WeChat's AppSecrets"))
    }
}

fn token_begins_key(account: &AccountSettings) -> bool {
    account
        .aes_key
        .as_ref()
        .is_some_and(|keys| keys.any(|key| account.token.any(|token| key.begins_with(token.text()))))
}
