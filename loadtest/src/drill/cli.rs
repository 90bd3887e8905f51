//! `scenecast-loadtest drill …`: the list of drills, and any of them.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, builder::PossibleValuesParser};

use super::{
    DRILLS, Drill, Load,
    table::{Head, Row},
};

/// Drills.
#[derive(Debug, Args)]
pub struct Cli {
    /// `list` says what each proves, `all` runs every one; or the names of some
    #[arg(required = true, value_name = "NAME", hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["list", "all"].into_iter().chain(DRILLS.iter().map(|drill| drill.name))))]
    names: Vec<String>,
    /// A smaller load and shorter faults: a few minutes for all
    #[arg(long)]
    short: bool,
    /// Pages that wait at a time
    #[arg(long)]
    pages: Option<u32>,
    /// People who scan, a second
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// How long the load goes on before the fault and again after it, in seconds
    #[arg(long, value_name = "SECONDS")]
    around: Option<u64>,
    /// From when on a login is late, in milliseconds after the phone was told
    #[arg(long, value_name = "MILLISECONDS")]
    late: Option<u64>,
}

impl Cli {
    fn load(&self) -> Load {
        let usual = if self.short { Load::SHORT } else { Load::FULL };
        Load {
            pages: self.pages.unwrap_or(usual.pages),
            rate: self.rate.unwrap_or(usual.rate),
            around: self.around.map_or(usual.around, Duration::from_secs),
            late_after: self.late.map_or(usual.late_after, Duration::from_millis),
            short: self.short,
        }
    }
}

fn rate(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|rate| (0.01..=10_000.0).contains(rate)).ok_or("not a number from 0.01 to 10000")
}

/// Does what the command line says. It fails if any drill did.
pub fn run(cli: &Cli) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    match runtime.block_on(tell(cli, &mut io::stdout().lock())) {
        Ok(true) => ExitCode::SUCCESS,
        // Whoever read it has gone.
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

async fn tell(cli: &Cli, out: &mut impl Write) -> io::Result<bool> {
    let has = |name: &str| cli.names.iter().any(|asked| asked == name);
    if has("list") {
        for Drill { name, proves, .. } in &DRILLS {
            writeln!(out, "{name}\n    {proves}")?;
        }
        return Ok(true);
    }
    writeln!(out, "{Head}")?;
    let mut all_pass = true;
    for drill in DRILLS.iter().filter(|drill| has("all") || has(drill.name)) {
        let report = drill.run(cli.load()).await;
        writeln!(out, "{}", Row(&report))?;
        out.flush()?;
        all_pass &= report.passes();
    }
    Ok(all_pass)
}
