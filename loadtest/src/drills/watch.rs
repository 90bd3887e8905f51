//! Logins at a cluster that somebody else runs, while its operator breaks something.

use std::{
    convert::Infallible,
    io::{self, Write},
    time::{Duration, Instant},
};

use super::{
    load::Load,
    people::People,
    report::DrillReport,
    table::{TableHeader, TableRow},
};
use crate::given_cluster::{GivenCluster, WatchTarget, WatchTargetError};

/// How often a row is printed.
const ROW_INTERVAL: Duration = Duration::from_secs(10);

/// Why a watch can't start or go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    /// The cluster can't be used.
    #[error(transparent)]
    Target(#[from] WatchTargetError),
    /// The table can't be written.
    #[error("the table can't be written: {0}")]
    Write(#[from] io::Error),
}

/// Lets people log in for this time, or until Ctrl-C. Answers whether no login was lost, doubled or mixed up.
pub(super) async fn watch(
    target: WatchTarget,
    load: Load,
    time: Option<Duration>,
    out: &mut impl Write,
) -> Result<bool, WatchError> {
    let began = Instant::now();
    let cluster = GivenCluster::open(target).await?;
    let people = People::gather_at(&cluster, load);
    let report = |tally| DrillReport { name: "watch", tally, checks: vec![], took: began.elapsed() };
    writeln!(out, "{TableHeader}")?;
    let rows = async {
        tokio::select! {
            Err(error) = print_rows(out, || report(people.tally_now())) => Err(error),
            _ = tokio::signal::ctrl_c() => Ok(()),
            () = tokio::time::sleep(time.unwrap_or(Duration::MAX)) => Ok(()),
        }
    };
    people.log_in_during(rows).await?;
    let report = report(people.tally().await);
    writeln!(out, "{}", TableRow(&report))?;
    Ok(report.passes())
}

/// Prints a row at each interval. Returns only if that fails.
async fn print_rows(out: &mut impl Write, report: impl Fn() -> DrillReport) -> io::Result<Infallible> {
    let mut ticks = tokio::time::interval(ROW_INTERVAL);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        writeln!(out, "{}", TableRow(&report()))?;
        out.flush()?;
    }
}
