//! People who scan the pages' codes at a steady rate. A slow answer to one person delays no other person.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use scenecast_scene::AccountName;
use scenecast_simulator::{Simulator, WeChatUser, read_drawn};
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use super::{
    reply_phrases::{ReplyMeaning, ReplyPhrases},
    shown_codes::ShownCode,
    state::CrowdState,
};
use crate::ledger::PhoneResult;

/// The pause before a user scans again, if the phone asks for it.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const MAX_TRIES: u32 = 3;

/// People with phones. Clones share one state.
#[derive(Debug, Clone)]
pub struct Phones(Arc<PhonesState>);

#[derive(Debug)]
struct PhonesState {
    simulator: Simulator,
    account: AccountName,
    phrases: ReplyPhrases,
    /// How long a user looks at a question before tapping yes.
    think_time: Duration,
    next_user: AtomicU64,
    logins: TaskTracker,
}

impl Phones {
    /// People at this WeChat who log in with this account, and look at a question for `think_time`.
    pub fn new(simulator: Simulator, account: AccountName, phrases: ReplyPhrases, think_time: Duration) -> Self {
        // A random start, so that a run has other users than the runs before it.
        let next_user = AtomicU64::new(rand::random::<u32>().into());
        Self(Arc::new(PhonesState { simulator, account, phrases, think_time, next_user, logins: TaskTracker::new() }))
    }

    /// Lets a new user scan one of the shown codes, this many times a second. Skips a scan if no page shows a code.
    /// Never returns.
    pub(super) async fn scan(&self, state: &Arc<CrowdState>, per_second: f64) {
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            ticks.tick().await;
            if let Some(code) = state.codes.take_any() {
                self.scan_one(state, code);
            }
        }
    }

    /// Lets a new user scan this code.
    pub(super) fn scan_one(&self, state: &Arc<CrowdState>, code: ShownCode) {
        self.0.logins.spawn(log_in(self.0.clone(), state.clone(), code));
    }

    /// Reads the code in an SVG.
    pub(super) fn read(&self, svg: &str) -> Option<ShownCode> {
        let url = read_drawn(svg)?;
        Some(ShownCode { scene: self.0.simulator.scene_of(&url)?.parse().ok()?, url })
    }

    /// Waits until every user who has begun to scan is done.
    pub async fn wait_until_done(&self) {
        self.0.logins.close();
        self.0.logins.wait().await;
    }
}

async fn log_in(phones: Arc<PhonesState>, state: Arc<CrowdState>, code: ShownCode) {
    let ShownCode { scene, url } = code;
    let user = WeChatUser::nth(phones.next_user.fetch_add(1, Ordering::Relaxed));
    let Ok(openid) = phones.simulator.openid(&user, &phones.account) else { return };
    state.ledger().scanned(scene, openid, Instant::now());
    let mut yes = None;
    let mut tries = 0;
    while tries < MAX_TRIES {
        let outcome = match &yes {
            None => phones.simulator.scan(&user, &url).await,
            Some(link) => phones.simulator.tap(&user, &phones.account, link).await,
        };
        // WeChat itself refuses, because the code has expired. The account doesn't learn of it.
        let Ok(outcome) = outcome else { return };
        let meaning = phones.phrases.understand(&outcome.shown);
        let result = match meaning {
            ReplyMeaning::Question(links) => {
                // The link for yes comes before the one for no.
                yes = links.into_iter().next();
                tokio::time::sleep(phones.think_time).await;
                continue;
            }
            ReplyMeaning::Accepted => PhoneResult::Accepted,
            ReplyMeaning::Again | ReplyMeaning::Refused => PhoneResult::Refused,
            ReplyMeaning::Nothing => PhoneResult::Nothing,
        };
        state.ledger().phone_told(scene, result, Instant::now());
        if matches!(meaning, ReplyMeaning::Accepted | ReplyMeaning::Refused) {
            return;
        }
        tries += 1;
        tokio::time::sleep(RETRY_AFTER).await;
    }
}
