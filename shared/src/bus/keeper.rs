//! Keeps what is subscribed the same as what is watched, and reads mailboxes again where events
//! may have been lost.

use std::{collections::HashSet, sync::Arc, time::Duration};

use prometheus::IntCounterVec;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{
    hub::{Hub, Loss},
    redis::{Name, RedisBus},
};
use crate::{
    redis::{Doorbell, RedisError, Subscriber, Subscriptions},
    scene::{Event, SceneId},
    telemetry::Metrics,
};

/// Subscribes and mailboxes that are asked for at a time.
const CHUNK: usize = 512;
/// How often every held mailbox is read again, so that a loss that nobody noticed ends here.
const SWEEP: Duration = Duration::from_secs(30);
/// How soon what failed is tried again; twice as long each time it fails again.
const SOON: Duration = Duration::from_millis(50);
/// The longest that it is put off.
const LATE: Duration = Duration::from_secs(1);

/// Starts it for this bus, whose hub tells of `changes`.
pub(super) fn start(bus: &RedisBus, changes: UnboundedReceiver<SceneId>, metrics: &Metrics) {
    let (subscriptions, subscriber) = bus.redis.subscriptions();
    let (lost, losses) = unbounded_channel();
    let counted = metrics.counters(
        "catch_ups_total",
        "Times that all held mailboxes had to be read again, by what may have been lost.",
        &["cause"],
    );
    tokio::spawn(listen(bus.hub.clone(), subscriptions, lost, counted));
    let keeper = Keeper {
        bus: bus.clone(),
        subscriber,
        owed: vec![],
        resubscribe: false,
        not_before: Instant::now(),
        pause: SOON,
    };
    tokio::spawn(keeper.run(changes, losses));
}

/// Drains the connection and hands events to the watchers, and does nothing else: Redis cuts a
/// connection that isn't drained.
async fn listen(hub: Hub, mut subscriptions: Subscriptions, lost: UnboundedSender<Loss>, counted: IntCounterVec) {
    let begin_catch_up = |loss, cause| {
        hub.lost(loss);
        counted.with_label_values(&[cause]).inc();
        // It fails only when the process ends.
        let _ = lost.send(loss);
    };
    while let Some(doorbell) = subscriptions.next().await {
        match doorbell {
            Doorbell::Rung { channel, message } => match (channel.parse(), Event::parse(&message)) {
                (Ok(Name(scene)), Some(event)) => hub.ring(scene, &Arc::new(event)),
                _ => tracing::warn!(channel, "an event that can't be read was dropped"),
            },
            Doorbell::Connected => begin_catch_up(Loss::Connection, "reconnect"),
            Doorbell::Lagged(messages) => {
                tracing::warn!(messages, "events came faster than they were read; reading the mailboxes");
                begin_catch_up(Loss::Messages, "lag");
            }
        }
    }
}

struct Keeper {
    bus: RedisBus,
    subscriber: Subscriber,
    /// The scenes whose mailboxes are yet to be read again,
    owed: Vec<SceneId>,
    /// and whether they have to be subscribed before.
    resubscribe: bool,
    /// When that goes on, after something failed.
    not_before: Instant,
    /// How long the next failure puts it off.
    pause: Duration,
}

impl Keeper {
    /// What is owed is worked off chunk by chunk, with other work between.
    async fn run(mut self, mut changes: UnboundedReceiver<SceneId>, mut losses: UnboundedReceiver<Loss>) {
        let mut changed = Vec::with_capacity(CHUNK);
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(loss) = losses.recv() => {
                    self.owed = self.bus.hub.scenes();
                    self.resubscribe |= loss == Loss::Connection;
                    (self.not_before, self.pause) = (Instant::now(), SOON);
                }
                _ = changes.recv_many(&mut changed, CHUNK) => self.follow(changed.drain(..).collect()).await,
                () = sleep_until(self.not_before), if !self.owed.is_empty() => self.catch_up().await,
                _ = sweep.tick(), if self.owed.is_empty() => self.owed = self.bus.hub.scenes(),
            }
        }
    }

    /// These scenes have got their first watcher or lost their last, maybe several times.
    async fn follow(&mut self, changed: HashSet<SceneId>) {
        // What counts is how it is now, not in which turns: a page that comes back at once must not
        // be unsubscribed after the subscription of its old watch was taken for that of its new one.
        let (watched, left): (Vec<_>, Vec<_>) = changed.into_iter().partition(|scene| self.bus.hub.watches(*scene));
        self.subscriber.unsubscribe(left.into_iter().map(|scene| Name(scene).to_string())).await;
        self.subscribe(watched).await;
    }

    /// Subscribes to these scenes, and answers those for which it is in effect; the others are owed.
    async fn subscribe(&mut self, scenes: Vec<SceneId>) -> Vec<SceneId> {
        let asked = self.bus.hub.now();
        let outcomes = self.subscriber.subscribe(scenes.iter().map(|scene| Name(*scene).to_string())).await;
        let mut subscribed = Vec::with_capacity(scenes.len());
        let mut failed = None;
        for (scene, outcome) in scenes.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => {
                    self.bus.hub.confirm(scene, asked);
                    subscribed.push(scene);
                }
                Err(error) => {
                    self.owed.push(scene);
                    self.resubscribe = true;
                    failed = Some(error);
                }
            }
        }
        if let Some(error) = failed {
            self.put_off(&error);
        }
        subscribed
    }

    /// Reads the next chunk of what is owed.
    async fn catch_up(&mut self) {
        let mut chunk = self.owed.split_off(self.owed.len().saturating_sub(CHUNK));
        chunk.retain(|scene| self.bus.hub.watches(*scene));
        if self.resubscribe {
            chunk = self.subscribe(chunk).await;
        }
        let began = self.bus.hub.now();
        match self.bus.read_all(&chunk).await {
            Ok(mailboxes) => {
                for (scene, mailbox) in chunk.into_iter().zip(mailboxes) {
                    match mailbox {
                        Ok(mailbox) => self.bus.hub.caught_up(scene, began, mailbox.as_ref()),
                        Err(error) => tracing::error!(%scene, %error, "a mailbox can't be read"),
                    }
                }
            }
            Err(error) => {
                self.owed.extend(chunk);
                self.put_off(&error);
            }
        }
        if self.owed.is_empty() {
            (self.resubscribe, self.pause) = (false, SOON);
        }
    }

    fn put_off(&mut self, error: &RedisError) {
        tracing::debug!(%error, "couldn't subscribe or read mailboxes; trying again");
        self.not_before = Instant::now() + self.pause;
        self.pause = (2 * self.pause).min(LATE);
    }
}
