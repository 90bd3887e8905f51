//! Streams that are read by all callbacks together, as one consumer of one group: each entry is given
//! out once, and again when it has been out for too long.
//!
//! One consumer, because whose turn it is follows from how long an entry is out, and names of pods
//! that are gone would pile up. Nothing here blocks: the connection is everybody's.

use std::{collections::HashMap, time::Duration};

use crate::{
    client::Redis,
    commands::command::RedisCommand,
    error::{RedisError, RedisErrorKind},
    reply::Reply,
};
use scenecast_scene::time::millis;

const GROUP: &str = "callbacks";
const CONSUMER: &str = "callback";
/// The one field of an entry.
const FIELD: &str = "letter";

/// An entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEntry {
    /// Its id in the stream.
    pub id: String,
    /// What was put; empty if it wasn't put by us.
    pub text: String,
}

/// An entry that was given out, and hasn't been removed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEntry {
    /// Its id in the stream.
    pub id: String,
    /// Since when.
    pub idle: Duration,
    /// How many times.
    pub times: u32,
}

impl Redis {
    /// Appends, and lets go of the oldest beyond about so many.
    pub async fn append(&self, stream: &str, text: &str, at_most: usize) -> Result<(), RedisError> {
        let at_most = at_most.to_string();
        let append = RedisCommand::new("XADD", [stream, "MAXLEN", "~", &at_most, "*", FIELD, text]);
        self.router.execute_one(stream, append).await.map(drop)
    }

    /// How many entries it has, given out or not.
    pub async fn length(&self, stream: &str) -> Result<u64, RedisError> {
        self.router.execute_one(stream, RedisCommand::new("XLEN", [stream])).await?.as_u64().ok_or_else(RedisError::malformed)
    }

    /// Gives out entries for the first time.
    pub async fn give_new(&self, stream: &str, at_most: usize) -> Result<Vec<StreamEntry>, RedisError> {
        let at_most = at_most.to_string();
        let args = ["GROUP", GROUP, CONSUMER, "COUNT", &at_most, "STREAMS", stream, ">"];
        let give = RedisCommand::new("XREADGROUP", args);
        let given = match self.router.execute_one(stream, give.clone()).await {
            // The first time, or Redis has lost its data.
            Err(error) if has_no_group(&error) => {
                self.make_group(stream).await?;
                self.router.execute_one(stream, give).await?
            }
            given => given?,
        };
        if given.is_null() {
            return Ok(vec![]);
        }
        let mut given: HashMap<String, Reply> = given.convert()?;
        entries(given.remove(stream).unwrap_or(Reply::Array(vec![])))
    }

    /// The entries that are out, from after this one on.
    pub async fn out(
        &self,
        stream: &str,
        after: Option<&str>,
        at_most: usize,
    ) -> Result<Vec<PendingEntry>, RedisError> {
        let start = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let pending = RedisCommand::new("XPENDING", [stream, GROUP, &start, "+", &at_most.to_string()]);
        let out: Vec<(String, String, u64, u32)> = match self.router.execute_one(stream, pending).await {
            Err(error) if has_no_group(&error) => vec![],
            asked => asked?.convert()?,
        };
        let out =
            out.into_iter().map(|(id, _, idle, times)| PendingEntry { id, idle: Duration::from_millis(idle), times });
        Ok(out.collect())
    }

    /// Gives out again those that are still out since so long ago: nobody else was faster.
    pub async fn give_again(
        &self,
        stream: &str,
        overdue: &[(String, Duration)],
    ) -> Result<Vec<StreamEntry>, RedisError> {
        if overdue.is_empty() {
            return Ok(vec![]);
        }
        let claim = |(id, idle): &(String, Duration)| {
            RedisCommand::new("XCLAIM", [stream, GROUP, CONSUMER, &millis(*idle).to_string(), id])
        };
        let claims: Vec<_> = overdue.iter().map(claim).collect();
        let mut given = vec![];
        for answer in self.router.execute(stream, &claims).await?.answers {
            given.extend(entries(answer?)?);
        }
        Ok(given)
    }

    /// Removes an entry, given out or not.
    pub async fn remove(&self, stream: &str, id: &str) -> Result<(), RedisError> {
        let remove = [RedisCommand::new("XACK", [stream, GROUP, id]), RedisCommand::new("XDEL", [stream, id])];
        for answer in self.router.execute(stream, &remove).await?.answers {
            answer?;
        }
        Ok(())
    }

    /// Makes the group, and the stream with it, if it isn't there.
    async fn make_group(&self, stream: &str) -> Result<(), RedisError> {
        let make = RedisCommand::new("XGROUP", ["CREATE", stream, GROUP, "0", "MKSTREAM"]);
        match self.router.execute_one(stream, make).await {
            Err(error) if error.kind() == RedisErrorKind::GroupExists => Ok(()),
            made => made.map(drop),
        }
    }
}

fn has_no_group(error: &RedisError) -> bool {
    error.kind() == RedisErrorKind::NoGroup
}

/// Reads `[id, [field, text, …]]` of each entry.
fn entries(given: Reply) -> Result<Vec<StreamEntry>, RedisError> {
    let given: Vec<(String, HashMap<String, Reply>)> = given.convert()?;
    let text = |mut fields: HashMap<String, Reply>| fields.remove(FIELD).and_then(Reply::into_string);
    Ok(given.into_iter().map(|(id, fields)| StreamEntry { id, text: text(fields).unwrap_or_default() }).collect())
}
