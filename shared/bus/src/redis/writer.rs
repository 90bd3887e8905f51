//! Opens and settles scenes over Redis, by one script each.

use std::time::Duration;

use scenecast_redis::{Redis, Reply, Script};
use scenecast_scene::{
    Cause, Event, EventKind, NewScene, OnlyTry, SceneField, SceneId, SceneSnapshot, SettleRefusal, Settled, Step,
    TOMBSTONE_MS, time::millis,
};
use scenecast_traces::LoginSpan;
use strum::VariantArray;

use crate::{
    error::BusError,
    redis::{hash::state, scene_name::SceneName},
    replacement::{Replacement, SettledAlong},
};

/// Clones share the connections.
#[derive(Debug, Clone)]
pub(crate) struct RedisWriter {
    redis: Redis,
    open: Script,
    settle: Script,
}

impl RedisWriter {
    pub(crate) fn new(redis: Redis) -> Self {
        let open = Script::new(include_str!("open.lua"));
        let settle = Script::new(include_str!("settle.lua"));
        Self { redis, open, settle }
    }

    pub(crate) async fn open(&self, scene: SceneId, opening: &NewScene) -> Result<bool, BusError> {
        let mut args = vec![millis(opening.life).to_string(), TOMBSTONE_MS.to_string()];
        for (field, value) in opening.fields() {
            args.push(field.name().to_owned());
            args.push(value);
        }
        let span = LoginSpan::of_script("open", opening.traceparent.as_deref());
        let opened = self.redis.call(&self.open, &SceneName(scene).to_string(), &args).await;
        span.end(opened.as_ref().err().map(|error| error.kind().into()));
        match opened? {
            Reply::Integer(made) => Ok(made == 1),
            _ => Err(BusError::malformed("open's answer")),
        }
    }

    /// Whether one server has all scenes and values.
    pub(crate) fn is_one_server(&self) -> bool {
        self.redis.is_one_server()
    }

    pub(crate) async fn settle(
        &self,
        scene: SceneId,
        cause: &Cause,
        step: &Step,
        along: Option<&Replacement>,
    ) -> Result<SettledAlong, BusError> {
        let name = SceneName(scene).to_string();
        let along = along.filter(|_| self.redis.is_one_server());
        let args = settle_args(&name, cause, step, along);
        // Otherwise the page would hear of a login that the next primary doesn't know.
        self.redis.until_writes_count(&name).await?;
        let span = LoginSpan::of_script("settle", cause.traceparent.as_deref());
        let settled = self.redis.write(&self.settle, &name, &args).await;
        if let Ok((_, written)) = &settled {
            span.set_server(written.server());
        }
        span.end(settled.as_ref().err().map(|error| error.kind().into()));
        let (reply, written) = settled?;
        let SettleReply { settled, published_seq, replaced } = match SettleReply::read(reply) {
            Ok(reply) => reply,
            Err(UnsettledReply::WrongGuess(stored)) => return Ok(SettledAlong::WrongGuess(stored)),
            Err(UnsettledReply::Malformed) => return Err(BusError::malformed("settle's answer")),
        };
        if let (Some(seq), Settled::Applied(snapshot)) = (published_seq, &settled)
            && self.redis.was_written_elsewhere(&written)
        {
            let event = event_body(cause, step.event_of(snapshot.state));
            self.publish_again(name.clone(), format!("{seq} {event}"));
        }
        // See docs/decisions/036-a-scene-is-unknown-only-where-nothing-was-just-lost.md.
        if settled == Settled::Unknown {
            self.redis.confirm_missing(&name).await?;
        }
        // A repeated settle waits, too: the pod that applied it may have died before it had waited. So does one that
        // changed nothing: a primary that was replaced would refuse what its successor has.
        self.redis.wait_for_replicas(&written).await?;
        Ok(SettledAlong::Settled { settled, replaced })
    }

    /// Publishes where the scene's watchers are subscribed. While a slot moves, a key can have moved already, and
    /// subscribers move with the whole slot. Nobody waits for this: a watcher that misses it reads the mailbox later.
    ///
    /// See docs/decisions/006-publish-twice-while-a-slot-moves.md.
    fn publish_again(&self, channel: String, message: String) {
        let redis = self.redis.clone();
        tokio::spawn(async move {
            if let Err(error) = redis.publish(&channel, &message).await {
                tracing::debug!(%error, "couldn't publish an event a second time while its slot moves");
            }
        });
    }

    pub(crate) async fn snapshot(&self, scene: SceneId) -> Result<Option<SceneSnapshot>, BusError> {
        let mut fields = vec!["state", "kept"];
        fields.extend(SceneField::VARIANTS.iter().map(|field| field.name()));
        let (values, life_ms) = self.redis.find_hash(&SceneName(scene).to_string(), &fields).await?;
        let [Some(stored), kept, facts @ ..] = &values[..] else {
            self.redis.confirm_missing(&SceneName(scene).to_string()).await?;
            return Ok(None);
        };
        let (state, remaining) = state(stored, kept.as_deref(), life_ms)?;
        let facts = SceneField::VARIANTS.iter().zip(facts);
        let facts = facts.filter_map(|(field, fact)| Some((*field, fact.clone()?))).collect();
        Ok(Some(SceneSnapshot { state, remaining, fields: facts }))
    }
}

/// An event as it is stored and published, without its `seq`; empty if there is none.
fn event_body(cause: &Cause, kind: Option<&EventKind>) -> String {
    let event = kind.map(|kind| Event {
        seq: 0,
        delivery: cause.delivery,
        received_at: cause.received_at,
        traceparent: cause.traceparent.clone(),
        what: kind.clone(),
    });
    event.map(|event| event.body()).unwrap_or_default()
}

fn settle_args(name: &str, cause: &Cause, step: &Step, along: Option<&Replacement>) -> Vec<String> {
    let from: Vec<&str> = step.from.iter().map(Into::into).collect();
    let mut args = vec![
        name.to_owned(),
        cause.delivery.to_string(),
        format!(",{},", from.join(",")),
        step.to.to_string(),
        step.life.map(|life| millis(life).to_string()).unwrap_or_default(),
        TOMBSTONE_MS.to_string(),
        event_body(cause, step.tells.as_ref()),
    ];
    args.extend(match &step.only_try {
        Some(OnlyTry { field, value, wrong_to, wrong_tells }) => {
            let wrong = event_body(cause, Some(wrong_tells));
            [field.name().to_owned(), value.clone(), wrong_to.to_string(), wrong]
        }
        None => Default::default(),
    });
    args.push(step.guards.len().to_string());
    args.push(along.map(|along| along.name.clone()).unwrap_or_default());
    args.extend(along.cloned().map(Replacement::args).unwrap_or_default());
    for (field, value) in step.guards.iter().chain(&step.sets) {
        args.push(field.name().to_owned());
        args.push(value.clone());
    }
    args
}

/// The answer of `settle.lua`.
#[derive(Debug, PartialEq, Eq)]
struct SettleReply {
    settled: Settled,
    /// The `seq` of the event that the script published, if it published one.
    published_seq: Option<String>,
    /// Whether the script has replaced the value that was to be replaced along with the step.
    replaced: bool,
}

/// Why an answer of `settle.lua` says of no scene what came of it.
#[derive(Debug, PartialEq, Eq)]
enum UnsettledReply {
    /// This is stored in place of what was guessed.
    WrongGuess(Option<String>),
    Malformed,
}

impl SettleReply {
    fn read(reply: Reply) -> Result<Self, UnsettledReply> {
        let mut parts = reply.into_array().into_iter();
        let verdict = parts.next().and_then(Reply::into_string).ok_or(UnsettledReply::Malformed)?;
        if verdict == "guess" {
            return Err(UnsettledReply::WrongGuess(parts.next().and_then(Reply::into_string)));
        }
        Self::read_settled(verdict.as_str(), parts).ok_or(UnsettledReply::Malformed)
    }

    fn read_settled(verdict: &str, mut parts: impl Iterator<Item = Reply>) -> Option<Self> {
        if verdict == "unknown" {
            return Some(Self { settled: Settled::Unknown, published_seq: None, replaced: false });
        }
        let state = parts.next()?.into_string()?.parse().ok()?;
        let remaining = Duration::from_millis(parts.next()?.as_u64()?);
        let published_seq = parts.next()?.into_string().filter(|seq| !seq.is_empty());
        let mut texts = parts.map(|part| part.into_string().unwrap_or_default());
        let facts = SceneField::VARIANTS.iter().copied().zip(texts.by_ref());
        let facts = facts.filter(|(_, fact)| !fact.is_empty()).collect();
        let replaced = texts.next().is_some_and(|replaced| !replaced.is_empty());
        let snapshot = SceneSnapshot { state, remaining, fields: facts };
        let settled = match verdict {
            "applied" => Settled::Applied(snapshot),
            "repeated" => Settled::Repeated(snapshot),
            "state" => Settled::Refused(SettleRefusal::State(snapshot.state), snapshot),
            guard => Settled::Refused(SettleRefusal::Guard(guard.parse().ok()?), snapshot),
        };
        Some(Self { settled, published_seq, replaced })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_not_settles_is_malformed() {
        for answer in [Reply::Null, Reply::Integer(1), Reply::Array(vec![]), Reply::Array(vec!["applied".into()])] {
            assert_eq!(SettleReply::read(answer), Err(UnsettledReply::Malformed));
        }
    }
}
