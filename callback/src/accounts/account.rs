//! One Official Account and one mini program at work: its settings, its calls of WeChat's API, its webhooks.

use prometheus::IntGaugeVec;
use scenecast_scene::{AccountName, Language, Rotating, Secret};
use scenecast_wechat::AesKey;

use super::{fallback::FallbackState, previous_secrets::PreviousSecretUses};
use crate::{
    clock::Clock,
    config::{AccountSettings, MiniProgramSettings},
    people::People,
    stores::{TokenStore, Users},
    webhooks::{WebhookPublisher, WebhookSender, WebhookSettings},
    wechat::{
        AccessTokenSource, AccountCalls, Circuit, Credentials, MiniProgramApi, OfficialAccountApi, WechatAddresses,
        WechatClient,
    },
};

/// One Official Account at work.
pub(crate) struct Account {
    pub(crate) name: AccountName,
    pub(crate) settings: AccountSettings,
    pub(crate) api: OfficialAccountApi,
    pub(crate) people: People,
    pub(crate) webhooks: WebhookPublisher,
    /// The addresses from which WeChat delivers, if the account checks that.
    pub(crate) wechat_addresses: Option<WechatAddresses>,
    pub(crate) fallback: FallbackState,
    previous_secrets: PreviousSecretUses,
}

/// One mini program at work.
pub(crate) struct MiniProgram {
    pub(crate) name: AccountName,
    pub(crate) settings: MiniProgramSettings,
    pub(crate) api: MiniProgramApi,
    pub(crate) webhooks: WebhookPublisher,
}

/// What all accounts work with.
pub(crate) struct AccountServices {
    pub(crate) client: WechatClient,
    pub(crate) tokens: TokenStore,
    pub(crate) users: Users,
    pub(crate) webhook_sender: WebhookSender,
    pub(crate) circuit_open: IntGaugeVec,
    pub(crate) previous_secrets: PreviousSecretUses,
    pub(crate) clock: Clock,
}

impl Account {
    pub(super) fn new(name: AccountName, settings: AccountSettings, services: &AccountServices) -> Self {
        if settings.encryption().is_none() {
            tracing::warn!(
                account = %name,
                "plain mode: WeChat's signature does not cover its messages, so an attacker who can read the traffic \
                 from WeChat to here can forge logins; set mode = \"safe\""
            );
        }
        let credentials = Credentials { app_id: settings.app_id.clone(), secret: settings.secret.clone() };
        let api = OfficialAccountApi::new(services.calls(&name, credentials));
        let people = People {
            account: name.clone(),
            api: api.clone(),
            users: services.users.clone(),
            wait: settings.profile_wait(),
            language: settings.language,
        };
        let webhooks = services.publisher(&name, settings.language, settings.webhooks.clone());
        let wechat_addresses = settings.check_source_address.then(|| WechatAddresses::new(name.clone(), api.clone()));
        let previous_secrets = services.previous_secrets.clone();
        let fallback = FallbackState::default();
        Self { name, settings, api, people, webhooks, wechat_addresses, fallback, previous_secrets }
    }

    /// Counts that WeChat signed with this one of the account's tokens.
    pub(crate) fn count_token(&self, token: &Secret) {
        self.previous_secrets.count(&self.settings.token, token, || format!("accounts.{}.token", self.name));
    }

    /// Counts that WeChat encrypted with this one of the account's keys.
    pub(crate) fn count_aes_key(&self, keys: &Rotating<AesKey>, key: &AesKey) {
        self.previous_secrets.count(keys, key, || format!("accounts.{}.aes_key", self.name));
    }
}

impl MiniProgram {
    pub(super) fn new(name: AccountName, settings: MiniProgramSettings, services: &AccountServices) -> Self {
        let credentials = Credentials { app_id: settings.app_id.clone(), secret: settings.secret.clone() };
        let api = MiniProgramApi::new(services.calls(&name, credentials.clone()), credentials);
        let webhooks = services.publisher(&name, settings.language, settings.webhooks.clone());
        Self { name, settings, api, webhooks }
    }
}

impl AccountServices {
    fn calls(&self, account: &AccountName, credentials: Credentials) -> AccountCalls {
        let circuit = Circuit::new(account.clone(), self.clock.clone(), self.circuit_open.clone());
        let token = AccessTokenSource::new(
            account.clone(),
            credentials,
            self.client.clone(),
            circuit.clone(),
            self.tokens.clone(),
        );
        AccountCalls::new(account.clone(), self.client.clone(), token, circuit)
    }

    fn publisher(
        &self,
        account: &AccountName,
        language: Language,
        settings: Option<WebhookSettings>,
    ) -> WebhookPublisher {
        WebhookPublisher::new(account.clone(), language, settings, &self.webhook_sender)
    }
}
