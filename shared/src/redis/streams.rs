//! Streams that are read by all callbacks together, as one consumer of one group: each entry is given
//! out once, and again when it has been out for too long.
//!
//! One consumer, because whose turn it is follows from how long an entry is out, and names of pods
//! that are gone would pile up. Nothing here blocks: the connection is everybody's.

use std::time::Duration;

use fred::{
    clients::{Client, Pipeline},
    interfaces::StreamsInterface,
    types::streams::{XCapKind, XCapTrim, XReadResponse, XReadValue},
};

use super::{Redis, RedisError, Reply, millis};

const GROUP: &str = "callbacks";
const CONSUMER: &str = "callback";
/// The one field of an entry.
const FIELD: &str = "letter";

/// An entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its id in the stream.
    pub(crate) id: String,
    /// What was put; empty if it wasn't put by us.
    pub(crate) text: String,
}

/// An entry that was given out, and hasn't been removed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Out {
    /// Its id in the stream.
    pub(crate) id: String,
    /// Since when.
    pub(crate) idle: Duration,
    /// How many times.
    pub(crate) times: u32,
}

impl Redis {
    /// Appends, and lets go of the oldest beyond about so many.
    pub(crate) async fn append(&self, stream: &str, text: &str, at_most: usize) -> Result<(), RedisError> {
        let place = self.connection.place()?;
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        let cap = (XCapKind::MaxLen, XCapTrim::AlmostExact, at_most, None);
        Ok(place.client.xadd(stream, false, cap, "*", (FIELD, text)).await?)
    }

    /// How many entries it has, given out or not.
    pub(crate) async fn length(&self, stream: &str) -> Result<u64, RedisError> {
        let place = self.connection.place()?;
        Ok(place.client.xlen(stream).await?)
    }

    /// Gives out entries for the first time.
    pub(crate) async fn give_new(&self, stream: &str, at_most: usize) -> Result<Vec<Entry>, RedisError> {
        let place = self.connection.place()?;
        let count = Some(at_most as u64);
        let give = || place.client.xreadgroup(GROUP, CONSUMER, count, None, false, stream, ">");
        let given: Result<Reply, fred::error::Error> = give().await;
        let given = match given {
            // The first time, or Redis has lost its data.
            Err(error) if error.details().starts_with("NOGROUP") => {
                self.make_group(&place.client, stream).await?;
                give().await?
            }
            given => given?,
        };
        if given.is_null() {
            return Ok(vec![]);
        }
        let given: XReadResponse<String, String, String, Reply> = given.into_xread_response()?;
        Ok(given.into_values().flatten().map(entry).collect())
    }

    /// The entries that are out, from after this one on.
    pub(crate) async fn out(&self, stream: &str, after: Option<&str>, at_most: usize) -> Result<Vec<Out>, RedisError> {
        let place = self.connection.place()?;
        let start = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let asked: Result<Vec<(String, String, u64, u32)>, fred::error::Error> =
            place.client.xpending(stream, GROUP, (start, "+", at_most as u64)).await;
        let out = match asked {
            Err(error) if error.details().starts_with("NOGROUP") => vec![],
            asked => asked?,
        };
        let out = out.into_iter().map(|(id, _, idle, times)| Out { id, idle: Duration::from_millis(idle), times });
        Ok(out.collect())
    }

    /// Gives out again those that are still out since so long ago: nobody else was faster.
    pub(crate) async fn give_again(
        &self,
        stream: &str,
        overdue: &[(String, Duration)],
    ) -> Result<Vec<Entry>, RedisError> {
        if overdue.is_empty() {
            return Ok(vec![]);
        }
        let place = self.connection.place()?;
        let pipeline: Pipeline<Client> = place.client.pipeline();
        for (id, idle) in overdue {
            let idle = millis(*idle);
            let () =
                pipeline.xclaim(stream, GROUP, CONSUMER, idle, id.as_str(), None, None, None, false, false).await?;
        }
        let answers: Vec<Reply> = pipeline.all().await?;
        let mut entries = vec![];
        for answer in answers {
            let given: Vec<XReadValue<String, String, Reply>> = answer.into_xread_value()?;
            entries.extend(given.into_iter().map(entry));
        }
        Ok(entries)
    }

    /// Removes an entry, given out or not.
    pub(crate) async fn remove(&self, stream: &str, id: &str) -> Result<(), RedisError> {
        let place = self.connection.place()?;
        let pipeline: Pipeline<Client> = place.client.pipeline();
        let () = pipeline.xack(stream, GROUP, id).await?;
        let () = pipeline.xdel(stream, id).await?;
        Ok(pipeline.last().await?)
    }

    /// Makes the group, and the stream with it, if it isn't there.
    async fn make_group(&self, client: &Client, stream: &str) -> Result<(), RedisError> {
        match client.xgroup_create::<(), _, _, _>(stream, GROUP, "0", true).await {
            Err(error) if !error.details().starts_with("BUSYGROUP") => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn entry((id, mut fields): XReadValue<String, String, Reply>) -> Entry {
    Entry { id, text: fields.remove(FIELD).and_then(Reply::into_string).unwrap_or_default() }
}
