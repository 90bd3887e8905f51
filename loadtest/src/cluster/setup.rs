//! What a cluster consists of, and the configuration of its processes.

use std::{net::SocketAddr, path::PathBuf};

use scenecast_simulator::{AccountQuota, EncryptionMode, SimulatedAccount};
use url::Url;

use super::{
    addresses::Addresses,
    secrets::{API_KEY, APP_SECRET, INTERNAL_SECRET, KEY_SECRET, MINI_API_KEY, ORIGIN, TOKEN},
};

/// What a cluster consists of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The number of gateways. They call the callbacks in turn, each one of them, unless `callbacks_at` is set.
    pub gateways: usize,
    pub callbacks: usize,
    pub mode: EncryptionMode,
    /// The `confirmation` setting of both accounts: `none`, `tap` or `number`.
    pub confirmation: &'static str,
    /// How long a scene lives, in seconds.
    pub scene_life: u32,
    /// How long a process still accepts connections after SIGTERM, in seconds.
    pub notice: u32,
    /// Over how long a process then closes its connections, in seconds.
    pub window: u32,
    /// The address at which all gateways call the callbacks.
    pub callbacks_at: Option<SocketAddr>,
    /// The URL of WeChat for the callbacks, if it is not the cluster's own simulator.
    pub wechat: Option<Url>,
    /// The ingress that gateways believe.
    pub trusted_proxies: &'static str,
    /// How often both accounts may call WeChat.
    pub quota: AccountQuota,
    /// Where processes write their logs, each in a file of its own. Without it their logs are kept in memory. With it they
    /// also get none of this terminal's signals.
    pub log_files: Option<PathBuf>,
    /// Variables in the environment of every process.
    pub environment: Vec<(&'static str, String)>,
    /// Lines at the end of every configuration.
    pub settings: String,
    /// Lines in every gateway's configuration, before `settings`. The first ones belong to `[drain]`.
    pub gateway_settings: String,
    /// Lines in every callback's configuration, before `settings`. The first ones belong to `[drain]`.
    pub callback_settings: String,
}

impl Default for Setup {
    /// One gateway and one callback in plain mode, where a scan is a login.
    fn default() -> Self {
        Self {
            gateways: 1,
            callbacks: 1,
            mode: EncryptionMode::Plain,
            confirmation: "none",
            scene_life: 120,
            notice: 0,
            window: 2,
            callbacks_at: None,
            wechat: None,
            trusted_proxies: "127.0.0.1",
            quota: AccountQuota::default(),
            log_files: None,
            environment: vec![],
            settings: String::new(),
            gateway_settings: String::new(),
            callback_settings: String::new(),
        }
    }
}

impl Setup {
    pub(super) fn gateway_config(&self, n: usize, addresses: Addresses, redis: &str) -> String {
        format!(
            "origins = ['{ORIGIN}', 'http://{}']\ntrusted_proxies = ['{}']\nscene_life = {}\n\
             [listen]\npublic = '{}'\nadmin = '{}'\n\
             [bus]\nurl = '{redis}'\n\
             [callback]\nurl = 'http://{}'\n\
             [key_secret]\ncurrent = '{KEY_SECRET}'\n\
             [internal_secret]\ncurrent = '{INTERNAL_SECRET}'\n\
             [compatible]\n\
             path_socket.account = 'demo'\n\
             client_id_socket.account = 'demo-mini'\n\
             typed_code.account = 'demo'\n\
             ticket_polling.account = 'demo'\n\
             qr_on_open = {{ account = 'demo', listen = '{}' }}\n\
             [drain]\nnotice = {}\nwindow = {}\n\
             {}{}",
            addresses.ingress(),
            self.trusted_proxies,
            self.scene_life,
            addresses.gateway_public(n),
            addresses.gateway_admin(n),
            self.callbacks_at.unwrap_or_else(|| addresses.callback_internal(n % self.callbacks)),
            addresses.gateway_on_open(n),
            self.notice,
            self.window,
            self.gateway_settings,
            self.settings,
        )
    }

    /// `simulator` is the URL of the cluster's own WeChat.
    pub(super) fn callback_config(&self, n: usize, addresses: Addresses, redis: &str, simulator: &Url) -> String {
        let wechat = self.wechat.as_ref().unwrap_or(simulator);
        let mode: &str = self.mode.into();
        format!(
            "[listen]\npublic = '{}'\ninternal = '{}'\nadmin = '{}'\n\
             [bus]\nurl = '{redis}'\n\
             [wechat]\napi_base = '{wechat}'\npicture_base = '{wechat}'\n\
             [internal_secret]\ncurrent = '{INTERNAL_SECRET}'\n\
             [accounts.demo]\napp_id = '{}'\nsecret = '{APP_SECRET}'\noriginal_id = '{}'\n\
             mode = '{mode}'\naes_key.current = '{}'\n\
             confirmation = '{}'\nlanguage = 'en'\ntoken.current = '{TOKEN}'\n\
             [mini_programs.demo-mini]\napp_id = '{}'\nsecret = '{APP_SECRET}'\n\
             confirmation = '{}'\nlanguage = 'en'\n\
             [api_keys.site]\naccounts = ['demo']\nkey.current = '{API_KEY}'\n\
             [api_keys.mini]\naccounts = ['demo-mini']\nkey.current = '{MINI_API_KEY}'\n\
             [drain]\nnotice = {}\nwindow = {}\n\
             {}{}",
            addresses.callback_public(n),
            addresses.callback_internal(n),
            addresses.callback_admin(n),
            SimulatedAccount::SAMPLE_APP_ID,
            SimulatedAccount::SAMPLE_ORIGINAL_ID,
            SimulatedAccount::SAMPLE_AES_KEY,
            self.confirmation,
            SimulatedAccount::SAMPLE_MINI_APP_ID,
            self.confirmation,
            self.notice,
            self.window,
            self.callback_settings,
            self.settings,
        )
    }
}
