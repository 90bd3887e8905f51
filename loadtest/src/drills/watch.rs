//! Logins at a cluster that somebody else runs, while its operator breaks something.

use std::{
    convert::Infallible,
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    drill::DELIVERED_WITHIN,
    load::Load,
    report::DrillReport,
    table::{TableHeader, TableRow},
};
use crate::{
    crowd::{Crowd, CrowdConfig, Phones, ReadyPods, SiteBackend},
    given_cluster::{GivenCluster, WatchTarget, WatchTargetError},
};

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
    let config = CrowdConfig {
        gateways: ReadyPods::fixed(cluster.gateways),
        site: SiteBackend::new(ReadyPods::fixed(cluster.callbacks), cluster.api_key.text().to_owned()),
        account: cluster.account.clone(),
        origin: cluster.origin,
        restless: true,
    };
    let crowd = Arc::new(Crowd::gather(config, load.pages));
    let phones = Phones::new(cluster.simulator, cluster.account, cluster.words, load.think_time());
    let report = || {
        let tally = crowd.ledger().tally(load.late_after);
        DrillReport { name: "watch", tally, checks: vec![], took: began.elapsed() }
    };

    writeln!(out, "{TableHeader}")?;
    tokio::select! {
        () = crowd.scan(&phones, load.rate) => {}
        Err(error) = print_rows(out, &report) => return Err(error.into()),
        _ = tokio::signal::ctrl_c() => {}
        () = tokio::time::sleep(time.unwrap_or(Duration::MAX)) => {}
    }
    phones.wait_until_done().await;
    crowd.wait_for_deliveries(DELIVERED_WITHIN).await;
    crowd.redeem_again().await;
    let report = report();
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
