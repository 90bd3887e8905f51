//! What a cluster is made of, and what its processes are told.

use std::net::SocketAddr;

use url::Url;

use super::{
    API_KEY, APP_SECRET, CALLBACK_PASSWORD, Cluster, GATEWAY_PASSWORD, INTERNAL_SECRET, KEY_SECRET, MINI_API_KEY,
    ORIGIN, Redis, TOKEN,
};
use crate::simulator::{Account, Mode};

/// What a cluster is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How many gateways. Gateway `n` opens scenes at callback `n` (or the last), but for `callbacks_at`.
    pub gateways: usize,
    /// How many callbacks.
    pub callbacks: usize,
    /// How WeChat sends messages.
    pub mode: Mode,
    /// What makes a scan a login: `none`, `tap` or `number`.
    pub confirmation: &'static str,
    /// How long a scene lives, in seconds.
    pub scene_life: u32,
    /// How long a process still accepts once it is told to end, in seconds, …
    pub notice: u32,
    /// … and over how long it closes what it holds.
    pub window: u32,
    /// Where gateways reach the callbacks, if not each its own.
    pub callbacks_at: Option<SocketAddr>,
    /// Where the callbacks find WeChat, if not at this cluster's own.
    pub wechat: Option<Url>,
    /// Lines at the end of every configuration.
    pub settings: String,
    /// Lines at the end of every gateway's, before those: they begin in `[drain]`.
    pub gateway_settings: String,
    /// The same of every callback's.
    pub callback_settings: String,
}

impl Default for Setup {
    /// One of each, in plain mode, where a scan is a login.
    fn default() -> Self {
        Self {
            gateways: 1,
            callbacks: 1,
            mode: Mode::Plain,
            confirmation: "none",
            scene_life: 120,
            notice: 0,
            window: 2,
            callbacks_at: None,
            wechat: None,
            settings: String::new(),
            gateway_settings: String::new(),
            callback_settings: String::new(),
        }
    }
}

impl<R: Redis> Cluster<R> {
    pub(super) fn gateway_config(&self, n: usize, setup: &Setup) -> String {
        format!(
            "origins = ['{ORIGIN}', 'http://{}']\ntrusted_proxies = ['127.0.0.1']\nscene_life = {}\n\
             [listen]\npublic = '{}'\nadmin = '{}'\n\
             [bus]\nurl = '{}'\n\
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
            self.ingress_address(),
            setup.scene_life,
            self.gateway_address(n),
            self.gateway_admin(n),
            self.redis.url_for("gateway", GATEWAY_PASSWORD),
            setup.callbacks_at.unwrap_or_else(|| self.callback_internal(n.min(setup.callbacks - 1))),
            self.gateway_on_open(n),
            setup.notice,
            setup.window,
            setup.gateway_settings,
            setup.settings,
        )
    }

    pub(super) fn callback_config(&self, n: usize, setup: &Setup) -> String {
        let wechat = setup.wechat.as_ref().unwrap_or(&self.wechat);
        let mode = match setup.mode {
            Mode::Plain => "plain",
            Mode::Compatible => "compatible",
            Mode::Safe => "safe",
        };
        format!(
            "[listen]\npublic = '{}'\ninternal = '{}'\nadmin = '{}'\n\
             [bus]\nurl = '{}'\n\
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
            self.callback_public(n),
            self.callback_internal(n),
            self.callback_admin(n),
            self.redis.url_for("callback", CALLBACK_PASSWORD),
            Account::SAMPLE_APP_ID,
            Account::SAMPLE_ORIGINAL_ID,
            Account::SAMPLE_AES_KEY,
            setup.confirmation,
            Account::SAMPLE_MINI_APP_ID,
            setup.confirmation,
            setup.notice,
            setup.window,
            setup.callback_settings,
            setup.settings,
        )
    }
}
