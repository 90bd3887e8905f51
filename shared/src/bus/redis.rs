//! The bus over Redis: a hash a scene, and a sharded channel of the same name as its doorbell.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{BusError, Mailbox, Role, Watch, hub::Hub, keeper};
use crate::{
    redis::{Lua, Redis, RedisError, Reply},
    scene::{BadId, Cause, Event, Field, Opening, Refusal, SceneId, Settled, Standing, State, Step, TOMBSTONE_MS},
    telemetry::Metrics,
    time::millis,
};

/// How long a watcher waits for its subscription.
const CONFIRM_LIMIT: Duration = Duration::from_secs(2);

/// Clones share the connections.
#[derive(Clone)]
pub(super) struct RedisBus {
    pub(super) redis: Redis,
    pub(super) hub: Hub,
    open: Lua,
    settle: Lua,
}

impl std::fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RedisBus({:?}, {:?})", self.redis, self.hub)
    }
}

/// The name of a scene's hash and of its channel. `wx:*` is what ACL rules grant to gateways.
#[derive(Clone, Copy)]
pub(super) struct Name(pub(super) SceneId);

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "wx:{}", self.0)
    }
}

impl std::str::FromStr for Name {
    type Err = BadId;

    fn from_str(name: &str) -> Result<Self, BadId> {
        name.strip_prefix("wx:").unwrap_or_default().parse().map(Self)
    }
}

impl RedisBus {
    pub(super) fn new(redis: Redis, role: Role, metrics: &Metrics) -> Self {
        let (changed, changes) = mpsc::unbounded_channel();
        let bus = Self {
            redis,
            hub: Hub::new(move |scene| {
                // It fails only where nothing subscribes.
                let _ = changed.send(scene);
            }),
            open: Lua::new(include_str!("open.lua")),
            settle: Lua::new(include_str!("settle.lua")),
        };
        if role == Role::Watches {
            keeper::start(&bus, changes, metrics);
        }
        bus
    }

    pub(super) async fn open(&self, scene: SceneId, opening: &Opening) -> Result<bool, BusError> {
        let mut args = vec![millis(opening.life).to_string(), TOMBSTONE_MS.to_string()];
        for (field, value) in opening.facts() {
            args.push(field.name().to_owned());
            args.push(value);
        }
        let made = self.redis.call(&self.open, &Name(scene).to_string(), &args).await.map_err(unanswered)?;
        match made {
            Reply::Integer(made) => Ok(made == 1),
            _ => Err(BusError::Malformed("open's answer")),
        }
    }

    pub(super) async fn watch(&self, scene: SceneId, after: u64) -> Result<(Watch, Option<Mailbox>), BusError> {
        let (watch, confirmed) = self.hub.watch(scene, after);
        if !matches!(tokio::time::timeout(CONFIRM_LIMIT, confirmed).await, Ok(Ok(()))) {
            return Err(BusError::Undecided("the subscription wasn't confirmed in time".into()));
        }
        // Read only now: an event that was stored before the subscription is in it.
        let began = self.hub.now();
        let mailbox = self.read(scene).await?;
        watch.caught_up(began, mailbox.as_ref());
        Ok((watch, mailbox))
    }

    pub(super) async fn settle(&self, scene: SceneId, cause: &Cause, step: &Step) -> Result<Settled, BusError> {
        let name = Name(scene).to_string();
        let from: String = step.from.iter().fold(",".to_owned(), |from, state| from + state.word() + ",");
        let body = step.tells.as_ref().map(|what| {
            let event = Event {
                seq: 0,
                delivery: cause.delivery,
                received_at: cause.received_at,
                traceparent: cause.traceparent.clone(),
                what: what.clone(),
            };
            event.body()
        });
        let mut args = vec![
            name.clone(),
            cause.delivery.to_string(),
            from,
            step.to.word().to_owned(),
            step.life.map(|life| millis(life).to_string()).unwrap_or_default(),
            TOMBSTONE_MS.to_string(),
            body.clone().unwrap_or_default(),
            step.guards.len().to_string(),
        ];
        for (field, value) in step.guards.iter().chain(&step.sets) {
            args.push(field.name().to_owned());
            args.push(value.clone());
        }
        let (answer, written) = self.redis.write(&self.settle, &name, &args).await.map_err(unanswered)?;
        let (settled, told) = settled(answer).ok_or(BusError::Malformed("settle's answer"))?;
        if let (Some(seq), Some(body), true) = (told, body, self.redis.was_elsewhere(&written)) {
            self.ring(name, format!("{seq} {body}"));
        }
        if let Settled::Applied(_) | Settled::Repeated(_) = settled {
            // Whoever settled it the first time may not have lived to wait.
            self.redis.acknowledged(&written).await.map_err(unanswered)?;
        }
        Ok(settled)
    }

    /// Rings where those who watch are: a key can be ahead of its slot on their way to another server, and
    /// subscribers stay with the slot. Nobody waits for it, since whoever misses it reads the mailbox later.
    fn ring(&self, name: String, line: String) {
        let redis = self.redis.clone();
        tokio::spawn(async move {
            if let Err(error) = redis.ring(&name, &line).await {
                tracing::debug!(%error, "couldn't ring where a slot is leaving");
            }
        });
    }

    pub(super) async fn read(&self, scene: SceneId) -> Result<Option<Mailbox>, BusError> {
        self.read_all(&[scene]).await.pop().unwrap_or(Err(BusError::Malformed("no answer")))
    }

    pub(super) async fn standing(&self, scene: SceneId) -> Result<Option<Standing>, BusError> {
        let fields: Vec<_> = ["state"].into_iter().chain(Field::ALL.map(Field::name)).collect();
        let mut hashes = self.redis.hashes(&[Name(scene).to_string()], &fields).await;
        let hash = hashes.pop().unwrap_or(Err(RedisError::Foreign)).map_err(unanswered)?;
        let (Some(Some(stored)), life) = (hash.0.first(), hash.1) else { return Ok(None) };
        let (state, remaining) = state(stored, life)?;
        let facts =
            Field::ALL.into_iter().zip(hash.0.into_iter().skip(1)).filter_map(|(field, fact)| Some((field, fact?)));
        Ok(Some(Standing { state, remaining, facts: facts.collect() }))
    }

    pub(super) fn held(&self) -> usize {
        self.hub.held()
    }

    /// The mailboxes of these scenes; one that can't be read is no reason not to read the others.
    pub(super) async fn read_all(&self, scenes: &[SceneId]) -> Vec<Result<Option<Mailbox>, BusError>> {
        let names: Vec<_> = scenes.iter().map(|scene| Name(*scene).to_string()).collect();
        let hashes = self.redis.hashes(&names, &["state", "events"]).await;
        let read = |hash: Result<_, RedisError>| {
            let (fields, life): (Vec<_>, _) = hash.map_err(unanswered)?;
            mailbox(&fields, life)
        };
        hashes.into_iter().map(read).collect()
    }
}

fn unanswered(error: RedisError) -> BusError {
    match error {
        RedisError::Foreign => BusError::Malformed("type"),
        RedisError::NoAnswer(why) => BusError::Undecided(why),
    }
}

/// The state of a hash with this life, and what is left of it. The life ends with the tombstone.
fn state(stored: &str, life: i64) -> Result<(State, Duration), BusError> {
    let stored = State::from_word(stored).ok_or(BusError::Malformed("state"))?;
    let remaining = u64::try_from(life).unwrap_or(0).saturating_sub(TOMBSTONE_MS);
    let state = if stored.can_expire() && remaining == 0 { State::Expired } else { stored };
    Ok((state, Duration::from_millis(remaining)))
}

/// Reads `state` and `events` of a hash with this life.
fn mailbox(fields: &[Option<String>], life: i64) -> Result<Option<Mailbox>, BusError> {
    let [Some(state), events] = fields else { return Ok(None) };
    let (state, remaining) = self::state(state, life)?;
    let events = events.as_deref().unwrap_or_default().lines();
    Ok(Some(Mailbox {
        state,
        remaining,
        events: events
            .map(|line| Event::parse(line).map(Arc::new))
            .collect::<Option<_>>()
            .ok_or(BusError::Malformed("events"))?,
    }))
}

/// Reads the answer of `settle.lua`: what became of it, and the `seq` of the event that it told.
fn settled(answer: Reply) -> Option<(Settled, Option<String>)> {
    let mut parts = answer.into_array().into_iter();
    let verdict = parts.next()?.into_string()?;
    if verdict == "unknown" {
        return Some((Settled::Unknown, None));
    }
    let (state, remaining) = (parts.next()?.into_string()?, parts.next()?.as_u64()?);
    let told = parts.next()?.into_string().filter(|seq| !seq.is_empty());
    let standing = Standing {
        state: State::from_word(&state)?,
        remaining: Duration::from_millis(remaining),
        facts: Field::ALL
            .into_iter()
            .zip(parts.map(|fact| fact.into_string().unwrap_or_default()))
            .filter(|(_, fact)| !fact.is_empty())
            .collect(),
    };
    let settled = match verdict.as_str() {
        "applied" => Settled::Applied(standing),
        "repeated" => Settled::Repeated(standing),
        "state" => Settled::Refused(Refusal::State(standing.state), standing),
        guard => {
            let field = Field::ALL.into_iter().find(|field| field.name() == guard)?;
            Settled::Refused(Refusal::Guard(field), standing)
        }
    };
    Some((settled, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_that_is_not_ours_is_malformed() {
        let fields = |state: &str, events: &str| vec![Some(state.to_owned()), Some(events.to_owned())];
        assert!(matches!(mailbox(&fields("opened", ""), 700_000), Err(BusError::Malformed("state"))));
        assert!(matches!(mailbox(&fields("open", "1 {}"), 700_000), Err(BusError::Malformed("events"))));
        assert!(matches!(mailbox(&[None, None], -2), Ok(None)));
    }

    #[test]
    fn a_mailbox_whose_tombstone_is_all_that_is_left_has_expired() {
        let open = [Some("open".to_owned()), None];
        let tombstone = i64::try_from(TOMBSTONE_MS).unwrap();
        for (life, state) in [(tombstone + 1, State::Open), (tombstone, State::Expired), (1, State::Expired)] {
            assert_eq!(mailbox(&open, life).unwrap().unwrap().state, state, "{life}");
        }
    }

    #[test]
    fn an_answer_that_is_not_settles_is_malformed() {
        for answer in [Reply::Null, Reply::Integer(1), Reply::Array(vec![]), Reply::Array(vec!["applied".into()])] {
            assert_eq!(settled(answer), None);
        }
    }
}
