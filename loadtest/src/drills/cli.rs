//! `scenecast-loadtest drill …`: lists drills, runs them, and watches logins at somebody else's cluster.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use scenecast_service::{config, process::environment};

use super::{
    catalog::DRILLS,
    drill::Drill,
    load::Load,
    table::{TableHeader, TableRow},
    watch::watch,
};
use crate::{given_cluster::WatchTarget, health::raise_descriptor_limit};

/// Arguments of `scenecast-loadtest drill`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct DrillCli {
    #[command(subcommand)]
    command: Option<DrillCommand>,
    /// Names of drills to run; `all` runs every drill, `list` says what each one proves
    #[arg(required = true, value_name = "NAME", hide_possible_values = true, value_parser = names())]
    names: Vec<String>,
    /// Use a smaller load and shorter faults: all drills take about ten minutes
    #[arg(long)]
    short: bool,
    /// How long the load runs before the fault and again after it, in seconds
    #[arg(long, value_name = "SECONDS")]
    around: Option<u64>,
    #[command(flatten)]
    load: LoadOptions,
}

#[derive(Debug, Subcommand)]
enum DrillCommand {
    /// Let people log in at your own cluster, and record what becomes of each login while you break something
    Watch {
        /// The configuration file that describes the cluster
        #[arg(long, value_name = "FILE")]
        target: PathBuf,
        /// How long to watch, in seconds; without it, until Ctrl-C
        #[arg(long = "for", value_name = "SECONDS")]
        time: Option<u64>,
        #[command(flatten)]
        load: LoadOptions,
    },
}

#[derive(Debug, Args)]
struct LoadOptions {
    /// How many pages wait at a time
    #[arg(long)]
    pages: Option<u32>,
    /// How many people scan per second
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// A login is late if its page learns of it this many milliseconds after its phone
    #[arg(long, value_name = "MILLISECONDS")]
    late: Option<u64>,
}

impl LoadOptions {
    fn apply(&self, usual: Load) -> Load {
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
    text.parse().ok().filter(|rate| (0.01..=10_000.0).contains(rate)).ok_or("must be a number from 0.01 to 10000")
}

/// Runs the command. Fails if a drill fails.
pub fn run(cli: &DrillCli) -> ExitCode {
    // Each page is a socket in this process and one in its gateway, which inherits the limit. If it fails, a small load may
    // still work.
    let _ = raise_descriptor_limit();
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let out = &mut io::stdout().lock();
    let passes = match &cli.command {
        Some(DrillCommand::Watch { target, time, load }) => {
            let target: WatchTarget = match config::load(Some(target), environment()) {
                Ok(target) => target,
                Err(error) => return fail(&error),
            };
            let time = time.map(Duration::from_secs);
            match runtime.block_on(watch(target, load.apply(Load::FULL), time, out)) {
                Ok(passes) => passes,
                Err(error) => return fail(&error),
            }
        }
        // It fails if stdout is closed. Then nobody reads the table.
        None => runtime.block_on(list_or_run(cli, out)).unwrap_or(false),
    };
    if passes { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn list_or_run(cli: &DrillCli, out: &mut impl Write) -> io::Result<bool> {
    let has = |name: &str| cli.names.iter().any(|chosen| chosen == name);
    if has("list") {
        for Drill { name, proves, .. } in &DRILLS {
            writeln!(out, "{name}\n    {proves}")?;
        }
        return Ok(true);
    }
    let usual = if cli.short { Load::SHORT } else { Load::FULL };
    let load = Load { around: cli.around.map_or(usual.around, Duration::from_secs), ..cli.load.apply(usual) };
    writeln!(out, "{TableHeader}")?;
    let mut all_pass = true;
    for drill in DRILLS.iter().filter(|drill| has("all") || has(drill.name)) {
        let report = drill.run(load).await;
        writeln!(out, "{}", TableRow(&report))?;
        out.flush()?;
        all_pass &= report.passes();
    }
    Ok(all_pass)
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    // It fails if stderr is closed. Then nobody reads the error.
    let _ = writeln!(io::stderr(), "{error}");
    ExitCode::FAILURE
}
