//! The two streams of a run in the coordinator's Redis, orders to all workers and their reports; and a key that says that
//! the coordinator is there.
//!
//! Nothing blocks in Redis, and nobody takes an entry away from somebody else: whoever reads remembers where it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use scenecast_metrics::Metrics;
use scenecast_redis::{Redis, RedisAddress, RedisAddressError, RedisError};

use super::{
    clock_offset::ClockOffset,
    protocol::{Order, WorkerReport},
};

/// For this long after its start a run's streams are kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How many entries a stream has at most: those of twenty seconds of a thousand workers. Whoever reads them does so each
/// second, and misses the number of a report that was dropped.
const MOST_ENTRIES: usize = 20_000;
/// How many entries are read at a time.
const AT_ONCE: usize = 500;
/// How often the clock is asked. The shortest round trip says most.
const CLOCK_TRIES: u32 = 5;

/// The streams of one run.
#[derive(Debug)]
pub struct RunStreams {
    redis: Redis,
    orders: String,
    reports: String,
    /// There while the coordinator is.
    coordinator: String,
    /// The last entries that were read.
    last_order: String,
    last_report: String,
}

/// Why orders or reports can't be exchanged.
#[derive(Debug, thiserror::Error)]
pub enum RunStreamsError {
    #[error("--coordinator: {0}")]
    Address(#[from] RedisAddressError),
    #[error("the Redis of the coordinator: {0}")]
    Redis(#[from] RedisError),
    /// An entry is no order or report of this program.
    #[error(
        "{entry} in the Redis of the coordinator is of another program, or of another version of this one: {source}"
    )]
    Entry { entry: String, source: serde_json::Error },
}

impl RunStreams {
    /// The streams of the run with this name. Returns at once, and connects when it is used; again and again, if need be.
    pub fn open(url: &str, run: &str) -> Result<Self, RunStreamsError> {
        let address: RedisAddress = url.parse()?;
        // In braces, so that both are on one server of a Cluster, and have one clock.
        let key = |what| format!("scenecast-loadtest:{{{run}}}:{what}");
        Ok(Self {
            redis: Redis::connect(&address, &Metrics::new()),
            orders: key("orders"),
            reports: key("reports"),
            coordinator: key("coordinator"),
            last_order: "0".to_owned(),
            last_report: "0".to_owned(),
        })
    }

    /// Whether somebody has given orders in a run of this name before.
    pub async fn is_used(&self) -> Result<bool, RunStreamsError> {
        Ok(self.redis.length(&self.orders).await? > 0)
    }

    pub async fn order(&self, order: &Order) -> Result<(), RunStreamsError> {
        let json = serde_json::to_string(order).expect("numbers and texts can be written as JSON");
        self.redis.append(&self.orders, &json, MOST_ENTRIES).await?;
        self.redis.expire(&self.orders, KEPT).await?;
        Ok(())
    }

    pub async fn report(&self, report: &WorkerReport) -> Result<(), RunStreamsError> {
        let json = serde_json::to_string(report).expect("numbers and texts can be written as JSON");
        self.redis.append(&self.reports, &json, MOST_ENTRIES).await?;
        Ok(())
    }

    /// The orders since the last call.
    pub async fn new_orders(&mut self) -> Result<Vec<Order>, RunStreamsError> {
        let entries = self.redis.entries_after(&self.orders, &self.last_order, AT_ONCE).await?;
        let mut orders = vec![];
        for entry in entries {
            orders.push(parse(&self.orders, &entry.id, &entry.text)?);
            self.last_order = entry.id;
        }
        Ok(orders)
    }

    /// The reports since the last call, as many as are read at a time.
    pub async fn new_reports(&mut self) -> Result<Vec<WorkerReport>, RunStreamsError> {
        let entries = self.redis.entries_after(&self.reports, &self.last_report, AT_ONCE).await?;
        let mut reports = vec![];
        for entry in entries {
            reports.push(parse(&self.reports, &entry.id, &entry.text)?);
            self.last_report = entry.id;
        }
        Ok(reports)
    }

    /// Removes the reports with the orders, a day after the run.
    pub async fn keep_reports_a_day(&self) -> Result<(), RunStreamsError> {
        Ok(self.redis.expire(&self.reports, KEPT).await?)
    }

    /// The coordinator is there, for this long.
    pub async fn hold(&self, life: Duration) -> Result<(), RunStreamsError> {
        Ok(self.redis.set(&self.coordinator, "here", life).await?)
    }

    /// Whether the coordinator is there.
    pub async fn is_held(&self) -> Result<bool, RunStreamsError> {
        Ok(self.redis.get(&self.coordinator).await?.is_some())
    }

    /// How far the clock of this Redis is ahead of this machine's.
    pub async fn clock_offset(&self) -> Result<ClockOffset, RunStreamsError> {
        let mut best: Option<ClockOffset> = None;
        for _ in 0..CLOCK_TRIES {
            let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let asked = Instant::now();
            let theirs = self.redis.time_at(&self.orders).await?;
            let offset = ClockOffset::of(ours, theirs, asked.elapsed());
            if best.is_none_or(|best| offset.uncertainty_us < best.uncertainty_us) {
                best = Some(offset);
            }
        }
        Ok(best.unwrap_or_default())
    }

    /// The time of this Redis after `lead`, in microseconds since 1970.
    pub async fn time_after(&self, lead: Duration) -> Result<u64, RunStreamsError> {
        let at = self.redis.time_at(&self.orders).await? + lead;
        Ok(u64::try_from(at.as_micros()).unwrap_or(u64::MAX))
    }

    /// The instant at which this Redis has that time. It is now if that is over.
    pub async fn instant_of(&self, at_us: u64) -> Result<Instant, RunStreamsError> {
        let asked = Instant::now();
        let theirs = self.redis.time_at(&self.orders).await?;
        let middle = asked + asked.elapsed() / 2;
        Ok(middle + Duration::from_micros(at_us).saturating_sub(theirs))
    }
}

fn parse<'a, T: serde::Deserialize<'a>>(stream: &str, id: &str, text: &'a str) -> Result<T, RunStreamsError> {
    let entry = || format!("the entry {id} of {stream}");
    serde_json::from_str(text).map_err(|source| RunStreamsError::Entry { entry: entry(), source })
}
