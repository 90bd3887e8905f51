//! How a drill is run.

use std::time::Instant;

use futures_util::future::LocalBoxFuture;

use super::{
    environment::{ClusterShape, DrillEnvironment},
    load::Load,
    people::People,
    report::{DrillCheck, DrillReport},
};
use crate::{faults::FaultyRedis, ledger::Tally};

pub struct Drill {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it proves.
    pub proves: &'static str,
    pub(super) run: fn(Load) -> LocalBoxFuture<'static, DrillResult>,
}

pub(super) struct DrillResult {
    tally: Tally,
    checks: Vec<DrillCheck>,
}

impl Drill {
    /// Starts all processes, breaks something under this load, and ends all processes.
    pub async fn run(&self, load: Load) -> DrillReport {
        let began = Instant::now();
        let DrillResult { tally, checks } = (self.run)(load).await;
        DrillReport { name: self.name, tally, checks, took: began.elapsed() }
    }
}

/// Runs the load around a new Redis, while `fault` breaks something.
pub(super) async fn run_drill<R: FaultyRedis>(
    load: Load,
    shape: ClusterShape,
    fault: impl AsyncFnOnce(&mut DrillEnvironment<R>),
) -> DrillResult {
    run_drill_around(R::start().await, load, shape, fault).await
}

/// Runs the load around this Redis, while `fault` breaks something.
pub(super) async fn run_drill_around<R: FaultyRedis>(
    redis: R,
    load: Load,
    shape: ClusterShape,
    fault: impl AsyncFnOnce(&mut DrillEnvironment<R>),
) -> DrillResult {
    let mut environment = DrillEnvironment::start(load, shape, redis).await;
    let people = People::new(environment.crowd.clone(), environment.phones(), load);
    let breaking = async {
        tokio::time::sleep(load.around).await;
        fault(&mut environment).await;
        tokio::time::sleep(load.around).await;
    };
    people.log_in_during(breaking).await;
    let tally = people.tally().await;
    environment.check("somebody was logged in", tally.delivered > 0);
    DrillResult { tally, checks: environment.into_checks() }
}
