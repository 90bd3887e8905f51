//! One hosted account: its settings, and what changes.

use std::sync::{Mutex, MutexGuard};

use scenecast_shared::scene::AccountName;
use url::Url;

use super::{
    lock,
    people::People,
    rules::{js_codes::JsCodes, quota::Quota, tokens::Tokens},
    seal::AesKey,
    settings::Account,
};

#[derive(Debug)]
pub(crate) struct Hosted {
    pub(crate) name: AccountName,
    pub(crate) settings: Account,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) tokens: Tokens,
    pub(crate) qr_codes_a_day: Quota,
    pub(crate) page_codes_a_minute: Quota,
    pub(crate) js_codes: JsCodes,
    pub(crate) people: People,
    callbacks: Vec<Url>,
    turn: usize,
    aes_key: AesKey,
    previous_aes_key: Option<AesKey>,
}

impl Hosted {
    pub(crate) fn new(name: AccountName, settings: Account, now_secs: u64) -> Self {
        let state = State {
            tokens: Tokens::new(settings.quota.tokens),
            qr_codes_a_day: Quota::a_day(settings.quota.qr_codes),
            page_codes_a_minute: Quota::a_minute(settings.quota.page_codes),
            js_codes: JsCodes::new(settings.quota.sessions),
            people: People::new(&settings.app_id, now_secs),
            callbacks: settings.callbacks.clone(),
            turn: 0,
            aes_key: settings.aes_key.clone(),
            previous_aes_key: settings.previous_aes_key.clone(),
        };
        Self { name, settings, state: Mutex::new(state) }
    }

    /// Never held across an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    pub(crate) fn set_callbacks(&mut self, callbacks: Vec<Url>) {
        (self.callbacks, self.turn) = (callbacks, 0);
    }

    pub(crate) fn callbacks(&self) -> &[Url] {
        &self.callbacks
    }

    /// Whose turn it is, so many in a row; none without any callback.
    pub(crate) fn next_callbacks(&mut self, count: usize) -> Vec<Url> {
        let turn = self.turn;
        self.turn = self.turn.wrapping_add(count);
        let urls = self.callbacks.iter().cycle().skip(turn % self.callbacks.len().max(1));
        urls.take(count).cloned().collect()
    }

    /// Seals with this key from now on.
    pub(crate) fn rotate_aes_key(&mut self, key: AesKey) {
        self.previous_aes_key = Some(std::mem::replace(&mut self.aes_key, key));
    }

    /// What messages are sealed with; the previous key only if there is one.
    pub(crate) fn sealing_key(&self, previous: bool) -> &AesKey {
        self.previous_aes_key.as_ref().filter(|_| previous).unwrap_or(&self.aes_key)
    }
}
