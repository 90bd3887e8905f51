//! Whether this machine has room for a run, before anything starts.

use std::io::{self, Write};

use super::{cli::RunCli, error::RunError, place::gateway_count, worker_options::RunPart};
use crate::{
    health::{
        PreflightNeeds, PreflightTable, Shortage, descriptors, free_memory, host_info, open_files, port_range,
        shortages, tracked_connections,
    },
    plan::{LoginPlan, Segment},
    targets::SourceAddresses,
};

/// What a run needs of this machine. Workers that somebody else starts have their own.
fn needs(cli: &RunCli, plan: &LoginPlan, part: &RunPart) -> Result<PreflightNeeds, RunError> {
    let own_gateways = if cli.cluster.target.is_some() { 0 } else { cli.cluster.gateways };
    let (shares, workers) = match part {
        RunPart::Coordinator { workers, starts_them: true } => (*workers, *workers),
        RunPart::Coordinator { workers, starts_them: false } => (*workers, 1),
        RunPart::Alone | RunPart::Worker { .. } => (1, 1),
    };
    let pages = u64::from(plan.pages).div_ceil(shares.into());
    Ok(PreflightNeeds {
        pages,
        workers: workers.into(),
        own_gateways: own_gateways.into(),
        pages_per_path: pages_per_path(pages, workers, gateway_count(cli)?, cli.cluster.sources),
        descriptors: descriptors().1,
        ports: port_range(),
        memory: free_memory().unwrap_or(u64::MAX),
        open_files: open_files(),
        tracked: tracked_connections(),
    })
}

/// Prints what a run needs of this machine and what it has. Answers whether that is enough.
pub(super) fn print_needs(cli: &RunCli, plan: &LoginPlan, part: &RunPart) -> Result<bool, RunError> {
    let needs = needs(cli, plan, part)?;
    let table = PreflightTable {
        needs,
        opens_per_second: plan.opens_per_second,
        logins_per_second: plan.rate.peak(),
        cpus: host_info().cpus,
    };
    let short = shortages(needs);
    let texts = short.iter().fold(String::new(), |text, shortage| text + &format!("\n{shortage}"));
    // It fails if stdout is closed. Then nobody reads it.
    let _ = writeln!(io::stdout(), "{table}{texts}");
    Ok(short.is_empty())
}

/// Refuses a run in which something would run out.
pub(super) fn check_room(cli: &RunCli, plan: &LoginPlan, part: &RunPart) -> Result<(), RunError> {
    if matches!(part, RunPart::Coordinator { starts_them: false, .. }) {
        return Ok(());
    }
    refuse(&shortages(needs(cli, plan, part)?), cli.force)
}

/// Refuses the segment of a worker in which something would run out. Answers how many of its pages connect to one address,
/// from one source address. (Whether memory is enough for all workers of a machine, their coordinator has checked.)
pub(super) fn check_worker(
    plan: &LoginPlan,
    segment: Segment,
    gateways: usize,
    sources: SourceAddresses,
    is_forced: bool,
) -> Result<u64, RunError> {
    let pages = segment.share_of(plan.pages).into();
    let pages_per_path = pages_per_path(pages, segment.of(), gateways, sources.count());
    let needs = PreflightNeeds {
        pages,
        workers: 1,
        own_gateways: 0,
        pages_per_path,
        descriptors: descriptors().1,
        ports: port_range(),
        memory: free_memory().unwrap_or(u64::MAX),
        open_files: open_files(),
        tracked: tracked_connections(),
    };
    refuse(&shortages(needs), is_forced)?;
    Ok(pages_per_path)
}

fn refuse(shortages: &[Shortage], is_forced: bool) -> Result<(), RunError> {
    if shortages.is_empty() || is_forced {
        return Ok(());
    }
    Err(RunError::Shortage(shortages.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
}

/// How many of a worker's pages connect to one address, from one source address. Its pages have each `workers`-th number,
/// and page `n` goes to gateway `n` modulo `gateways`, so a worker doesn't reach every gateway if both have a common divisor.
pub(super) fn pages_per_path(pages: u64, workers: u32, gateways: usize, sources: u32) -> u64 {
    let gateways = u64::try_from(gateways).unwrap_or(1).max(1);
    let reached = gateways / greatest_common_divisor(gateways, workers.into());
    pages.div_ceil(reached * u64::from(sources.max(1)))
}

fn greatest_common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_a_path_are_counted_where_a_worker_reaches_few_gateways() {
        for (pages, workers, gateways, sources, expected) in [
            (1000, 1, 1, 1, 1000),
            (1000, 1, 4, 5, 50),
            // Worker 3 of 10 has pages 3, 13, 23, …, and all go to gateway 3 of 10.
            (19_000, 10, 10, 16, 1188),
            (19_000, 11, 10, 16, 119),
            (18_519, 54, 54, 1, 18_519),
        ] {
            assert_eq!(pages_per_path(pages, workers, gateways, sources), expected, "{workers} {gateways}");
        }
    }
}
