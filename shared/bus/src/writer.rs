//! The half of the bus that only a callback has: it opens and settles scenes.
//!
//! See docs/decisions/032-readers-and-writers-of-scenes-are-types.md.

use scenecast_redis::Redis;
use scenecast_scene::{Cause, NewScene, SceneField, SceneId, SceneSnapshot, SceneState, Settled, Step, Transition};
use scenecast_traces::LoginSpan;

use crate::{
    error::BusError,
    memory::MemoryScenes,
    redis::writer::RedisWriter,
    replacement::{Replacement, SettledAlong},
};

/// The commands of a writer, also those in its scripts.
const SETTLING: [&str; 12] = [
    "evalsha digest 0",
    "eval script 0",
    "exists wx:scene",
    "time",
    "hmget wx:scene state",
    "hset wx:scene state open",
    "pexpire wx:scene 0",
    "pexpireat wx:scene 0",
    "pttl wx:scene",
    "spublish wx:scene event",
    "set fence:0 value",
    "wait 1 1",
];

/// Opens and settles scenes. Clones are the same one.
#[derive(Debug, Clone)]
pub struct SceneWriter(WriterBackend);

#[derive(Debug, Clone)]
enum WriterBackend {
    Memory(MemoryScenes),
    Redis(Box<RedisWriter>),
}

impl SceneWriter {
    /// A writer over this Redis.
    pub fn over(redis: &Redis) -> Self {
        redis.check_rights("settling", SETTLING);
        redis.check_address(format!("fence:reads:{:016x}", rand::random::<u64>()));
        Self(WriterBackend::Redis(Box::new(RedisWriter::new(redis.clone()))))
    }

    pub(crate) fn in_memory(scenes: MemoryScenes) -> Self {
        Self(WriterBackend::Memory(scenes))
    }

    /// Opens the scene, for its life. A scene that exists already stays as it is. Returns whether this call opened it.
    /// (If an answer was lost, an earlier attempt of this call may have opened it: then it returns false.)
    pub async fn open(&self, scene: SceneId, opening: &NewScene) -> Result<bool, BusError> {
        match &self.0 {
            WriterBackend::Memory(scenes) => Ok(scenes.open(scene, opening)),
            WriterBackend::Redis(redis) => redis.open(scene, opening).await,
        }
    }

    /// Changes the scene, stores the event and publishes it to the watchers: all in one step, or nothing. Over Redis
    /// this returns when all replicas that may be promoted have the change. A refusal is as final as a change: it doesn't
    /// come from a primary that was replaced.
    ///
    /// See docs/decisions/039-a-negative-answer-is-acknowledged-too.md.
    pub async fn settle(&self, scene: SceneId, cause: &Cause, transition: &Transition) -> Result<Settled, BusError> {
        match self.settle_along(scene, cause, transition, None).await? {
            SettledAlong::Settled { settled, .. } => Ok(settled),
            SettledAlong::WrongGuess(_) => Err(BusError::malformed("settle's answer")),
        }
    }

    /// Whether one server has scenes and values, so that a guess in a [`Replacement`] can be looked at.
    pub fn settles_along(&self) -> bool {
        match &self.0 {
            WriterBackend::Memory(_) => false,
            WriterBackend::Redis(redis) => redis.is_one_server(),
        }
    }

    /// [`SceneWriter::settle`], which also replaces a value of the store over the same Redis, if it changes the scene as the
    /// transition asks. Says whether it has replaced the value, too. If not, replace it by
    /// [`Store::update_from`](crate::Store::update_from): others have changed it, or the scene was settled before, or it is
    /// at another server. Guess only where [`SceneWriter::settles_along`] says so: elsewhere the value isn't looked at.
    pub async fn settle_along(
        &self,
        scene: SceneId,
        cause: &Cause,
        transition: &Transition,
        along: Option<&Replacement>,
    ) -> Result<SettledAlong, BusError> {
        let mut step = transition.step();
        let span = LoginSpan::of_sending(scene, self.messaging_system(), cause.traceparent.as_deref());
        if !span.is_traced() {
            return self.carry_out(scene, cause, &step, along).await;
        }
        if step.to == SceneState::Confirmed {
            step.sets.extend(cause.traceparent.clone().map(|traceparent| (SceneField::LoginTrace, traceparent)));
        }
        let sent = Cause { traceparent: span.traceparent(), ..cause.clone() };
        // Boxed, so that the futures of logins that aren't traced have no room for it.
        let settled = Box::pin(self.carry_out(scene, &sent, &step, along)).await;
        match &settled {
            Ok(settled) => span.set("scenecast.outcome", settled.as_str()),
            Err(error) => span.fail(error.as_str()),
        }
        settled
    }

    async fn carry_out(
        &self,
        scene: SceneId,
        cause: &Cause,
        step: &Step,
        along: Option<&Replacement>,
    ) -> Result<SettledAlong, BusError> {
        match &self.0 {
            WriterBackend::Memory(scenes) => {
                Ok(SettledAlong::Settled { settled: scenes.settle(scene, cause, step), replaced: false })
            }
            WriterBackend::Redis(redis) => redis.settle(scene, cause, step, along).await,
        }
    }

    /// What carries events, as traces name it.
    fn messaging_system(&self) -> &'static str {
        match &self.0 {
            WriterBackend::Memory(_) => "memory",
            WriterBackend::Redis(_) => "redis",
        }
    }

    /// The scene as it is stored, with the facts that a gateway must not know. `None` is as final as a refusal.
    pub async fn snapshot(&self, scene: SceneId) -> Result<Option<SceneSnapshot>, BusError> {
        match &self.0 {
            WriterBackend::Memory(scenes) => Ok(scenes.snapshot(scene)),
            WriterBackend::Redis(redis) => redis.snapshot(scene).await,
        }
    }
}
