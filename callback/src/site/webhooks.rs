//! Takes one account's letters out of the outbox and to its site, until it has answered for each.
//!
//! New letters and those that failed have places of their own, so that neither keep the other
//! waiting; and each account has its own, so that a site that hangs keeps nobody else's waiting.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use scenecast_shared::{
    scene::AccountName,
    serve::Shutdown,
    store::{Letter, Outbox, Pauses, Posted, StoreError, Sweep, Taken},
    time::{millis, unix_now_ms},
};
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    mail::{Mail, Undelivered},
    post::{Posting, posting},
};
use crate::config::Webhooks;

/// How often the outbox is looked into where nothing tells: for letters of other pods, which mostly
/// deliver their own, and for those that are due again.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Letters on their way at a time from this pod.
const NEW_AT_ONCE: usize = 6;
const AGAIN_AT_ONCE: usize = 4;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
/// Why a letter is dead.
const NO_ROOM: &str = "no_room";
const UNREADABLE: &str = "unreadable";
const TOO_OLD: &str = "too_old";

/// Carries one account's letters.
pub(super) struct Courier {
    account: AccountName,
    settings: Webhooks,
    mail: Mail,
    /// A letter was put into the outbox here.
    put: Notify,
    /// What was logged last.
    site_fails: AtomicBool,
    outbox_is_full: AtomicBool,
}

/// Which letters are carried.
enum Round {
    New,
    Again(Sweep),
}

impl Courier {
    pub(super) fn new(account: AccountName, settings: Webhooks, mail: Mail) -> Arc<Self> {
        // Before there are any, so that the first is an increase.
        for cause in [NO_ROOM, UNREADABLE, TOO_OLD] {
            mail.counts.died.with_label_values(&[account.as_str(), cause]);
        }
        let (site_fails, outbox_is_full) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { account, settings, mail, put: Notify::new(), site_fails, outbox_is_full })
    }

    pub(super) fn settings(&self) -> &Webhooks {
        &self.settings
    }

    /// Takes over a letter; done when it is stored.
    pub(super) async fn put(&self, letter: &Letter) -> Result<(), StoreError> {
        let is_full = self.mail.outbox.put(letter).await? == Posted::Dead;
        let was_full = self.outbox_is_full.swap(is_full, Ordering::Relaxed);
        if is_full {
            self.count_dead(NO_ROOM);
            if !was_full {
                tracing::error!(account = %self.account, "the outbox is full; new letters are dead until there is room");
            }
        }
        self.put.notify_one();
        Ok(())
    }

    /// Carries letters until the process closes or they are another's to carry, and then ends with those that are
    /// on their way.
    pub(super) fn start(self: &Arc<Self>, shutdown: &Shutdown, relieved: &CancellationToken) {
        for round in [Round::New, Round::Again(Sweep::default())] {
            shutdown.spawn(self.clone().carry(round, shutdown.clone(), relieved.clone()));
        }
    }

    async fn carry(self: Arc<Self>, mut round: Round, shutdown: Shutdown, relieved: CancellationToken) {
        let at_once = match round {
            Round::New => NEW_AT_ONCE,
            Round::Again(_) => AGAIN_AT_ONCE,
        };
        let mut on_their_way = JoinSet::new();
        loop {
            while on_their_way.try_join_next().is_some() {}
            let room = at_once - on_their_way.len();
            if room > 0 {
                for taken in self.take(&mut round, room).await {
                    on_their_way.spawn(self.clone().deliver(taken));
                }
            }
            tokio::select! {
                () = shutdown.closing() => break,
                () = relieved.cancelled() => break,
                Some(_) = on_their_way.join_next() => {}
                () = self.look_again(&round), if on_their_way.len() < at_once => {}
            }
        }
        while on_their_way.join_next().await.is_some() {}
    }

    /// Done when there may be letters to take.
    async fn look_again(&self, round: &Round) {
        // Not at the same instant on each pod.
        let pause = LOOK_EVERY.mul_f64(rand::random_range(0.75..1.25));
        tokio::select! {
            () = self.put.notified(), if matches!(round, Round::New) => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    async fn take(&self, round: &mut Round, at_most: usize) -> Vec<Taken> {
        let outbox = &self.mail.outbox;
        let taken = match round {
            Round::New => outbox.take_new(&self.account, at_most).await,
            Round::Again(sweep) => {
                self.measure(outbox).await;
                outbox.take_due(&self.account, at_most, self.pauses(), sweep).await
            }
        };
        taken.unwrap_or_else(|error| {
            tracing::debug!(account = %self.account, %error, "no letters could be taken");
            vec![]
        })
    }

    async fn measure(&self, outbox: &Outbox) {
        let (waiting, dead) = tokio::join!(outbox.waiting(&self.account), outbox.dead(&self.account));
        for (gauge, length) in [(&self.mail.counts.waiting, waiting), (&self.mail.counts.dead, dead)] {
            if let Ok(length) = length {
                gauge.with_label_values(&[self.account.as_str()]).set(i64::try_from(length).unwrap_or(i64::MAX));
            }
        }
    }

    fn pauses(&self) -> Pauses {
        Pauses { first: self.settings.retry_after.duration(), longest: LONGEST_PAUSE }
    }

    /// Makes one attempt. What isn't done or buried then is taken again when its pause is over.
    async fn deliver(self: Arc<Self>, taken: Taken) {
        let outbox = &self.mail.outbox;
        let kept = match posting(&self.settings.target, &taken.letter) {
            Posting::Nothing => outbox.done(&taken).await,
            Posting::Unreadable => self.give_up(&taken, UNREADABLE).await,
            Posting::Post(post) => match self.mail.send(&taken.letter.id(), post, &self.settings.signer).await {
                Ok(()) => {
                    self.heard(None);
                    outbox.done(&taken).await
                }
                Err(error) => {
                    self.heard(Some(&error));
                    if self.is_too_old(&taken.letter) { self.give_up(&taken, TOO_OLD).await } else { Ok(()) }
                }
            },
        };
        if let Err(error) = kept {
            tracing::warn!(account = %self.account, letter = taken.letter.id(), %error, "a letter comes once more");
        }
    }

    /// Counts an attempt, and says in the log when the site begins to fail and when it takes letters again.
    fn heard(&self, error: Option<&Undelivered>) {
        let result = error.map_or("delivered", Undelivered::word);
        self.mail.counts.sent.with_label_values(&[self.account.as_str(), result]).inc();
        let did_fail = self.site_fails.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !did_fail => {
                tracing::warn!(account = %self.account, %error, "the site does not take a letter; it is tried again");
            }
            None if did_fail => tracing::info!(account = %self.account, "the site takes letters again"),
            _ => {}
        }
    }

    fn is_too_old(&self, letter: &Letter) -> bool {
        unix_now_ms().saturating_sub(letter.created) >= millis(self.settings.retry_for.duration())
    }

    async fn give_up(&self, taken: &Taken, cause: &str) -> Result<(), StoreError> {
        self.mail.outbox.bury(taken).await?;
        self.count_dead(cause);
        tracing::error!(account = %self.account, letter = taken.letter.id(), cause, "a letter is given up");
        Ok(())
    }

    fn count_dead(&self, cause: &str) {
        self.mail.counts.died.with_label_values(&[self.account.as_str(), cause]).inc();
    }
}
