//! Drills: logins go on while something breaks, and the ledger says what became of each.
//!
//! | module | what it is for |
//! |---|---|
//! | `list` | every drill: what it proves, and what it breaks |
//! | `stage` | the processes, and the crowd before them |
//! | `leaving` | how a gateway that leaves has to send its pages elsewhere |
//! | `table` | what an operator reads |
//! | `watch` | the load and the ledger alone, at somebody else's cluster |
//! | `cli` | `scenecast-loadtest drill …` |

mod cli;
mod leaving;
mod list;
mod stage;
mod table;
mod watch;

use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;

pub use cli::{Cli, run};
pub use list::DRILLS;

use crate::{cluster::Redis, ledger::Tally};
use stage::{Shape, Stage};

/// How long logins may still take once nobody scans any more.
const COMES_THROUGH_WITHIN: Duration = Duration::from_secs(40);

/// One drill.
pub struct Drill {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it proves.
    pub proves: &'static str,
    perform: fn(Load) -> LocalBoxFuture<'static, Performed>,
}

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Pages that wait at a time.
    pub pages: u32,
    /// People who scan, a second.
    pub rate: f64,
    /// How long the load goes on before the fault, and again after it.
    pub around: Duration,
    /// A login of which the page hears later than this after the phone is late.
    pub late_after: Duration,
    /// Whether some pages go away for a while and come back.
    pub restless: bool,
    /// Whether faults and drain windows are short, too.
    pub short: bool,
}

impl Load {
    /// As an operator would run it.
    pub const FULL: Self = Self {
        pages: 5000,
        rate: 200.0,
        around: Duration::from_secs(10),
        late_after: Duration::from_secs(1),
        restless: true,
        short: false,
    };
    /// So that all drills together take ten minutes or so with unoptimised binaries.
    pub const SHORT: Self = Self { pages: 300, rate: 20.0, around: Duration::from_secs(1), short: true, ..Self::FULL };

    /// Over how long pods close what they hold, in seconds.
    fn window(&self) -> Duration {
        Duration::from_secs(if self.short { 6 } else { 20 })
    }

    /// How long people look at a question.
    fn thinks(&self) -> Duration {
        if self.short { Duration::from_millis(500) } else { Duration::from_secs(3) }
    }
}

/// Something that has to be so beside the promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub what: String,
    /// Whether it is.
    pub holds: bool,
}

/// What came of a drill.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which.
    pub name: &'static str,
    /// What became of the logins.
    pub tally: Tally,
    /// What else was looked at.
    pub checks: Vec<Check>,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Nothing was lost or doubled, and all else is as it has to be.
    pub fn passes(&self) -> bool {
        self.tally.keeps_the_promise() && self.checks.iter().all(|check| check.holds)
    }
}

struct Performed {
    tally: Tally,
    checks: Vec<Check>,
}

impl Drill {
    /// The one of this name.
    pub fn of_name(name: &str) -> Option<&'static Self> {
        DRILLS.iter().find(|drill| drill.name == name)
    }

    /// Starts everything that it needs, breaks something under this load, and ends everything.
    pub async fn run(&self, load: Load) -> Report {
        let began = Instant::now();
        let Performed { tally, checks } = (self.perform)(load).await;
        Report { name: self.name, tally, checks, took: began.elapsed() }
    }
}

/// Logins go on while something breaks.
async fn perform<R: Redis>(load: Load, shape: Shape, breaks: impl AsyncFnOnce(&mut Stage<R>)) -> Performed {
    perform_around(R::start().await, load, shape, breaks).await
}

/// The same around this Redis.
async fn perform_around<R: Redis>(
    redis: R,
    load: Load,
    shape: Shape,
    breaks: impl AsyncFnOnce(&mut Stage<R>),
) -> Performed {
    let mut stage = Stage::set(load, shape, redis).await;
    let (crowd, phones) = (stage.crowd.clone(), stage.phones());
    let breaking = async {
        tokio::time::sleep(load.around).await;
        breaks(&mut stage).await;
        tokio::time::sleep(load.around).await;
    };
    tokio::select! {
        () = crowd.scan(&phones, load.rate) => {}
        () = breaking => {}
    }
    phones.are_done().await;
    crowd.comes_through(COMES_THROUGH_WITHIN).await;
    crowd.presents_again().await;
    let tally = crowd.ledger().tally(load.late_after);
    stage.check("somebody was logged in", tally.delivered > 0);
    Performed { tally, checks: stage.checks() }
}
