//! `scenecast-loadtest drill …`: lists drills, runs them, and watches logins at somebody else's cluster.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand, ValueEnum, builder::PossibleValuesParser};
use scenecast_service::{
    config::{self, ConfigError},
    process::environment,
};

use super::{
    catalog::DRILLS,
    drill::Drill,
    kubernetes::{KUBERNETES_DRILLS, KubernetesDrill, KubernetesOptions},
    load::Load,
    report::DrillReport,
    table::{TableHeader, TableRow},
    watch::{WatchError, watch},
};
use crate::{
    given_cluster::{GivenCluster, WatchTargetError},
    health::raise_descriptor_limit,
};

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
    /// Where to run them: processes that this program starts, or a Kubernetes that already runs
    #[arg(long, value_enum, default_value_t = DrillCluster::Processes)]
    cluster: DrillCluster,
    /// The configuration file that describes what runs in Kubernetes
    #[arg(long, value_name = "FILE", required_if_eq("cluster", "k8s"))]
    target: Option<PathBuf>,
    /// How long the load runs before the fault and again after it, in seconds
    #[arg(long, value_name = "SECONDS")]
    around: Option<u64>,
    #[command(flatten)]
    kubernetes: KubernetesOptions,
    #[command(flatten)]
    load: LoadOptions,
}

/// Where drills are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DrillCluster {
    Processes,
    K8s,
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
    let drills = DRILLS.iter().map(|drill| drill.name).chain(KUBERNETES_DRILLS.iter().map(|drill| drill.name));
    PossibleValuesParser::new(["list", "all"].into_iter().chain(drills))
}

fn rate(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|rate| (0.01..=10_000.0).contains(rate)).ok_or("must be a number from 0.01 to 10000")
}

/// Why drills can't start, or can't go on.
#[derive(Debug, thiserror::Error)]
enum DrillCliError {
    #[error(transparent)]
    Settings(#[from] ConfigError),
    #[error(transparent)]
    Target(#[from] WatchTargetError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error("{0} is a drill of another --cluster; `drill list` says of which")]
    OtherCluster(String),
    #[error("the drill {drill} needs {options}")]
    MissingOptions { drill: &'static str, options: &'static str },
    #[error("the table can't be written: {0}")]
    Write(#[from] io::Error),
}

/// Runs the command. Fails if a drill fails.
pub fn run(cli: &DrillCli) -> ExitCode {
    // Each page is a socket in this process and one in its gateway, which inherits the limit. If it fails, a small load may
    // still work.
    let _ = raise_descriptor_limit();
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    match runtime.block_on(cli.execute(&mut io::stdout().lock())) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // It fails if stderr is closed. Then nobody reads the error.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

impl DrillCli {
    /// Answers whether all drills pass.
    async fn execute(&self, out: &mut impl Write) -> Result<bool, DrillCliError> {
        if let Some(DrillCommand::Watch { target, time, load }) = &self.command {
            let target = config::load(Some(target), environment())?;
            return Ok(watch(target, load.apply(Load::FULL), time.map(Duration::from_secs), out).await?);
        }
        if self.chooses("list") {
            list(out)?;
            return Ok(true);
        }
        match self.cluster {
            DrillCluster::Processes => self.run_processes(out).await,
            DrillCluster::K8s => self.run_kubernetes(out).await,
        }
    }

    async fn run_processes(&self, out: &mut impl Write) -> Result<bool, DrillCliError> {
        self.refuse_drills_of_another_cluster(DRILLS.each_ref().map(|drill| drill.name))?;
        writeln!(out, "{TableHeader}")?;
        let mut all_pass = true;
        for drill in DRILLS.iter().filter(|drill| self.chooses("all") || self.chooses(drill.name)) {
            all_pass &= print(out, &drill.run(self.load()).await)?;
        }
        Ok(all_pass)
    }

    async fn run_kubernetes(&self, out: &mut impl Write) -> Result<bool, DrillCliError> {
        self.refuse_drills_of_another_cluster(KUBERNETES_DRILLS.each_ref().map(|drill| drill.name))?;
        let mut drills = vec![];
        for drill in &KUBERNETES_DRILLS {
            match drill.missing_options(&self.kubernetes) {
                None if self.chooses("all") || self.chooses(drill.name) => drills.push(drill),
                Some(options) if self.chooses(drill.name) => {
                    return Err(DrillCliError::MissingOptions { drill: drill.name, options });
                }
                Some(options) if self.chooses("all") => {
                    writeln!(out, "{} is left out: it needs {options}", drill.name)?;
                }
                None | Some(_) => {}
            }
        }
        let target = GivenCluster::open(config::load(self.target.as_deref(), environment())?).await?;
        writeln!(out, "{TableHeader}")?;
        let mut all_pass = true;
        for drill in drills {
            all_pass &= print(out, &drill.run(&self.kubernetes, &target, self.load()).await)?;
        }
        Ok(all_pass)
    }

    fn refuse_drills_of_another_cluster<const N: usize>(&self, these: [&str; N]) -> Result<(), DrillCliError> {
        let other = self.names.iter().find(|name| *name != "all" && !these.contains(&name.as_str()));
        other.map_or(Ok(()), |name| Err(DrillCliError::OtherCluster(name.clone())))
    }

    fn chooses(&self, name: &str) -> bool {
        self.names.iter().any(|chosen| chosen == name)
    }

    fn load(&self) -> Load {
        let usual = if self.short { Load::SHORT } else { Load::FULL };
        Load { around: self.around.map_or(usual.around, Duration::from_secs), ..self.load.apply(usual) }
    }
}

fn list(out: &mut impl Write) -> io::Result<()> {
    for Drill { name, proves, .. } in &DRILLS {
        writeln!(out, "{name}\n    {proves}")?;
    }
    writeln!(out, "\nWith --cluster k8s, at a Kubernetes that already runs:\n")?;
    for KubernetesDrill { name, proves, .. } in &KUBERNETES_DRILLS {
        writeln!(out, "{name}\n    {proves}")?;
    }
    Ok(())
}

/// Prints the row of a drill at once. Answers whether it passes.
fn print(out: &mut impl Write, report: &DrillReport) -> io::Result<bool> {
    writeln!(out, "{}", TableRow(report))?;
    out.flush()?;
    Ok(report.passes())
}
