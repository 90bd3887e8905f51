//! An account at runtime.

use parking_lot::{Mutex, MutexGuard};
use scenecast_scene::AccountName;
use url::Url;

use super::settings::SimulatedAccount;
use crate::{
    encryption::EncodingAesKey,
    rules::{js_codes::LoginCodes, quota::Quota, tokens::AccessTokens},
    users::KnownUsers,
};

/// One account that the simulator hosts.
#[derive(Debug)]
pub(crate) struct HostedAccount {
    pub(crate) name: AccountName,
    pub(crate) settings: SimulatedAccount,
    state: Mutex<AccountState>,
}

/// What changes of an account.
#[derive(Debug)]
pub(crate) struct AccountState {
    pub(crate) tokens: AccessTokens,
    pub(crate) qr_codes_a_day: Quota,
    pub(crate) page_codes_a_minute: Quota,
    pub(crate) login_codes: LoginCodes,
    pub(crate) users: KnownUsers,
    callbacks: Vec<Url>,
    next_callback: usize,
    aes_key: EncodingAesKey,
    previous_aes_key: Option<EncodingAesKey>,
}

impl HostedAccount {
    pub(crate) fn new(name: AccountName, settings: SimulatedAccount, now_secs: u64) -> Self {
        let state = AccountState {
            tokens: AccessTokens::new(settings.quota.tokens),
            qr_codes_a_day: Quota::a_day(settings.quota.qr_codes),
            page_codes_a_minute: Quota::a_minute(settings.quota.page_codes),
            login_codes: LoginCodes::new(settings.quota.sessions),
            users: KnownUsers::new(&settings.app_id, now_secs),
            callbacks: settings.callbacks.clone(),
            next_callback: 0,
            aes_key: settings.aes_key.clone(),
            previous_aes_key: settings.previous_aes_key.clone(),
        };
        Self { name, settings, state: Mutex::new(state) }
    }

    /// Locks the state. Never keep the guard across an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, AccountState> {
        self.state.lock()
    }
}

impl AccountState {
    pub(crate) fn set_callbacks(&mut self, callbacks: Vec<Url>) {
        self.callbacks = callbacks;
        self.next_callback = 0;
    }

    pub(crate) fn callbacks(&self) -> &[Url] {
        &self.callbacks
    }

    /// The next `count` callbacks in turn; none if the account has none.
    pub(crate) fn next_callbacks(&mut self, count: usize) -> Vec<Url> {
        let first = self.next_callback % self.callbacks.len().max(1);
        self.next_callback = self.next_callback.wrapping_add(count);
        self.callbacks.iter().cycle().skip(first).take(count).cloned().collect()
    }

    /// Encrypts with this key from now on.
    pub(crate) fn rotate_aes_key(&mut self, key: EncodingAesKey) {
        self.previous_aes_key = Some(std::mem::replace(&mut self.aes_key, key));
    }

    /// The key that encrypts messages: the previous one if `previous` is set and there is one.
    pub(crate) fn encryption_key(&self, previous: bool) -> &EncodingAesKey {
        self.previous_aes_key.as_ref().filter(|_| previous).unwrap_or(&self.aes_key)
    }
}
