//! The accounts as they are now.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use scenecast_scene::{AccountName, Language};
use tokio::sync::watch;

use super::{
    account::{Account, AccountServices, MiniProgram},
    api_keys::ApiKeys,
};
use crate::{
    config::{AccountSettings, CallbackConfig, Confirmation},
    webhooks::WebhookPublisher,
};

/// All accounts and API keys of one configuration.
#[derive(Default)]
pub(crate) struct Accounts {
    official: BTreeMap<AccountName, Arc<Account>>,
    mini_programs: BTreeMap<AccountName, Arc<MiniProgram>>,
    pub(crate) api_keys: ApiKeys,
}

/// Clones are the same registry.
#[derive(Clone)]
pub(crate) struct AccountRegistry(Arc<watch::Sender<Arc<Accounts>>>);

impl AccountRegistry {
    pub(crate) fn new(accounts: Accounts) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(accounts))))
    }

    /// The accounts as they are now. A handler keeps these until it is done, even if the configuration changes
    /// meanwhile.
    pub(crate) fn current(&self) -> Arc<Accounts> {
        self.0.borrow().clone()
    }

    /// Waits until there are such accounts.
    pub(crate) async fn wait_for(&self, condition: impl Fn(&Accounts) -> bool) {
        let mut current = self.0.subscribe();
        // It can't fail: the sender is kept here.
        _ = current.wait_for(|accounts| condition(accounts)).await;
    }

    pub(crate) fn replace(&self, accounts: Arc<Accounts>) {
        self.0.send_replace(accounts);
    }
}

impl Accounts {
    /// All accounts of this configuration, made anew.
    pub(crate) fn new<B>(config: &CallbackConfig<B>, services: &AccountServices) -> Self {
        Self::default().renewed(config, services, |_, _| false)
    }

    /// The accounts of a changed configuration. An account that `is_same` as before (by its section and name) is taken
    /// over, with its access token and all that it has learned.
    pub(crate) fn renewed<B>(
        &self,
        config: &CallbackConfig<B>,
        services: &AccountServices,
        is_same: impl Fn(&str, &AccountName) -> bool,
    ) -> Self {
        let official = config.accounts.iter().map(|(name, settings)| {
            let same = self.official.get(name).filter(|_| is_same("accounts", name));
            let make = || Arc::new(Account::new(name.clone(), settings.clone(), services));
            (name.clone(), same.cloned().unwrap_or_else(make))
        });
        let mini_programs = config.mini_programs.iter().map(|(name, settings)| {
            let same = self.mini_programs.get(name).filter(|_| is_same("mini_programs", name));
            let make = || Arc::new(MiniProgram::new(name.clone(), settings.clone(), services));
            (name.clone(), same.cloned().unwrap_or_else(make))
        });
        Self {
            official: official.collect(),
            mini_programs: mini_programs.collect(),
            api_keys: ApiKeys::new(config.api_keys.clone()),
        }
    }

    /// The webhook publishers of the accounts that were not taken over from `before`.
    pub(crate) fn new_publishers<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a WebhookPublisher> {
        let official = self
            .official
            .iter()
            .filter(|(name, account)| !before.official.get(*name).is_some_and(|before| Arc::ptr_eq(before, account)));
        let mini_programs = self.mini_programs.iter().filter(|(name, mini_program)| {
            !before.mini_programs.get(*name).is_some_and(|before| Arc::ptr_eq(before, mini_program))
        });
        let of_official = official.map(|(_, account)| &account.webhooks);
        of_official.chain(mini_programs.map(|(_, mini_program)| &mini_program.webhooks))
    }

    /// The names of all accounts.
    pub(crate) fn names(&self) -> BTreeSet<&AccountName> {
        self.official.keys().chain(self.mini_programs.keys()).collect()
    }

    /// The Official Account to which WeChat delivers at this path.
    pub(crate) fn at_path(&self, path: &str) -> Option<&Arc<Account>> {
        match path.strip_prefix("/wechat/") {
            Some(name) => name.parse().ok().and_then(|name| self.official.get(&name)),
            None => self
                .official
                .values()
                .find(|account| account.settings.path.as_ref().is_some_and(|own_path| own_path.as_str() == path)),
        }
    }

    /// Whether WeChat delivers to one of them in plain mode.
    pub(crate) fn any_plain(&self) -> bool {
        self.all_official().any(|account| account.settings.encryption().is_none())
    }

    /// All Official Accounts.
    pub(crate) fn all_official(&self) -> impl Iterator<Item = &Account> {
        self.official.values().map(|account| &**account)
    }

    /// The Official Account of this name.
    pub(crate) fn official(&self, name: &AccountName) -> Option<&Arc<Account>> {
        self.official.get(name)
    }

    /// The mini program of this name.
    pub(crate) fn mini_program(&self, name: &AccountName) -> Option<&Arc<MiniProgram>> {
        self.mini_programs.get(name)
    }

    /// Whether there is an account of this name, of either kind.
    pub(crate) fn has(&self, name: &AccountName) -> bool {
        self.official.contains_key(name) || self.mini_programs.contains_key(name)
    }

    /// The language of the names that an account, of either kind, generates.
    pub(crate) fn language(&self, name: &AccountName) -> Option<Language> {
        let official = self.official(name).map(|account| account.settings.language);
        official.or_else(|| self.mini_program(name).map(|mini_program| mini_program.settings.language))
    }

    /// What makes it a login when this mini program opens a scene of this account. `None` if it may not log in there: it
    /// may on its own scenes, and on those of Official Accounts for which it is the fallback. Then the stricter of both
    /// confirmations counts.
    ///
    /// See docs/decisions/046-the-stricter-confirmation-counts.md.
    pub(crate) fn confirmation(&self, mini_program: &MiniProgram, account: &AccountName) -> Option<Confirmation> {
        let own = mini_program.settings.confirmation;
        if mini_program.name == *account {
            return Some(own);
        }
        let AccountSettings { fallback_mini_program, confirmation, .. } = &self.official(account)?.settings;
        (fallback_mini_program.as_ref() == Some(&mini_program.name)).then(|| own.max(*confirmation))
    }
}
