//! A worker's side of the two streams: it tells its coordinator what is new, and learns what to do.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::error::RunError;
use crate::workers::{Order, RunOffer, RunStreams, RunStreamsError, WorkerNews, WorkerReport};

/// How often a worker looks for orders.
pub(super) const ORDER_POLL: Duration = Duration::from_millis(200);
/// The pause after a failure of the coordinator's Redis.
const PAUSE: Duration = Duration::from_millis(200);

/// What a worker needs to tell its coordinator.
pub(super) struct Reporter {
    pub(super) streams: RunStreams,
    pub(super) worker: u32,
    pub(super) process: u64,
    /// How many reports it has sent.
    pub(super) sent: u64,
    /// When the coordinator's Redis answered last.
    pub(super) answered: Instant,
    /// Whether the coordinator is there.
    pub(super) has_coordinator: bool,
    /// After so long without the coordinator's Redis a worker gives up.
    pub(super) silent: Duration,
}

/// What a worker found of its coordinator's orders while it runs.
pub(super) struct Orders {
    pub(super) start: Option<u64>,
    /// Gates and when they open.
    pub(super) pass: Vec<(u32, u64)>,
    pub(super) stop: Option<String>,
}

impl Reporter {
    /// Waits for the coordinator's offer.
    pub(super) async fn offer(&mut self, within: Duration, stop: &CancellationToken) -> Result<RunOffer, RunError> {
        let until = Instant::now() + within;
        let mut last_error = None;
        while Instant::now() < until && !stop.is_cancelled() {
            match self.streams.new_orders().await {
                Ok(orders) => {
                    let mut offered = None;
                    for order in orders {
                        match order {
                            Order::Offer(offer) => offered = Some(*offer),
                            // This worker comes too late.
                            Order::Stop { why } => return Err(RunError::CalledOff(why)),
                            Order::Start { .. } | Order::Pass { .. } => {}
                        }
                    }
                    if let Some(offer) = offered {
                        return Ok(offer);
                    }
                }
                Err(error @ RunStreamsError::Entry { .. }) => return Err(error.into()),
                Err(error) => last_error = Some(error),
            }
            sleep(ORDER_POLL).await;
        }
        let why = last_error.map(|error| format!(": {error}")).unwrap_or_default();
        Err(RunError::Absent(format!("no coordinator offered a run within {:.0} s{why}", within.as_secs_f64())))
    }

    /// Waits for the start.
    pub(super) async fn start(&mut self, within: Duration, stop: &CancellationToken) -> Result<Instant, RunError> {
        let until = Instant::now() + within;
        while Instant::now() < until && !stop.is_cancelled() {
            let orders = self.orders().await;
            if let Some(why) = orders.stop {
                return Err(RunError::CalledOff(why));
            }
            if let Some(at_us) = orders.start {
                return Ok(self.streams.instant_of(at_us).await?);
            }
            sleep(ORDER_POLL).await;
        }
        Err(RunError::Absent(format!("the run didn't start within {:.0} s", within.as_secs_f64())))
    }

    /// The orders since the last call; none if the coordinator's Redis doesn't answer.
    pub(super) async fn orders(&mut self) -> Orders {
        let mut orders = Orders { start: None, pass: vec![], stop: None };
        let Ok(new) = self.streams.new_orders().await else { return orders };
        self.answered = Instant::now();
        for order in new {
            match order {
                Order::Offer(_) => {}
                Order::Start { at_us } => orders.start = Some(at_us),
                Order::Pass { gate, at_us } => orders.pass.push((gate, at_us)),
                Order::Stop { why } => orders.stop = Some(why),
            }
        }
        orders
    }

    pub(super) async fn report(&mut self, news: WorkerNews) -> Result<(), RunStreamsError> {
        let report = WorkerReport { worker: self.worker, process: self.process, number: self.sent, news };
        self.streams.report(&report).await?;
        self.sent += 1;
        self.answered = Instant::now();
        Ok(())
    }

    /// Reports, however often that takes, while somebody may still listen.
    pub(super) async fn report_surely(&mut self, news: WorkerNews) -> Result<(), RunError> {
        loop {
            match self.report(news.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) if self.is_cut_off() => return Err(error.into()),
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    /// Why nobody learns of this worker, if so.
    pub(super) fn is_alone(&self) -> Option<&'static str> {
        if !self.has_coordinator {
            return Some("the coordinator is gone");
        }
        self.is_cut_off().then_some("the coordinator's Redis doesn't answer")
    }

    pub(super) fn is_cut_off(&self) -> bool {
        self.answered.elapsed() > self.silent
    }
}
