//! Which gateways there are, and how many pages each holds, by what each says of itself every few seconds.
//!
//! Who is still there is told by whether what they say changes, and by no clock but our own. So plain commands
//! do: whoever may call scripts, as a gateway may not, can keep Redis busy for as long as they like.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Backend, Store, StoreError};

/// The one key, which has one place in a Cluster.
const NAME: &str = "census:gateways";
/// Whoever was silent for so long isn't counted any more.
const SILENCE: Duration = Duration::from_secs(15);

/// What a gateway says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How many pages it holds.
    pub held: usize,
    /// Which version it is.
    pub version: String,
    /// Whether it has been told to end.
    pub leaving: bool,
}

/// What the gateways say, by whose it is; none where that can't be read, as of a version to come.
pub type Reports = BTreeMap<String, Option<Report>>;

/// One gateway's part in the census.
#[derive(Debug)]
pub struct Census {
    store: Store,
    pod: String,
    told: u64,
    /// What was heard last of each gateway, and when that was new.
    heard: HashMap<String, (String, Instant)>,
}

impl Census {
    /// Of a gateway that isn't counted yet.
    pub fn new(store: Store) -> Self {
        Self { store, pod: format!("{:016x}", rand::random::<u64>()), told: 0, heard: HashMap::new() }
    }

    /// Says this of this gateway, and answers what all of them say, itself among them. To be called more often
    /// than every 15 s: whoever says nothing for so long isn't counted any more.
    pub async fn tell(&mut self, report: &Report) -> Result<Reports, StoreError> {
        self.told += 1;
        let report = serde_json::to_string(report).expect("a report has string keys only");
        let said = self.store.call_roll(&self.pod, format!("{} {report}", self.told), self.silent()).await?;
        let before = std::mem::take(&mut self.heard);
        let since = |pod: &str, words: &str| {
            let unchanged = before.get(pod).filter(|(heard, _)| heard == words);
            unchanged.map_or_else(Instant::now, |(_, since)| *since)
        };
        self.heard = said
            .into_iter()
            .map(|(pod, words)| {
                let since = since(&pod, &words);
                (pod, (words, since))
            })
            .collect();
        let counted = self.heard.iter().filter(|(_, (_, since))| since.elapsed() < SILENCE);
        Ok(counted.map(|(pod, (words, _))| (pod.clone(), read(words))).collect())
    }

    /// Those who aren't counted any more, and don't come back.
    fn silent(&self) -> Vec<String> {
        let silent = self.heard.iter().filter(|(_, (_, since))| since.elapsed() >= 2 * SILENCE);
        silent.map(|(pod, _)| pod.clone()).collect()
    }
}

fn read(words: &str) -> Option<Report> {
    let (_, report) = words.split_once(' ')?;
    serde_json::from_str(report).ok()
}

impl Store {
    /// Strikes these off, puts down what a pod says of itself, and answers what all say.
    async fn call_roll(
        &self,
        pod: &str,
        words: String,
        gone: Vec<String>,
    ) -> Result<HashMap<String, String>, StoreError> {
        match &self.0 {
            Backend::Memory(memory) => Ok(memory.call_roll(pod, words, &gone)),
            Backend::Redis(redis, _) => Ok(redis.update_hash(NAME, &gone, pod, &words).await?),
        }
    }
}
