//! A strict stand-in for WeChat: its API, its webhooks, and the phones of the people who scan.
//!
//! What passes here works in production: answers are judged by WeChat's documents and by what
//! has been seen of it, and where these leave something open, the harsher reading is taken.
//!
//! | module | what it is for |
//! |---|---|
//! | `config`, `serve` | the simulator as a process |
//! | `settings`, `account` | one hosted account: what it was set up with, and what changes |
//! | `api` | `api.weixin.qq.com`, as the callback pods call it |
//! | `rules` | its rules; no I/O |
//! | `people`, `deeds`, `mini_program` | who holds the phones, and what they do |
//! | `menu`, `picture` | what can be tapped in a text, and scanned in a picture; no I/O |
//! | `phone` | the phone as a web page, in English and Chinese |
//! | `seal` | message encryption, written a second time; no I/O |
//! | `webhook` | messages: written, delivered, and their answers judged |
//! | `calls` | what WeChat has seen of the API's callers |
//! | `faults`, `control` | what goes wrong, by Rust and by HTTP |

mod account;
mod api;
mod calls;
mod config;
mod control;
mod deeds;
mod faults;
mod menu;
mod mini_program;
mod people;
mod phone;
mod picture;
mod rules;
mod seal;
mod serve;
mod settings;
mod webhook;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::Router;
use scenecast_shared::{scene::AccountName, time::unix_now};
use tokio::sync::broadcast;
use url::Url;

pub use calls::{Call, Calls, TokenUse};
pub use config::{Listen, SimulatorConfig};
pub use deeds::{CannotDo, Deed, Held};
pub use faults::{CallFault, Failure, Faults};
pub use menu::{MenuLink, menu_links};
pub use mini_program::Launch;
pub use people::Person;
pub use picture::{read_code, read_drawn};
pub use seal::{AesKey, BadSeal, NotAKey};
pub use serve::serve;
pub use settings::{Account, AccountQuota, Kind, Mode, Rights};
pub use webhook::{Answer, Attempt, BadAnswer, NotVerified, Outcome, Screen};

use account::Hosted;
use calls::CallLog;

/// How many attempts a reader of [`Simulator::attempts`] may fall behind.
const ATTEMPTS_KEPT: usize = 1024;

/// WeChat, as far as scan-to-login meets it. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Simulator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    public_url: Url,
    accounts: BTreeMap<AccountName, Arc<Hosted>>,
    codes: Mutex<rules::codes::Codes>,
    faults: Mutex<Faults>,
    /// How far its clock is ahead of ours.
    ahead: Mutex<Duration>,
    calls: Mutex<CallLog>,
    attempts: broadcast::Sender<Attempt>,
    next_message: AtomicU64,
    client: reqwest::Client,
}

impl Simulator {
    /// Hosts these accounts. `public_url` is where [`Simulator::router`] will be reached; QR codes
    /// begin with it.
    pub fn new(public_url: Url, accounts: BTreeMap<AccountName, Account>) -> Self {
        let now = unix_now().as_secs();
        let host = |(name, account): (AccountName, Account)| (name.clone(), Arc::new(Hosted::new(name, account, now)));
        // WeChat follows no redirect and knows no proxy of ours.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("Mozilla/4.0")
            .build()
            .expect("the TLS library starts");
        Self(Arc::new(Inner {
            public_url,
            accounts: accounts.into_iter().map(host).collect(),
            codes: Mutex::default(),
            faults: Mutex::default(),
            ahead: Mutex::default(),
            calls: Mutex::default(),
            attempts: broadcast::channel(ATTEMPTS_KEPT).0,
            // WeChat's ids have 17 digits and more.
            next_message: AtomicU64::new(24_000_000_000_000_000 + u64::from(rand::random::<u32>())),
            client,
        }))
    }

    /// The API, the phone and the switches.
    pub fn router(&self) -> Router {
        api::router(self).merge(phone::router()).merge(control::router()).with_state(self.clone())
    }

    /// What goes wrong now.
    pub fn faults(&self) -> Faults {
        lock(&self.0.faults).clone()
    }

    /// Makes exactly this go wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.0.faults) = faults;
    }

    /// Makes the next calls of this path fail.
    pub fn fail_calls(&self, path: &str, times: u32, failure: Failure) {
        lock(&self.0.faults).calls.push(CallFault { path: path.to_owned(), times, failure });
    }

    /// Ends every access token now.
    pub fn expire_tokens(&self) {
        for account in self.0.accounts.values() {
            account.state().tokens.expire(self.now());
        }
    }

    /// Lets this much time pass for tokens, quotas and QR codes. Webhooks keep the real time, which
    /// their receivers check.
    pub fn advance(&self, time: Duration) {
        *lock(&self.0.ahead) += time;
    }

    /// Delivers this account's webhooks to these addresses in turn from now on; with none, not at
    /// all, as for an account without a server.
    pub fn set_callbacks(&self, account: &AccountName, callbacks: Vec<Url>) -> Result<(), CannotDo> {
        self.account(account)?.state().set_callbacks(callbacks);
        Ok(())
    }

    /// Seals messages with this key from now on, as when it was changed in WeChat's console.
    pub fn rotate_aes_key(&self, account: &AccountName, key: AesKey) -> Result<(), CannotDo> {
        self.account(account)?.state().rotate_aes_key(key);
        Ok(())
    }

    /// How often this path of the API was called.
    pub fn calls(&self, path: &str) -> Calls {
        lock(&self.0.calls).counts().get(path).cloned().unwrap_or_default()
    }

    /// The newest calls of the API one by one, oldest first.
    pub fn call_log(&self) -> Vec<Call> {
        lock(&self.0.calls).newest()
    }

    /// Every attempt to deliver from now on, as it ends.
    pub fn attempts(&self) -> broadcast::Receiver<Attempt> {
        self.0.attempts.subscribe()
    }

    fn now(&self) -> Instant {
        Instant::now() + *lock(&self.0.ahead)
    }

    fn account(&self, name: &AccountName) -> Result<&Arc<Hosted>, CannotDo> {
        self.0.accounts.get(name).ok_or(CannotDo::UnknownAccount)
    }

    fn log(&self, path: String, result: String, token: Option<TokenUse>) {
        let at = unix_now() + *lock(&self.0.ahead);
        let at_ms = u64::try_from(at.as_millis()).expect("some million years are left");
        lock(&self.0.calls).add(Call { at_ms, path, result, token });
    }

    fn message_id(&self) -> u64 {
        self.0.next_message.fetch_add(1, Ordering::Relaxed)
    }

    /// What the code with this id says.
    fn code_url(&self, id: &str) -> Url {
        self.0.public_url.join(&format!("q/{id}")).expect("an id has no character that a URL would mind")
    }
}

/// Nothing that is kept here is left half-changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
