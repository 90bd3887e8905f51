//! `scenecast-loadtest drill …`: the list of drills, any of them, and the watch over somebody else's cluster.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use scenecast_shared::{config, process::environment};

use super::{
    DRILLS, Drill, Load,
    table::{Head, Row},
    watch::{Target, watch},
};

/// Drills.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// `list` says what each proves, `all` runs every one; or the names of some
    #[arg(required = true, value_name = "NAME", hide_possible_values = true, value_parser = names())]
    names: Vec<String>,
    /// A smaller load and shorter faults: ten minutes for all
    #[arg(long)]
    short: bool,
    /// How long the load goes on before the fault and again after it, in seconds
    #[arg(long, value_name = "SECONDS")]
    around: Option<u64>,
    #[command(flatten)]
    sizes: Sizes,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Have people log in at a cluster of your own, and keep the ledger while you break it
    Watch {
        /// What it needs to know of the cluster
        #[arg(long, value_name = "FILE")]
        target: PathBuf,
        /// For how long, in seconds; without it, until Ctrl-C
        #[arg(long = "for", value_name = "SECONDS")]
        time: Option<u64>,
        #[command(flatten)]
        sizes: Sizes,
    },
}

#[derive(Debug, Args)]
struct Sizes {
    /// Pages that wait at a time
    #[arg(long)]
    pages: Option<u32>,
    /// People who scan, a second
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// From when on a login is late, in milliseconds after the phone was told
    #[arg(long, value_name = "MILLISECONDS")]
    late: Option<u64>,
}

impl Sizes {
    fn load(&self, usual: Load) -> Load {
        Load {
            pages: self.pages.unwrap_or(usual.pages),
            rate: self.rate.unwrap_or(usual.rate),
            late_after: self.late.map_or(usual.late_after, Duration::from_millis),
            ..usual
        }
    }
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(["list", "all"].into_iter().chain(DRILLS.iter().map(|drill| drill.name)))
}

fn rate(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|rate| (0.01..=10_000.0).contains(rate)).ok_or("not a number from 0.01 to 10000")
}

/// Does what the command line says. It fails if any drill did.
pub fn run(cli: &Cli) -> ExitCode {
    allow_many_files();
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let out = &mut io::stdout().lock();
    let passes = match &cli.command {
        Some(Command::Watch { target, time, sizes }) => {
            let target: Target = match config::load(Some(target), environment()) {
                Ok(target) => target,
                Err(bad) => return refuse(&bad),
            };
            let time = time.map(Duration::from_secs);
            match runtime.block_on(watch(target, sizes.load(Load::FULL), time, out)) {
                Ok(passes) => passes,
                Err(cannot) => return refuse(&cannot),
            }
        }
        // Whoever read it has gone where it fails.
        None => runtime.block_on(tell(cli, out)).unwrap_or(false),
    };
    if passes { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn tell(cli: &Cli, out: &mut impl Write) -> io::Result<bool> {
    let has = |name: &str| cli.names.iter().any(|asked| asked == name);
    if has("list") {
        for Drill { name, proves, .. } in &DRILLS {
            writeln!(out, "{name}\n    {proves}")?;
        }
        return Ok(true);
    }
    let usual = if cli.short { Load::SHORT } else { Load::FULL };
    let load = Load { around: cli.around.map_or(usual.around, Duration::from_secs), ..cli.sizes.load(usual) };
    writeln!(out, "{Head}")?;
    let mut all_pass = true;
    for drill in DRILLS.iter().filter(|drill| has("all") || has(drill.name)) {
        let report = drill.run(load).await;
        writeln!(out, "{}", Row(&report))?;
        out.flush()?;
        all_pass &= report.passes();
    }
    Ok(all_pass)
}

fn refuse(error: &dyn std::error::Error) -> ExitCode {
    // Nobody is left to be told where it fails.
    let _ = writeln!(io::stderr(), "{error}");
    ExitCode::FAILURE
}

/// As many as anybody may have: each page is a socket here and one at its gateway, which inherits this.
fn allow_many_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // With fewer, a smaller load can still do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
