//! Delivers the events of one account: claims them from the outbox, and removes each when the site has it.
//!
//! New events and repeated attempts have their own places for requests in flight, so that neither keeps the other
//! waiting. Each account has its own worker, so that a site that hangs keeps no other site waiting.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use scenecast_bus::StoreError;
use scenecast_scene::{
    AccountName,
    time::{millis, unix_now, unix_now_ms},
};
use scenecast_service::shutdown::Shutdown;
use strum::{IntoStaticStr, VariantArray};
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    request::{EncodedEvent, encode},
    sender::{SendError, WebhookSender},
    settings::WebhookSettings,
};
use crate::stores::{ClaimedEvent, Outbox, PutOutcome, RetryBackoff, SweepCursor, WebhookEvent};

/// How often the worker looks into the outbox without being notified: for events of other pods (which mostly deliver
/// their own), and for events whose pause is over.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How many new events this pod delivers at a time.
const NEW_AT_ONCE: usize = 6;
/// How many repeated attempts this pod makes at a time.
const REPEATED_AT_ONCE: usize = 4;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
/// The label `result` of an attempt that the site took.
const DELIVERED: &str = "delivered";

/// Why an event is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
enum DeadLetterCause {
    /// The outbox was full.
    NoRoom,
    /// No pod could read the entry for as long as a rollout may last.
    Unreadable,
    /// The site didn't take the event within `retry_for`.
    TooOld,
}

/// Delivers the events of one account.
pub(super) struct WebhookWorker {
    account: AccountName,
    settings: WebhookSettings,
    sender: WebhookSender,
    /// Notified when this pod has put an event into the outbox.
    put: Notify,
    // What the log said last, so that it says a change and not each event.
    site_fails: AtomicBool,
    outbox_is_full: AtomicBool,
    found_unreadable: AtomicBool,
}

/// Which events are claimed.
enum ClaimLoop {
    New,
    Repeated(SweepCursor),
}

impl WebhookWorker {
    pub(super) fn new(account: AccountName, settings: WebhookSettings, sender: WebhookSender) -> Arc<Self> {
        // Alerts watch these for an increase. A counter that first appears with 1 would be no increase.
        sender.metrics.sent.with_label_values(&[account.as_str(), DELIVERED]);
        for cause in DeadLetterCause::VARIANTS {
            sender.metrics.dead_letters.with_label_values(&[account.as_str(), cause.into()]);
        }
        Arc::new(Self {
            account,
            settings,
            sender,
            put: Notify::new(),
            site_fails: AtomicBool::new(false),
            outbox_is_full: AtomicBool::new(false),
            found_unreadable: AtomicBool::new(false),
        })
    }

    pub(super) fn settings(&self) -> &WebhookSettings {
        &self.settings
    }

    /// Puts an event into the outbox, and starts its delivery.
    pub(super) async fn put(&self, event: &WebhookEvent) -> Result<(), StoreError> {
        let is_full = self.sender.outbox.put(event).await? == PutOutcome::Dead;
        let was_full = self.outbox_is_full.swap(is_full, Ordering::Relaxed);
        if is_full {
            self.count_dead_letter(DeadLetterCause::NoRoom);
            if !was_full {
                tracing::error!(
                    account = %self.account,
                    "the outbox is full: new webhook events become dead letters until the site takes some; check the \
                     site"
                );
            }
        }
        self.put.notify_one();
        Ok(())
    }

    /// Delivers events until the process closes or `stop` is cancelled, and then finishes the attempts in flight.
    pub(super) fn start(self: &Arc<Self>, shutdown: &Shutdown, stop: &CancellationToken) {
        for claims in [ClaimLoop::New, ClaimLoop::Repeated(SweepCursor::default())] {
            shutdown.spawn(self.clone().run(claims, shutdown.clone(), stop.clone()));
        }
    }

    async fn run(self: Arc<Self>, mut claims: ClaimLoop, shutdown: Shutdown, stop: CancellationToken) {
        let at_once = match claims {
            ClaimLoop::New => NEW_AT_ONCE,
            ClaimLoop::Repeated(_) => REPEATED_AT_ONCE,
        };
        let mut in_flight = JoinSet::new();
        loop {
            while in_flight.try_join_next().is_some() {}
            let free = at_once - in_flight.len();
            if free > 0 {
                for claimed in Box::pin(self.claim(&mut claims, free)).await {
                    in_flight.spawn(self.clone().deliver(claimed));
                }
            }
            tokio::select! {
                () = shutdown.closing() => break,
                () = stop.cancelled() => break,
                Some(_) = in_flight.join_next() => {}
                () = self.wait_for_events(&claims), if in_flight.len() < at_once => {}
            }
        }
        while in_flight.join_next().await.is_some() {}
    }

    /// Waits until there may be events to claim.
    async fn wait_for_events(&self, claims: &ClaimLoop) {
        // Jitter, so that the pods don't poll at the same time.
        let pause = POLL_INTERVAL.mul_f64(rand::random_range(0.75..1.25));
        tokio::select! {
            () = self.put.notified(), if matches!(claims, ClaimLoop::New) => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    async fn claim(&self, claims: &mut ClaimLoop, at_most: usize) -> Vec<ClaimedEvent> {
        let outbox = &self.sender.outbox;
        let claimed = match claims {
            ClaimLoop::New => outbox.claim_new(&self.account, at_most).await,
            ClaimLoop::Repeated(sweep) => {
                self.measure(outbox).await;
                outbox.claim_due(&self.account, at_most, self.backoff(), sweep).await
            }
        };
        claimed.unwrap_or_else(|error| {
            tracing::debug!(account = %self.account, %error, "could not claim webhook events; tried again in a second");
            vec![]
        })
    }

    async fn measure(&self, outbox: &Outbox) {
        let waiting = outbox.waiting(&self.account).await;
        let dead = outbox.dead(&self.account).await;
        for (gauge, length) in [(&self.sender.metrics.backlog, waiting), (&self.sender.metrics.dead, dead)] {
            if let Ok(length) = length {
                gauge.with_label_values(&[self.account.as_str()]).set(i64::try_from(length).unwrap_or(i64::MAX));
            }
        }
    }

    fn backoff(&self) -> RetryBackoff {
        RetryBackoff { first: self.settings.retry_after.duration(), longest: LONGEST_PAUSE }
    }

    /// Makes one attempt. An event that is neither removed nor buried then is claimed again when its pause is over.
    async fn deliver(self: Arc<Self>, claimed: ClaimedEvent) {
        let outbox = &self.sender.outbox;
        let Some(event) = &claimed.event else { return self.leave_unreadable(&claimed).await };
        let done = match encode(&self.settings.target, event) {
            EncodedEvent::NotWanted => outbox.remove(&claimed).await,
            EncodedEvent::Unreadable => return self.leave_unreadable(&claimed).await,
            EncodedEvent::Request(request) => {
                match self.sender.send(&event.id(), request, &self.settings.signer).await {
                    Ok(()) => {
                        self.attempted(None);
                        outbox.remove(&claimed).await
                    }
                    Err(error) => {
                        self.attempted(Some(&error));
                        if self.is_too_old(event) { self.bury(&claimed, DeadLetterCause::TooOld).await } else { Ok(()) }
                    }
                }
            }
        };
        if let Err(error) = done {
            self.log_repetition(&claimed, &error);
        }
    }

    /// This pod can't read the entry. It stays in the outbox for as long as a newer pod may have written it: the newer
    /// pods claim it after its pause. An older entry becomes a dead letter.
    ///
    /// See docs/decisions/033-unreadable-outbox-entries-wait-for-newer-pods.md.
    async fn leave_unreadable(&self, claimed: &ClaimedEvent) {
        if claimed.may_be_newer(unix_now()) {
            if !self.found_unreadable.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    account = %self.account, event = claimed.id(),
                    "the outbox has an event that this version can't read; it stays there for newer pods. If no \
                     rollout is under way, look at the entry in Redis: it becomes a dead letter after an hour"
                );
            }
            return;
        }
        if let Err(error) = self.bury(claimed, DeadLetterCause::Unreadable).await {
            self.log_repetition(claimed, &error);
        }
    }

    /// Counts an attempt, and logs when the site begins to fail and when it works again.
    fn attempted(&self, error: Option<&SendError>) {
        let result = error.map_or(DELIVERED, SendError::as_str);
        self.sender.metrics.sent.with_label_values(&[self.account.as_str(), result]).inc();
        let failed_before = self.site_fails.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !failed_before => {
                tracing::warn!(
                    account = %self.account, %error,
                    "the site does not take webhooks; they are tried again, with longer and longer pauses"
                );
            }
            None if failed_before => tracing::info!(account = %self.account, "the site takes webhooks again"),
            _ => {}
        }
    }

    fn is_too_old(&self, event: &WebhookEvent) -> bool {
        unix_now_ms().saturating_sub(event.created) >= millis(self.settings.retry_for.duration())
    }

    async fn bury(&self, claimed: &ClaimedEvent, cause: DeadLetterCause) -> Result<(), StoreError> {
        self.sender.outbox.bury(claimed).await?;
        self.count_dead_letter(cause);
        let advice = match cause {
            DeadLetterCause::Unreadable => {
                "gave up a webhook event: no pod could read it within an hour. It is a dead letter now. Was a newer \
                 version rolled back? Then roll out that version again, and put the dead letters back"
            }
            DeadLetterCause::TooOld | DeadLetterCause::NoRoom => {
                "gave up a webhook event: the site did not take it within retry_for. It is a dead letter now"
            }
        };
        tracing::error!(account = %self.account, event = claimed.id(), cause = <&str>::from(cause), "{advice}");
        Ok(())
    }

    fn count_dead_letter(&self, cause: DeadLetterCause) {
        self.sender.metrics.dead_letters.with_label_values(&[self.account.as_str(), cause.into()]).inc();
    }

    fn log_repetition(&self, claimed: &ClaimedEvent, error: &StoreError) {
        tracing::warn!(
            account = %self.account, event = claimed.id(), %error,
            "could not update the outbox in Redis; this event is handled again, and the site may get it twice under one id"
        );
    }
}
