//! The accounts at work, and the keys of the sites that log in with them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use prometheus::IntGaugeVec;
use scenecast_shared::{
    scene::{AccountName, Language},
    store::{TokenStore, Users},
};

use crate::{
    api_keys::ApiKeys,
    clock::Clock,
    config::{AccountSettings, MiniProgramSettings, Settings},
    people::People,
    shortage::Given,
    site::{Mail, Site},
    wechat::{AccessToken, Api, Calls, Circuit, Client, Credentials, MiniProgramApi, Sources},
};

/// One Official Account at work.
pub(crate) struct Account {
    pub(crate) name: AccountName,
    pub(crate) settings: AccountSettings,
    pub(crate) api: Api,
    pub(crate) people: People,
    pub(crate) site: Site,
    /// Where its webhooks come from, if that is checked.
    pub(crate) sources: Option<Sources>,
    pub(crate) given: Given,
}

/// One mini program at work.
pub(crate) struct MiniProgram {
    pub(crate) name: AccountName,
    pub(crate) settings: MiniProgramSettings,
    pub(crate) api: MiniProgramApi,
    pub(crate) site: Site,
}

/// All of them, as one configuration has them.
#[derive(Default)]
pub(crate) struct Accounts {
    official: BTreeMap<AccountName, Arc<Account>>,
    mini_programs: BTreeMap<AccountName, Arc<MiniProgram>>,
    pub(crate) api_keys: ApiKeys,
}

/// What all accounts work with.
pub(crate) struct Tools {
    pub(crate) client: Client,
    pub(crate) tokens: TokenStore,
    pub(crate) users: Users,
    pub(crate) mail: Mail,
    pub(crate) circuit_open: IntGaugeVec,
    pub(crate) clock: Clock,
}

impl Accounts {
    /// All accounts, made anew.
    pub(crate) fn new(settings: &Settings, tools: &Tools) -> Self {
        Self::default().renewed(settings, tools, |_, _| false)
    }

    /// The accounts of these settings: the same one where it `is_same` (by its section and name), with its
    /// token and all that it has learned.
    pub(crate) fn renewed(
        &self,
        settings: &Settings,
        tools: &Tools,
        is_same: impl Fn(&str, &AccountName) -> bool,
    ) -> Self {
        let official = settings.accounts.iter().map(|(name, settings)| {
            let same = self.official.get(name).filter(|_| is_same("accounts", name));
            let make = || Arc::new(Account::new(name.clone(), settings.clone(), tools));
            (name.clone(), same.cloned().unwrap_or_else(make))
        });
        let mini_programs = settings.mini_programs.iter().map(|(name, settings)| {
            let same = self.mini_programs.get(name).filter(|_| is_same("mini_programs", name));
            let make = || Arc::new(MiniProgram::new(name.clone(), settings.clone(), tools));
            (name.clone(), same.cloned().unwrap_or_else(make))
        });
        Self {
            official: official.collect(),
            mini_programs: mini_programs.collect(),
            api_keys: ApiKeys::new(settings.api_keys.clone()),
        }
    }

    /// The sites of those accounts that aren't the same in `before`.
    pub(crate) fn sites_that_are_new<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a Site> {
        let official = self
            .official
            .iter()
            .filter(|(name, account)| !before.official.get(*name).is_some_and(|before| Arc::ptr_eq(before, account)));
        let mini_programs = self.mini_programs.iter().filter(|(name, mini_program)| {
            !before.mini_programs.get(*name).is_some_and(|before| Arc::ptr_eq(before, mini_program))
        });
        official.map(|(_, account)| &account.site).chain(mini_programs.map(|(_, mini_program)| &mini_program.site))
    }

    /// The names of all of them.
    pub(crate) fn names(&self) -> BTreeSet<&AccountName> {
        self.official.keys().chain(self.mini_programs.keys()).collect()
    }

    /// The Official Account whose own path this is.
    pub(crate) fn at_path(&self, path: &str) -> Option<&Arc<Account>> {
        self.official.values().find(|account| account.settings.path.as_ref().is_some_and(|own| own.as_str() == path))
    }

    /// The Official Account of this name.
    pub(crate) fn official(&self, name: &AccountName) -> Option<&Arc<Account>> {
        self.official.get(name)
    }

    /// The mini program of this name.
    pub(crate) fn mini_program(&self, name: &AccountName) -> Option<&Arc<MiniProgram>> {
        self.mini_programs.get(name)
    }

    /// Whether there is an account of this name, of whichever kind.
    pub(crate) fn has(&self, name: &AccountName) -> bool {
        self.official.contains_key(name) || self.mini_programs.contains_key(name)
    }

    /// In which an account, of whichever kind, generates names.
    pub(crate) fn language(&self, name: &AccountName) -> Option<Language> {
        let official = self.official(name).map(|account| account.settings.language);
        official.or_else(|| self.mini_program(name).map(|mini_program| mini_program.settings.language))
    }

    /// Whether this mini program may log in on this account's scenes: its own, and those of Official
    /// Accounts that it stands in for.
    pub(crate) fn stands_for(&self, mini_program: &AccountName, account: &AccountName) -> bool {
        let stands_in = |account: &Arc<Account>| account.settings.fallback_mini_program.as_ref() == Some(mini_program);
        mini_program == account || self.official(account).is_some_and(stands_in)
    }
}

impl Account {
    fn new(name: AccountName, settings: AccountSettings, tools: &Tools) -> Self {
        if settings.encryption().is_none() {
            tracing::warn!(
                account = %name,
                "plain mode: WeChat's signature does not cover its messages, so whoever can read the way from WeChat \
                 to here can forge logins"
            );
        }
        let credentials = Credentials { app_id: settings.app_id.clone(), secret: settings.secret.clone() };
        let api = Api::new(tools.calls(&name, credentials));
        let people = People {
            account: name.clone(),
            api: api.clone(),
            users: tools.users.clone(),
            wait: settings.profile_wait(),
            language: settings.language,
        };
        let site = Site::new(name.clone(), settings.language, settings.webhooks.clone(), &tools.mail);
        let sources = settings.check_source_address.then(|| Sources::new(name.clone(), api.clone()));
        Self { name, settings, api, people, site, sources, given: Given::default() }
    }
}

impl MiniProgram {
    fn new(name: AccountName, settings: MiniProgramSettings, tools: &Tools) -> Self {
        let credentials = Credentials { app_id: settings.app_id.clone(), secret: settings.secret.clone() };
        let api = MiniProgramApi::new(tools.calls(&name, credentials.clone()), credentials);
        let site = Site::new(name.clone(), settings.language, settings.webhooks.clone(), &tools.mail);
        Self { name, settings, api, site }
    }
}

impl Tools {
    fn calls(&self, account: &AccountName, credentials: Credentials) -> Calls {
        let circuit = Circuit::new(account.clone(), self.clock.clone(), self.circuit_open.clone());
        let (client, tokens) = (self.client.clone(), self.tokens.clone());
        let token = AccessToken::new(account.clone(), credentials, client.clone(), circuit.clone(), tokens);
        Calls::new(client, token, circuit)
    }
}
