//! A Redis stream as a queue that all callback pods share: each entry is given to one pod, and again if that pod
//! doesn't remove it in time.
//!
//! ```text
//!  append ─▶ new ── read_new ─▶ pending ── remove ─▶ gone
//!                                │   ▲
//!                                └───┘ claim_pending: once it has been idle for too long
//! ```
//!
//! All pods use the same consumer name. How long an entry has been idle says whether it is due again, so names aren't
//! needed, and names of pods that are gone would pile up in Redis. No command here blocks, because the connection is
//! shared.
//!
//! See docs/decisions/023-the-outbox-is-a-stream-with-one-consumer.md.

use std::{collections::HashMap, time::Duration};

use scenecast_scene::time::millis;

use crate::{
    client::Redis,
    command::RedisCommand,
    error::{RedisError, RedisErrorKind},
    reply::Reply,
};

const GROUP: &str = "callbacks";
const CONSUMER: &str = "callback";
/// The only field of an entry.
const FIELD: &str = "letter";

/// An entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEntry {
    /// The entry's id in the stream.
    pub id: String,
    /// The text that was appended. Empty if the entry isn't one of ours.
    pub text: String,
}

/// An entry that was given to a pod and not removed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEntry {
    /// The entry's id in the stream.
    pub id: String,
    /// How long ago it was given out last.
    pub idle: Duration,
    /// How many times it was given out.
    pub times: u32,
}

impl Redis {
    /// Appends an entry. Of more than about `max_length` entries, the oldest are dropped.
    pub async fn append(&self, stream: &str, text: &str, max_length: usize) -> Result<(), RedisError> {
        let max_length = max_length.to_string();
        let append = RedisCommand::new("XADD", [stream, "MAXLEN", "~", &max_length, "*", FIELD, text]);
        self.router.execute_one(stream, append).await?;
        Ok(())
    }

    /// Up to `limit` entries after the id `after` (`0` is before all), oldest first. Nobody else's reading changes that.
    pub async fn entries_after(&self, stream: &str, after: &str, limit: usize) -> Result<Vec<StreamEntry>, RedisError> {
        let range = RedisCommand::new("XRANGE", [stream, &format!("({after}"), "+", "COUNT", &limit.to_string()]);
        parse_entries(self.router.execute_one(stream, range).await?)
    }

    /// How many entries the stream has, pending ones included.
    pub async fn length(&self, stream: &str) -> Result<u64, RedisError> {
        let length = self.router.execute_one(stream, RedisCommand::new("XLEN", [stream])).await?;
        length.as_u64().ok_or_else(RedisError::malformed)
    }

    /// Takes up to `limit` entries that were never given out. They are pending from now on.
    pub async fn read_new(&self, stream: &str, limit: usize) -> Result<Vec<StreamEntry>, RedisError> {
        let limit = limit.to_string();
        let args = ["GROUP", GROUP, CONSUMER, "COUNT", &limit, "STREAMS", stream, ">"];
        let read = RedisCommand::new("XREADGROUP", args);
        let reply = match self.router.execute_one(stream, read.clone()).await {
            // The stream is new, or Redis has lost its data.
            Err(error) if error.kind() == RedisErrorKind::NoGroup => {
                self.create_group(stream).await?;
                self.router.execute_one(stream, read).await?
            }
            reply => reply?,
        };
        if reply.is_null() {
            return Ok(vec![]);
        }
        let mut streams: HashMap<String, Reply> = reply.convert()?;
        parse_entries(streams.remove(stream).unwrap_or(Reply::Array(vec![])))
    }

    /// Lists up to `limit` pending entries, by id, beginning after the id `after`.
    pub async fn pending(
        &self,
        stream: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PendingEntry>, RedisError> {
        let start = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let list = RedisCommand::new("XPENDING", [stream, GROUP, &start, "+", &limit.to_string()]);
        let pending: Vec<(String, String, u64, u32)> = match self.router.execute_one(stream, list).await {
            Err(error) if error.kind() == RedisErrorKind::NoGroup => vec![],
            reply => reply?.convert()?,
        };
        let entry = |(id, _consumer, idle_ms, times)| PendingEntry { id, idle: Duration::from_millis(idle_ms), times };
        Ok(pending.into_iter().map(entry).collect())
    }

    /// Takes pending entries again. Each is named by its id and the time that it must have been idle at least, so that
    /// of several pods that try, only one gets it.
    pub async fn claim_pending(
        &self,
        stream: &str,
        overdue: &[(String, Duration)],
    ) -> Result<Vec<StreamEntry>, RedisError> {
        if overdue.is_empty() {
            return Ok(vec![]);
        }
        let claim = |(id, min_idle): &(String, Duration)| {
            RedisCommand::new("XCLAIM", [stream, GROUP, CONSUMER, &millis(*min_idle).to_string(), id])
        };
        let claims: Vec<_> = overdue.iter().map(claim).collect();
        let mut claimed = vec![];
        for reply in self.router.execute(stream, &claims).await?.replies {
            claimed.extend(parse_entries(reply?)?);
        }
        Ok(claimed)
    }

    /// Removes an entry, whether it is pending or not.
    pub async fn remove(&self, stream: &str, id: &str) -> Result<(), RedisError> {
        let remove = [RedisCommand::new("XACK", [stream, GROUP, id]), RedisCommand::new("XDEL", [stream, id])];
        for reply in self.router.execute(stream, &remove).await?.replies {
            reply?;
        }
        Ok(())
    }

    /// Creates the group, and the stream if it doesn't exist. Does nothing if the group exists.
    async fn create_group(&self, stream: &str) -> Result<(), RedisError> {
        let create = RedisCommand::new("XGROUP", ["CREATE", stream, GROUP, "0", "MKSTREAM"]);
        match self.router.execute_one(stream, create).await {
            Err(error) if error.kind() != RedisErrorKind::GroupExists => Err(error),
            _ => Ok(()),
        }
    }
}

/// Parses `[[id, [field, text, …]], …]`.
fn parse_entries(reply: Reply) -> Result<Vec<StreamEntry>, RedisError> {
    let entries: Vec<(String, HashMap<String, Reply>)> = reply.convert()?;
    let entry = |(id, mut fields): (String, HashMap<String, Reply>)| {
        let text = fields.remove(FIELD).and_then(Reply::into_string).unwrap_or_default();
        StreamEntry { id, text }
    };
    Ok(entries.into_iter().map(entry).collect())
}
