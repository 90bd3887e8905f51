//! People who scan what the pages show, at a steady rate: whoever is next doesn't wait for whoever is slow.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use scenecast_shared::scene::AccountName;
use serde::Deserialize;
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use super::{Here, board::Shown};
use crate::{
    ledger::Told,
    simulator::{MenuLink, Person, Screen, Simulator, menu_links, read_drawn},
};

/// Who is told to scan again does so after this, …
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// … so often in all.
const TRIES: u32 = 3;

/// By which words a phone knows what it was told: parts of the account's texts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Of those that say that its owner is logged in.
    pub accepted: Vec<String>,
    /// Of those that ask to do the same again.
    pub again: Vec<String>,
}

impl Default for Words {
    /// The English texts that an account has if it has none of its own.
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().map(|&words| words.to_owned()).collect();
        Self {
            accepted: words(&["You are logged in.", "You have already logged in with this code."]),
            again: words(&["Please scan again.", "Please send it again."]),
        }
    }
}

/// Everybody with a phone. Clones are the same people.
#[derive(Debug, Clone)]
pub struct Phones(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    simulator: Simulator,
    account: AccountName,
    words: Words,
    /// How long somebody looks at a question before they tap yes.
    thinks: Duration,
    next: AtomicU64,
    busy: TaskTracker,
}

/// What a phone shows.
enum Reads {
    /// The promise.
    Accepted,
    /// A question, and how to say yes.
    Question(MenuLink),
    /// That the same has to be done again.
    Again,
    /// Another text.
    Refused,
    /// No text.
    Nothing,
}

impl Phones {
    /// Phones at this WeChat, which log in with this account.
    pub fn new(simulator: Simulator, account: AccountName, words: Words, thinks: Duration) -> Self {
        // Nobody who was here in an earlier run.
        let next = AtomicU64::new(rand::random::<u32>().into());
        Self(Arc::new(Inner { simulator, account, words, thinks, next, busy: TaskTracker::new() }))
    }

    /// Somebody new scans a code, so many times a second, for ever. Where no page shows one, nobody does.
    pub(super) async fn scan(&self, here: &Arc<Here>, a_second: f64) {
        let mut moments = tokio::time::interval(Duration::from_secs_f64(1.0 / a_second));
        moments.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            moments.tick().await;
            if let Some(code) = here.board.take() {
                self.scan_one(here, code);
            }
        }
    }

    /// Somebody new scans this code.
    pub(super) fn scan_one(&self, here: &Arc<Here>, code: Shown) {
        self.0.busy.spawn(log_in(self.0.clone(), here.clone(), code));
    }

    /// What a drawn code is to those who see it.
    pub(super) fn read(&self, picture: &str) -> Option<Shown> {
        let url = read_drawn(picture)?;
        Some(Shown { scene: self.0.simulator.scene_of(&url)?.parse().ok()?, url })
    }

    /// Done when everybody who has begun to scan knows what came of it.
    pub async fn are_done(&self) {
        self.0.busy.close();
        self.0.busy.wait().await;
    }
}

async fn log_in(phones: Arc<Inner>, here: Arc<Here>, Shown { scene, url }: Shown) {
    let person = Person::nth(phones.next.fetch_add(1, Ordering::Relaxed));
    let Ok(openid) = phones.simulator.openid(&person, &phones.account) else { return };
    here.ledger().scanned(scene, openid, Instant::now());
    let (mut yes, mut tries) = (None, 0);
    while tries < TRIES {
        let outcome = match &yes {
            None => phones.simulator.scan(&person, &url).await,
            Some(link) => phones.simulator.tap(&person, &phones.account, link).await,
        };
        // WeChat itself says no: the code has expired, and the account hears nothing.
        let Ok(outcome) = outcome else { return };
        let reads = phones.words.read(&outcome.shown);
        let told = match reads {
            Reads::Question(link) => {
                yes = Some(link);
                tokio::time::sleep(phones.thinks).await;
                continue;
            }
            Reads::Accepted => Told::Accepted,
            Reads::Again | Reads::Refused => Told::Refused,
            Reads::Nothing => Told::Nothing,
        };
        here.ledger().told(scene, told, Instant::now());
        if matches!(reads, Reads::Accepted | Reads::Refused) {
            return;
        }
        tries += 1;
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

impl Words {
    fn read(&self, screen: &Screen) -> Reads {
        let Screen::Reply(text) = screen else { return Reads::Nothing };
        let has = |words: &[String]| words.iter().any(|words| text.contains(words));
        if has(&self.accepted) {
            Reads::Accepted
        } else if has(&self.again) {
            Reads::Again
        } else {
            // Yes comes before no.
            menu_links(text).into_iter().next().map_or(Reads::Refused, Reads::Question)
        }
    }
}
