//! [`Simulator`]: its state, and the switches that tests and drills use.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use scenecast_scene::{AccountName, time::unix_now};
use tokio::sync::broadcast;
use url::Url;

use crate::{
    accounts::{HostedAccount, SimulatedAccount},
    api_calls::{ApiCallCounts, ApiCallLog, LoggedCall, TokenUse},
    deliveries::{DeliveryAttempt, DeliverySender},
    encryption::EncodingAesKey,
    faults::{CallFailure, CallFault, Faults},
    rules::codes::{CodeLookupError, ScanCode, ScanCodes},
    users::ActionError,
};

/// WeChat, as far as scan-to-login meets it. Clones share one state.
#[derive(Debug, Clone)]
pub struct Simulator(Arc<SimulatorState>);

#[derive(Debug)]
struct SimulatorState {
    public_url: Url,
    accounts: BTreeMap<AccountName, Arc<HostedAccount>>,
    codes: Mutex<ScanCodes>,
    faults: Arc<Mutex<Faults>>,
    /// How far the simulator's clock is ahead of the real one.
    clock_offset: Mutex<Duration>,
    calls: Mutex<ApiCallLog>,
    sender: DeliverySender,
    next_message_id: AtomicU64,
}

impl Simulator {
    /// Hosts these accounts. `public_url` is the address at which [`Simulator::router`] is served; QR codes begin
    /// with it.
    pub fn new(public_url: Url, accounts: BTreeMap<AccountName, SimulatedAccount>) -> Self {
        let now = unix_now().as_secs();
        let host = |(name, account): (AccountName, SimulatedAccount)| {
            (name.clone(), Arc::new(HostedAccount::new(name, account, now)))
        };
        let faults = Arc::<Mutex<Faults>>::default();
        Self(Arc::new(SimulatorState {
            public_url,
            accounts: accounts.into_iter().map(host).collect(),
            codes: Mutex::default(),
            sender: DeliverySender::new(faults.clone()),
            faults,
            clock_offset: Mutex::default(),
            calls: Mutex::default(),
            // WeChat's message ids have 17 digits or more.
            next_message_id: AtomicU64::new(24_000_000_000_000_000 + u64::from(rand::random::<u32>())),
        }))
    }

    /// A copy of the current faults.
    pub fn faults(&self) -> Faults {
        self.0.faults.lock().clone()
    }

    pub fn set_faults(&self, faults: Faults) {
        *self.0.faults.lock() = faults;
    }

    /// Makes the next `times` calls of this API path fail.
    pub fn fail_calls(&self, path: &str, times: u32, failure: CallFailure) {
        self.0.faults.lock().calls.push(CallFault { path: path.to_owned(), times, failure });
    }

    /// The failure that a call of this path meets now. The fault counts down by one.
    pub(crate) fn take_failure(&self, path: &str) -> Option<CallFailure> {
        self.0.faults.lock().take(path)
    }

    /// Expires every access token now.
    pub fn expire_tokens(&self) {
        for account in self.0.accounts.values() {
            account.state().tokens.expire(self.now());
        }
    }

    /// Moves the simulator's clock forward, for tokens, quotas and QR codes. Deliveries keep the real time, because
    /// callbacks check their timestamps.
    pub fn advance(&self, time: Duration) {
        *self.0.clock_offset.lock() += time;
    }

    /// Delivers this account's messages to these addresses in turn from now on. With no address nothing is delivered,
    /// as for an account without a server.
    pub fn set_callbacks(&self, account: &AccountName, callbacks: Vec<Url>) -> Result<(), ActionError> {
        self.account(account)?.state().set_callbacks(callbacks);
        Ok(())
    }

    /// Encrypts messages with this key from now on, as if somebody had changed it in WeChat's console.
    pub fn rotate_aes_key(&self, account: &AccountName, key: EncodingAesKey) -> Result<(), ActionError> {
        self.account(account)?.state().rotate_aes_key(key);
        Ok(())
    }

    /// How often this path of the API was called.
    pub fn calls(&self, path: &str) -> ApiCallCounts {
        self.0.calls.lock().counts().get(path).cloned().unwrap_or_default()
    }

    /// How often each path of the API was called.
    pub(crate) fn all_calls(&self) -> BTreeMap<String, ApiCallCounts> {
        self.0.calls.lock().counts().clone()
    }

    /// The newest calls of the API one by one, oldest first.
    pub fn call_log(&self) -> Vec<LoggedCall> {
        self.0.calls.lock().newest()
    }

    /// Notes an API call that was just answered.
    pub(crate) fn log_call(&self, path: String, result: String, token: Option<TokenUse>) {
        let at = unix_now() + *self.0.clock_offset.lock();
        let at_ms = u64::try_from(at.as_millis()).expect("64 bits of milliseconds last for 500 million years");
        self.0.calls.lock().add(LoggedCall { at_ms, path, result, token });
    }

    /// Whether WeChat pushes nothing to this account now ([`MarkFail`](crate::MarkFail)).
    pub fn is_marked(&self, account: &AccountName) -> bool {
        self.0.sender.is_marked(account)
    }

    /// Receives every delivery attempt from now on, when it ends.
    pub fn attempts(&self) -> broadcast::Receiver<DeliveryAttempt> {
        self.0.sender.attempts()
    }

    pub(crate) fn sender(&self) -> &DeliverySender {
        &self.0.sender
    }

    /// Now, by the simulator's clock.
    pub(crate) fn now(&self) -> Instant {
        Instant::now() + *self.0.clock_offset.lock()
    }

    pub(crate) fn account(&self, name: &AccountName) -> Result<&Arc<HostedAccount>, ActionError> {
        self.0.accounts.get(name).ok_or(ActionError::UnknownAccount)
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = &HostedAccount> {
        self.0.accounts.values().map(|account| &**account)
    }

    pub(crate) fn next_message_id(&self) -> u64 {
        self.0.next_message_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Changes or reads the codes. Don't call another method of the simulator from inside.
    pub(crate) fn with_codes<T>(&self, access: impl FnOnce(&mut ScanCodes) -> T) -> T {
        access(&mut self.0.codes.lock())
    }

    /// The code with this id, if it can be scanned now.
    pub(crate) fn code(&self, id: &str) -> Result<ScanCode, ActionError> {
        let now = self.now();
        self.with_codes(|codes| codes.find(id, now)).map_err(|error| match error {
            CodeLookupError::Unknown => ActionError::UnknownCode,
            CodeLookupError::Expired => ActionError::ExpiredCode,
        })
    }

    /// The address that the code with this id contains.
    pub(crate) fn code_url(&self, id: &str) -> Url {
        self.public_url(&format!("q/{id}"))
    }

    /// The id at the end of a code's address.
    pub(crate) fn code_id<'a>(&self, url: &'a str) -> Result<&'a str, ActionError> {
        url.strip_prefix(self.code_url("").as_str()).ok_or(ActionError::UnknownCode)
    }

    /// The public address of this path, which needs no escaping.
    pub(crate) fn public_url(&self, path: &str) -> Url {
        self.0.public_url.join(path).expect("ids and names have no character that needs escaping")
    }
}
