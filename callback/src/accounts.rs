//! The accounts at work, and the keys of the sites that log in with them.

use std::{collections::BTreeMap, sync::Arc};

use scenecast_shared::{
    scene::AccountName,
    store::{TokenStore, Users},
};

use crate::{
    api_keys::ApiKeys,
    config::{AccountSettings, Settings},
    site::{Mail, Site},
    webhook::People,
    wechat::{AccessToken, Api, Client, Credentials, Sources},
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
}

/// What all accounts work with.
pub(crate) struct Tools {
    pub(crate) client: Client,
    pub(crate) tokens: TokenStore,
    pub(crate) users: Users,
    pub(crate) mail: Mail,
}

/// All of them, as one configuration has them.
pub(crate) struct Accounts {
    official: BTreeMap<AccountName, Arc<Account>>,
    pub(crate) api_keys: ApiKeys,
}

impl Accounts {
    pub(crate) fn new(settings: &Settings, tools: &Tools) -> Self {
        let official = settings.accounts.iter().map(|(name, settings)| {
            let account = Account::new(name.clone(), settings.clone(), tools);
            (name.clone(), Arc::new(account))
        });
        Self { official: official.collect(), api_keys: ApiKeys::new(settings.api_keys.clone()) }
    }

    /// The Official Account whose own path this is.
    pub(crate) fn at_path(&self, path: &str) -> Option<&Arc<Account>> {
        self.official.values().find(|account| account.settings.path.as_ref().is_some_and(|own| own.as_str() == path))
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.official.values()
    }

    /// The Official Account of this name.
    pub(crate) fn official(&self, name: &AccountName) -> Option<&Arc<Account>> {
        self.official.get(name)
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
        let token = AccessToken::new(name.clone(), credentials, tools.client.clone(), tools.tokens.clone());
        let api = Api::new(tools.client.clone(), token);
        let people = People {
            account: name.clone(),
            api: api.clone(),
            users: tools.users.clone(),
            wait: settings.profile_wait(),
            language: settings.language,
        };
        let site = Site::new(name.clone(), settings.language, settings.webhooks.clone(), &tools.mail);
        let sources = settings.check_source_address.then(|| Sources::new(name.clone(), api.clone()));
        Self { name, settings, api, people, site, sources }
    }
}
