//! The census: which gateways there are, and how many pages each holds.
//!
//! Each gateway writes its report into one hash every few seconds. A reader counts a gateway as gone
//! when its entry hasn't changed for 15 s by the reader's own clock. So plain commands are enough: a gateway may not
//! call scripts, because a script can keep Redis busy for as long as it likes.
//!
//! See docs/decisions/025-pods-count-themselves-with-plain-commands.md.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use scenecast_redis::Redis;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::store::key_value::StoreError;

/// The one key, which has one place in a Cluster.
const KEY: &str = "census:gateways";
/// A gateway whose entry hasn't changed for so long isn't counted any more.
const SILENCE_LIMIT: Duration = Duration::from_secs(15);

/// What a gateway reports of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayReport {
    /// How many pages it holds.
    pub held: usize,
    pub version: String,
    /// Whether it has been told to end.
    pub leaving: bool,
}

/// The reports by gateway; `None` for a report that can't be read, such as one of a later version.
pub type GatewayReports = BTreeMap<String, Option<GatewayReport>>;

/// One gateway's part in the census.
#[derive(Debug)]
pub struct Census {
    backend: CensusBackend,
    gateway: String,
    reports_sent: u64,
    /// The last entry of each gateway, and when it was new.
    last_entries: HashMap<String, (String, Instant)>,
}

#[derive(Debug, Clone)]
enum CensusBackend {
    /// The entries by gateway.
    Memory(Arc<Mutex<HashMap<String, String>>>),
    Redis(Redis),
}

impl Census {
    /// A gateway's part, which has sent no report yet.
    pub fn over(redis: &Redis) -> Self {
        let commands = [format!("hset {KEY} pod report"), format!("hdel {KEY} pod"), format!("hgetall {KEY}")];
        redis.check_rights("census", commands);
        Self::with(CensusBackend::Redis(redis.clone()))
    }

    /// A new census inside this process, with this gateway as its first.
    pub fn in_memory() -> Self {
        Self::with(CensusBackend::Memory(Arc::default()))
    }

    /// The part of another gateway in this census.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::with(self.backend.clone())
    }

    fn with(backend: CensusBackend) -> Self {
        let gateway = format!("{:016x}", rand::random::<u64>());
        Self { backend, gateway, reports_sent: 0, last_entries: HashMap::new() }
    }

    /// Writes this gateway's report and returns those of all gateways that are counted, this one included. To be
    /// called more often than every 15 s: a gateway that reports nothing for so long isn't counted any more.
    pub async fn report(&mut self, report: &GatewayReport) -> Result<GatewayReports, StoreError> {
        self.reports_sent += 1;
        let report = serde_json::to_string(report).expect("a report has string keys only");
        // The number makes each entry differ from the last one.
        let entry = format!("{} {report}", self.reports_sent);
        let entries = self.exchange(entry).await?;
        let mut last_entries = HashMap::with_capacity(entries.len());
        for (gateway, entry) in entries {
            let since = match self.last_entries.get(&gateway) {
                Some((last, since)) if *last == entry => *since,
                _ => Instant::now(),
            };
            last_entries.insert(gateway, (entry, since));
        }
        self.last_entries = last_entries;
        let counted = self.last_entries.iter().filter(|(_, (_, since))| since.elapsed() < SILENCE_LIMIT);
        Ok(counted.map(|(gateway, (entry, _))| (gateway.clone(), read(entry))).collect())
    }

    /// Writes this gateway's entry, removes those of gateways that are gone, and returns all that are left.
    async fn exchange(&self, entry: String) -> Result<HashMap<String, String>, StoreError> {
        let gone = self.gone();
        match &self.backend {
            CensusBackend::Memory(entries) => {
                let mut entries = entries.lock();
                entries.retain(|gateway, _| !gone.contains(gateway));
                entries.insert(self.gateway.clone(), entry);
                Ok(entries.clone())
            }
            CensusBackend::Redis(redis) => Ok(redis.update_hash(KEY, &gone, &self.gateway, &entry).await?),
        }
    }

    /// The gateways that have been silent for so long that they don't come back.
    fn gone(&self) -> Vec<String> {
        let gone = self.last_entries.iter().filter(|(_, (_, since))| since.elapsed() >= 2 * SILENCE_LIMIT);
        gone.map(|(gateway, _)| gateway.clone()).collect()
    }
}

fn read(entry: &str) -> Option<GatewayReport> {
    let (_, report) = entry.split_once(' ')?;
    serde_json::from_str(report).ok()
}
