//! One hosted account: its settings, and what changes.

use std::sync::{Mutex, MutexGuard};

use scenecast_shared::scene::AccountName;
use url::Url;

use super::{
    lock,
    people::People,
    rules::{quota::Quota, tokens::Tokens},
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
    pub(crate) people: People,
    callbacks: Vec<Url>,
    turn: usize,
}

impl Hosted {
    pub(crate) fn new(name: AccountName, settings: Account, now_secs: u64) -> Self {
        let state = State {
            tokens: Tokens::new(settings.quota.tokens),
            qr_codes_a_day: Quota::a_day(settings.quota.qr_codes),
            people: People::new(&settings.app_id, now_secs),
            callbacks: settings.callbacks.clone(),
            turn: 0,
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

    /// Whose turn it is; `None` without any callback.
    pub(crate) fn next_callback(&mut self) -> Option<Url> {
        let url = self.callbacks.get(self.turn % self.callbacks.len().max(1)).cloned();
        self.turn = self.turn.wrapping_add(1);
        url
    }
}
