//! Measures all contestants in turn.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use scenecast_scene::time::millis;

use super::{
    capacity::CapacitySearch,
    comparison::{
        AbsentContestant, ComparedLoad, ComparisonSample, ContestantResult, FAIRNESS, FoundCapacity, PEERS_FORMAT,
        PEERS_VERSION, PeerComparison,
    },
    contestant::Contestant,
    install::{InstalledPeer, install},
    measurement::{MeasurementError, measure},
    running_peer::{PeerStartError, RunningPeer},
    scenecast::{RunningScenecast, ScenecastStartError},
    schedule::interleaved,
};
use crate::{
    health::machine_times,
    results::{HostInfo, TargetInfo, ToolInfo},
    targets::{
        PreciseTimer,
        peers::{PeerKind, PeerTarget},
    },
};

/// How long the machine is watched before anything starts.
const WATCH_MACHINE: Duration = Duration::from_secs(2);
/// How long each rate of a capacity is tried, unless the pages don't suffice.
const CAPACITY_SECONDS: f64 = 3.0;
/// A shorter try says little.
const LEAST_CAPACITY_SECONDS: f64 = 1.0;

/// What is compared, and where peers are kept.
#[derive(Debug, Clone)]
pub struct CompareOptions {
    pub contestants: Vec<Contestant>,
    pub load: ComparedLoad,
    /// The folder into which peers are installed.
    pub cache: PathBuf,
    /// Whether capacities are searched for, which takes most of the time.
    pub capacity: bool,
}

/// Why a run of a contestant gave nothing.
#[derive(Debug, thiserror::Error)]
enum ContestantError {
    #[error(transparent)]
    Scenecast(#[from] ScenecastStartError),
    #[error(transparent)]
    Start(#[from] PeerStartError),
    #[error(transparent)]
    Measurement(#[from] MeasurementError),
}

/// A contestant that can be started.
enum Startable {
    Scenecast,
    Peer(InstalledPeer),
}

impl PeerComparison {
    /// A comparison in which nothing has been measured yet.
    pub fn new(load: ComparedLoad, tool: ToolInfo, host: HostInfo) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            format: PEERS_FORMAT.to_owned(),
            version: PEERS_VERSION,
            began_unix_ms: millis(now),
            tool,
            host,
            busy_share_before: 0.0,
            load,
            contestants: vec![],
            absent: vec![],
            fairness: FAIRNESS.to_owned(),
            is_complete: false,
        }
    }

    /// Measures everybody. What could not be had or measured is noted. The future may be dropped: then what was measured
    /// until then is here, and `is_complete` is false.
    pub async fn fill(&mut self, options: &CompareOptions) {
        self.busy_share_before = busy_share().await;
        let mut startable = vec![];
        for contestant in &options.contestants {
            startable.extend(self.make_startable(*contestant, options).await);
        }
        let order: Vec<_> = startable.iter().map(Startable::contestant).collect();
        for contestant in interleaved(&order, options.load.rounds) {
            let Some(startable) = startable.iter().find(|startable| startable.contestant() == contestant) else {
                continue;
            };
            self.add_sample(startable).await;
        }
        if options.capacity {
            for startable in &startable {
                self.add_capacity(startable).await;
            }
        }
        self.is_complete = true;
    }

    async fn make_startable(&mut self, contestant: Contestant, options: &CompareOptions) -> Option<Startable> {
        say(format_args!("{contestant}: finding or installing it into {}", options.cache.display()));
        let startable = match install(contestant, &options.cache).await {
            Ok(Some(peer)) => Startable::Peer(peer),
            Ok(None) => Startable::Scenecast,
            Err(error) => {
                self.note_absent(contestant, error.to_string());
                return None;
            }
        };
        self.contestants.push(ContestantResult {
            contestant,
            version: startable.version().to_owned(),
            settings: contestant.settings(),
            samples: vec![],
            capacity: None,
        });
        Some(startable)
    }

    async fn add_sample(&mut self, startable: &Startable) {
        let contestant = startable.contestant();
        match startable.measure(&self.load).await {
            Ok(sample) => {
                say(format_args!(
                    "{contestant}: {:.0} bytes a page, {:.0} µs a push, p50 {:.2} ms, p99 {:.2} ms",
                    sample.rss_bytes_per_page, sample.cpu_us_per_push, sample.p50_ms, sample.p99_ms
                ));
                self.result_of(contestant).samples.push(sample);
            }
            Err(error) => self.note_absent(contestant, error.to_string()),
        }
    }

    async fn add_capacity(&mut self, startable: &Startable) {
        let contestant = startable.contestant();
        let all_pages = f64::from(self.load.sockets);
        let mut search = CapacitySearch::new(self.load.rate, all_pages / LEAST_CAPACITY_SECONDS);
        let mut found = FoundCapacity::default();
        while let Some(rate) = search.next() {
            let seconds = (all_pages / rate).min(CAPACITY_SECONDS);
            let load = ComparedLoad { rate, seconds, ..self.load.clone() };
            let passes = match startable.measure(&load).await {
                Ok(sample) => {
                    let passes = found.note(&sample, self.load.capacity_p99_ms);
                    say(format_args!("{contestant}: {rate:.0} a second {}", words_of(passes, &sample)));
                    passes
                }
                Err(error) if error.is_of_the_load() => {
                    say(format_args!("{contestant}: {rate:.0} a second are too many: {error}"));
                    false
                }
                // That says nothing of what it takes.
                Err(error) => return self.note_absent(contestant, format!("its capacity is unknown: {error}")),
            };
            search.record(passes);
        }
        (found.per_second, found.is_cut_off) = (search.capacity(), search.is_cut_off());
        self.result_of(contestant).capacity = Some(found);
    }

    fn result_of(&mut self, contestant: Contestant) -> &mut ContestantResult {
        let mut results = self.contestants.iter_mut();
        results.find(|result| result.contestant == contestant).expect("whoever is measured has a result")
    }

    fn note_absent(&mut self, contestant: Contestant, why: String) {
        say(format_args!("{contestant} can't be measured: {why}"));
        self.absent.push(AbsentContestant { contestant, why });
    }
}

impl ContestantError {
    /// Whether a server ended under a load, so that it doesn't take it.
    fn is_of_the_load(&self) -> bool {
        matches!(self, Self::Measurement(MeasurementError::Ended(_)))
    }
}

impl FoundCapacity {
    /// Notes what a rate came to. Answers whether it was answered in time.
    fn note(&mut self, sample: &ComparisonSample, p99_limit_ms: f64) -> bool {
        let passes = sample.delivered == sample.planned && sample.p99_ms <= p99_limit_ms;
        self.lost += sample.lost;
        self.is_generator_limited |= !passes && sample.is_generator_limited;
        passes
    }
}

/// What a rate came to, in words.
fn words_of(passes: bool, sample: &ComparisonSample) -> String {
    let ComparisonSample { planned, delivered, lost, p99_ms, is_generator_limited, .. } = sample;
    let limited = if *is_generator_limited { "; the generator was late itself" } else { "" };
    let verdict = if passes { "pass" } else { "are too many" };
    format!("{verdict} ({delivered} of {planned} arrived, {lost} lost, p99 {p99_ms:.1} ms{limited})")
}

impl Startable {
    fn contestant(&self) -> Contestant {
        match self {
            Self::Scenecast => Contestant::Scenecast,
            Self::Peer(peer) => peer.contestant,
        }
    }

    fn version(&self) -> &str {
        match self {
            Self::Scenecast => env!("CARGO_PKG_VERSION"),
            Self::Peer(peer) => &peer.version,
        }
    }

    /// Starts it, and measures it once.
    async fn measure(&self, load: &ComparedLoad) -> Result<ComparisonSample, ContestantError> {
        let timer = PreciseTimer::start();
        match self {
            Self::Scenecast => {
                let mut running = RunningScenecast::start().await?;
                let processes = running.processes();
                Ok(measure(running.target(timer.clone()), timer, &processes, load).await?)
            }
            Self::Peer(peer) => {
                let running = RunningPeer::start(peer).await?;
                let kind = peer.contestant.protocol().unwrap_or(PeerKind::Ws);
                let payload = usize::try_from(load.payload_bytes).unwrap_or(0);
                let target =
                    PeerTarget::new(kind, running.holder(), running.publisher(), payload, TargetInfo::default());
                Ok(measure(target, timer, &running.processes(), load).await?)
            }
        }
    }
}

/// The share of the machine's processors that others use.
async fn busy_share() -> f64 {
    let before = machine_times();
    tokio::time::sleep(WATCH_MACHINE).await;
    1.0 - machine_times().idle_share_since(&before)
}

/// Says what is going on, beside the table that goes to stdout.
fn say(line: std::fmt::Arguments<'_>) {
    // It fails if stderr is closed. Then nobody reads it.
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::sample;

    #[test]
    fn a_rate_passes_if_all_arrive_in_time_and_what_was_lost_is_kept() {
        let usual = sample::comparison().contestants[0].samples[0].clone();
        let mut found = FoundCapacity::default();
        let lossy = ComparisonSample { delivered: 9_998, lost: 2, ..usual.clone() };
        let slow = ComparisonSample { p99_ms: 50.1, ..usual.clone() };
        assert!(found.note(&usual, 50.0) && !found.note(&lossy, 50.0) && !found.note(&slow, 50.0));
        assert_eq!((found.lost, found.is_generator_limited), (2, false));
        // A rate that passed passed, however late the generator was.
        let late = |sample| ComparisonSample { is_generator_limited: true, ..sample };
        found.note(&late(usual), 50.0);
        assert!(!found.is_generator_limited);
        found.note(&late(slow), 50.0);
        assert!(found.is_generator_limited);
    }

    #[test]
    fn a_server_that_cannot_be_started_is_none_that_takes_too_little() {
        let no_page = ContestantError::Measurement(MeasurementError::NoPage(crate::results::Funnel::default()));
        assert!(!no_page.is_of_the_load());
        let ended = ContestantError::Measurement(MeasurementError::Ended(procfs::ProcError::NotFound(None)));
        assert!(ended.is_of_the_load());
    }
}
