//! Keeps what is subscribed the same as what is watched, and has mailboxes read again where events
//! may have been lost.
//!
//! Each primary has a lane of its own, so that one that is away or slow keeps no scene of another's waiting.

use std::{collections::HashMap, sync::Arc, time::Duration};

use prometheus::IntCounterVec;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{MissedTickBehavior, interval},
};

use super::{
    hub::{Hub, Loss},
    lane::{Lane, Work},
    redis::{Name, RedisBus},
};
use crate::{
    redis::{Doorbell, Node, Slot, Slots, Subscriber},
    scene::{Event, SceneId},
    telemetry::Metrics,
};

/// How often each primary is asked how much of ours is subscribed there.
const COUNT: Duration = Duration::from_secs(3);
/// How often every held scene is subscribed and its mailbox read again, so that a loss that nobody noticed
/// ends here.
const SWEEP: Duration = Duration::from_secs(30);
/// How often those are looked for whose catch-up doesn't end: they are told within twice that.
const DOUBT: Duration = Duration::from_secs(1);
/// Scenes that are sorted into lanes at a time.
const AT_A_TIME: usize = 512;

/// Starts it for this bus, whose hub tells of `changes`.
pub(super) fn start(bus: &RedisBus, changes: UnboundedReceiver<SceneId>, metrics: &Metrics) {
    let (lost, losses) = unbounded_channel();
    let counted = metrics.counters(
        "catch_ups_total",
        "Times that held mailboxes had to be read again, by what may have been lost.",
        &["cause"],
    );
    let hub = bus.hub.clone();
    let counter = counted.clone();
    let subscriber = bus.redis.subscriptions(move |doorbell| hear(&hub, doorbell, &lost, &counter));
    let keeper = Keeper { bus: bus.clone(), subscriber, lanes: HashMap::new(), counted };
    tokio::spawn(keeper.run(changes, losses));
}

/// Hands an event to its watchers, or has the scenes that lost some catch up.
fn hear(hub: &Hub, doorbell: Doorbell, lost: &UnboundedSender<Vec<SceneId>>, counted: &IntCounterVec) {
    let lose = |loss, slots: &Slots| hub.lost(loss, |scene| slots.contains(Slot::of(&Name(scene).to_string())));
    let (loss, slots, cause) = match doorbell {
        Doorbell::Rung { channel, message } => {
            return match (channel.parse(), Event::parse(&message)) {
                (Ok(Name(scene)), Some(event)) => hub.ring(scene, &Arc::new(event)),
                _ => tracing::warn!(channel, "an event that can't be read was dropped"),
            };
        }
        // Nobody can be asked before it is connected again.
        Doorbell::Disconnected(slots) => {
            lose(Loss::Subscriptions, &slots);
            return;
        }
        Doorbell::Connected(slots) => (Loss::Subscriptions, slots, "reconnect"),
        Doorbell::Moved(slots) => (Loss::Subscriptions, slots, "move"),
        Doorbell::Lagged(slots, messages) => {
            tracing::warn!(messages, "events came faster than they were read; reading the mailboxes");
            (Loss::Messages, slots, "lag")
        }
    };
    counted.with_label_values(&[cause]).inc();
    // It fails only when the process ends.
    let _ = lost.send(lose(loss, &slots));
}

struct Keeper {
    bus: RedisBus,
    subscriber: Subscriber,
    lanes: HashMap<Node, UnboundedSender<Work>>,
    counted: IntCounterVec,
}

impl Keeper {
    async fn run(mut self, mut changes: UnboundedReceiver<SceneId>, mut losses: UnboundedReceiver<Vec<SceneId>>) {
        let mut changed = Vec::with_capacity(AT_A_TIME);
        let mut sweep = interval(SWEEP);
        let mut doubt = interval(DOUBT);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = interval(COUNT);
        doubt.set_missed_tick_behavior(MissedTickBehavior::Delay);
        count.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(lost) = losses.recv() => self.sort(lost, Work::Lost),
                _ = changes.recv_many(&mut changed, AT_A_TIME) => self.sort(changed.drain(..), Work::Changed),
                _ = count.tick() => self.sort(self.bus.hub.subscribed(), |scenes| Work::Count(scenes.len())),
                _ = doubt.tick() => self.bus.hub.tell_of_doubt(),
                _ = sweep.tick() => self.sort(self.bus.hub.scenes(), Work::Sweep),
            }
        }
    }

    /// Puts scenes into their lanes. Those that belong to nobody now are lost again when they belong to somebody.
    fn sort(&mut self, scenes: impl IntoIterator<Item = SceneId>, work: impl Fn(Vec<SceneId>) -> Work) {
        let mut sorted: HashMap<Node, Vec<SceneId>> = HashMap::new();
        for scene in scenes {
            if let Some(primary) = self.subscriber.primary(&Name(scene).to_string()) {
                sorted.entry(primary).or_default().push(scene);
            }
        }
        for (primary, scenes) in sorted {
            let lane = self.lanes.entry(primary.clone()).or_insert_with(|| {
                let (send, work) = unbounded_channel();
                tokio::spawn(
                    Lane::new(self.bus.clone(), self.subscriber.clone(), primary, self.counted.clone()).run(work),
                );
                send
            });
            // It fails only when the process ends.
            let _ = lane.send(work(scenes));
        }
    }
}
