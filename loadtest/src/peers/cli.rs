//! `scenecast-loadtest peers`: one command that makes the table of peers.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use rustix::process::{Resource, getrlimit};
use strum::VariantArray;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    budgets::PeerBudgets,
    compare::CompareOptions,
    comparison::{ComparedLoad, PeerComparison},
    contestant::Contestant,
    table::Markdown,
};
use crate::{
    health::{host_info, raise_descriptor_limit},
    results::{self, ToolInfo},
};

/// A message of a peer is as large as the frame by which our page is told of its login.
const PAYLOAD_BYTES: u32 = 220;
/// What a server needs beside its pages.
const OTHER_DESCRIPTORS: u64 = 500;

const INTERRUPTED: &str = "interrupted: the table has what was measured until now";

/// A login was lost.
const EXIT_LOST: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_INCOMPLETE: u8 = 3;
const EXIT_BUDGET: u8 = 99;

/// Arguments of `scenecast-loadtest peers`.
#[derive(Debug, Args)]
pub struct PeersCli {
    /// Whom to measure, separated by commas; everybody by default
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<Contestant>,
    /// How many pages wait
    #[arg(long, default_value_t = 19_000, value_parser = clap::value_parser!(u32).range(1..))]
    sockets: u32,
    /// How many of them open a second
    #[arg(long, default_value_t = 3_000.0, value_parser = positive)]
    opens: f64,
    /// How many pushes or logins a second
    #[arg(long, default_value_t = 2_000.0, value_parser = positive)]
    rate: f64,
    /// How long, in seconds
    #[arg(long, default_value_t = 5.0, value_parser = positive)]
    seconds: f64,
    /// How long all pages wait before their memory is looked at, in seconds
    #[arg(long, default_value_t = 5.0, value_parser = positive)]
    settle: f64,
    /// How often everybody is measured
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Don't search for capacities, which takes most of the time
    #[arg(long)]
    no_capacity: bool,
    /// The folder into which peers are installed; `peers` in Cargo's target directory by default
    #[arg(long, value_name = "DIRECTORY")]
    cache: Option<PathBuf>,
    /// Write everything that was measured to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table to this file, too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Check these budgets instead of those of loadtest/budgets.toml
    #[arg(long, value_name = "FILE")]
    budgets: Option<PathBuf>,
}

fn positive(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|number| (0.1..=1e6).contains(number)).ok_or("must be a number from 0.1 to 1000000")
}

/// Runs the command. The exit code is 0, 1 if a login was lost, 2 if it can't be done as asked, 3 if something is
/// missing, 99 if a budget is broken.
pub fn run(cli: &PeersCli) -> ExitCode {
    let prepared = cli.load().and_then(|load| Ok((load, cli.read_budgets()?)));
    let (load, budgets) = match prepared {
        Ok(prepared) => prepared,
        Err(why) => {
            say(&why);
            return EXIT_USAGE.into();
        }
    };
    let contestants = if cli.only.is_empty() { Contestant::VARIANTS.to_vec() } else { cli.only.clone() };
    let cache = cli.cache.clone().unwrap_or_else(default_cache);
    let options = CompareOptions { contestants, load: load.clone(), cache, capacity: !cli.no_capacity };
    let mut comparison = PeerComparison::new(load, ToolInfo::this(), host_info());
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).expect("signals can be caught");
        tokio::select! {
            () = comparison.fill(&options) => {}
            _ = tokio::signal::ctrl_c() => say(INTERRUPTED),
            _ = terminate.recv() => say(INTERRUPTED),
        }
    });
    // Servers are ended by now. Pages that still open are of no use.
    runtime.shutdown_background();
    let written = cli.write(&comparison);
    finish(&comparison, &budgets, &written)
}

impl PeersCli {
    /// What everybody is asked, or why that can't be done.
    fn load(&self) -> Result<ComparedLoad, String> {
        let Self { sockets, opens, rate, seconds, settle, rounds, .. } = *self;
        if rate * seconds > f64::from(sockets) {
            return Err(format!(
                "{rate} a second for {seconds} s are more than {sockets} pages, each of which logs in once; \
                 ask for more --sockets, or a lower --rate"
            ));
        }
        let needed = u64::from(sockets) + OTHER_DESCRIPTORS;
        let maximum = getrlimit(Resource::Nofile).maximum;
        if maximum.is_some_and(|maximum| maximum < needed) {
            return Err(format!(
                "{sockets} pages need {needed} descriptors in each process, and the limit is {}; raise it \
                 (ulimit -Hn {needed}), or ask for fewer --sockets",
                maximum.unwrap_or_default()
            ));
        }
        // The servers inherit it. If it fails, opening pages says so.
        let _ = raise_descriptor_limit();
        Ok(ComparedLoad {
            sockets,
            opens_per_second: opens,
            rate,
            seconds,
            settle_seconds: settle,
            rounds,
            payload_bytes: PAYLOAD_BYTES,
            capacity_p99_ms: 50.0,
        })
    }

    fn read_budgets(&self) -> Result<PeerBudgets, String> {
        let Some(path) = &self.budgets else { return Ok(PeerBudgets::shipped()) };
        let text = fs::read_to_string(path).map_err(|error| format!("{} can't be read: {error}", path.display()))?;
        PeerBudgets::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Writes the files that were asked for. The error says what is missing.
    fn write(&self, comparison: &PeerComparison) -> Result<(), String> {
        let table = Markdown(comparison).to_string();
        // It fails if stdout is closed. Then nobody reads the table.
        let _ = writeln!(io::stdout(), "{table}");
        let json = serde_json::to_string_pretty(comparison).expect("numbers and texts can be written as JSON");
        let write = |path: &Option<PathBuf>, text: &str| {
            let Some(path) = path else { return Ok(()) };
            let written = results::write_whole(path, |file| file.write_all(text.as_bytes()));
            written.map_err(|error| format!("{} can't be written: {error}", path.display()))
        };
        // Both are tried, whatever becomes of the other.
        let [json, markdown] = [write(&self.json, &json), write(&self.markdown, &table)];
        json.and(markdown)
    }
}

/// What the comparison comes to.
fn finish(comparison: &PeerComparison, budgets: &PeerBudgets, written: &Result<(), String>) -> ExitCode {
    let doubt = budgets.doubt(comparison);
    let outcomes = if doubt.is_none() { budgets.check(comparison) } else { vec![] };
    if let Some(weakness) = budgets.weakness(comparison).filter(|_| doubt.is_none()) {
        say(&weakness);
    }
    if let Some(doubt) = doubt {
        say(&format!("budgets are not checked: {doubt}"));
    }
    for outcome in outcomes.iter().filter(|outcome| outcome.is_broken() || outcome.ratio.is_none()) {
        say(&format!("{}{outcome}", if outcome.is_broken() { "broken budget: " } else { "" }));
    }
    if let Err(why) = written {
        say(why);
    }
    let ours = comparison.contestants.iter().filter(|result| !result.contestant.is_peer());
    let has_lost = ours.into_iter().any(|result| {
        result.samples.iter().any(|sample| sample.lost > 0) || result.capacity.is_some_and(|found| found.lost > 0)
    });
    let samples = || comparison.contestants.iter().flat_map(|result| &result.samples);
    let has_missed = samples().any(|sample| sample.delivered < sample.planned || sample.failed_opens > 0);
    let is_limited = samples().any(|sample| sample.is_generator_limited);
    let code = if has_lost {
        EXIT_LOST
    } else if written.is_err() || has_missed || is_limited || !comparison.is_complete || !comparison.absent.is_empty() {
        EXIT_INCOMPLETE
    } else if outcomes.iter().any(super::budgets::BudgetOutcome::is_broken) {
        EXIT_BUDGET
    } else {
        return ExitCode::SUCCESS;
    };
    code.into()
}

/// `peers` in the directory in which Cargo has this program's, or here.
pub fn default_cache() -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    this.ancestors().nth(2).map_or_else(|| "peers".into(), |target: &Path| target.join("peers"))
}

fn say(line: &str) {
    // It fails if stderr is closed. Then nobody reads it.
    let _ = writeln!(io::stderr(), "{line}");
}
