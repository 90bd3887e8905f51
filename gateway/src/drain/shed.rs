//! Counts this pod's pages in the census, and releases the pages beyond its share of the fleet's.

use std::{future::pending, time::Duration};

use scenecast_bus::{Census, GatewayReport, GatewayReports, StoreError};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    balance::{Balancer, FleetView},
    pacer::TICK,
    queue::{DrainClass, DrainQueue},
};

/// How often a pod looks at the fleet. Random, so that the pods don't act at the same moment.
const CENSUS_INTERVAL: std::ops::Range<Duration> = Duration::from_secs(4)..Duration::from_secs(6);
/// What this pod reports as its version.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The pages that may be shed: they reconnect by themselves, and nobody is about to confirm.
const SHEDDABLE: DrainClass = DrainClass { reconnects: true, scanned: false };

/// Reports this pod's pages to the census for as long as it is polled, and releases its excess if `sheds`.
pub(crate) async fn shed_excess(queue: &DrainQueue, mut census: Census, sheds: bool) {
    let shutdown = queue.shutdown();
    let began = Instant::now();
    let mut balancer = Balancer::new();
    let mut is_reported = true;
    loop {
        if shutdown.is_closing() && queue.reconnecting_pages() == 0 {
            // The pages that are left may stay for an hour and go to no other pod, so the fleet need not wait.
            return pending().await;
        }
        let report =
            GatewayReport { held: queue.pages(), version: VERSION.to_owned(), leaving: shutdown.is_shutting_down() };
        let reports = census.report(&report).await;
        log_change(&reports, is_reported);
        is_reported = reports.is_ok();
        let fleet = reports.ok().and_then(FleetView::from_reports);
        balancer.observe(fleet.filter(|_| sheds), queue.pages(), began.elapsed());
        let next_report = Instant::now() + rand::random_range(CENSUS_INTERVAL);
        if balancer.is_shedding() {
            while balancer.is_shedding() && Instant::now() < next_report && !shutdown.is_shutting_down() {
                queue.release(SHEDDABLE, balancer.due(queue.pages(), began.elapsed()));
                sleep(TICK).await;
            }
            // A page that joins later must not use what is left of these releases.
            queue.release(SHEDDABLE, 0);
        }
        sleep_until(next_report).await;
    }
}

/// Logs when reports to the census begin to fail, and when they work again.
fn log_change(reports: &Result<GatewayReports, StoreError>, was_reported: bool) {
    match reports {
        Err(error) if was_reported && error.is_outage() => tracing::info!(
            "this gateway moves no pages to other gateways while Redis gives no answer: it can't report its own"
        ),
        Err(error) if was_reported => tracing::warn!(
            %error,
            "this gateway can't report its pages to Redis (census:*), so it moves no pages to other gateways; check \
             that the gateway's Redis user may write census:*"
        ),
        Ok(_) if !was_reported => tracing::info!("this gateway reports its pages to Redis again"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use scenecast_service::{config::DrainConfig, shutdown::Shutdown};
    use tokio::task::JoinSet;

    use super::*;

    /// Pods of one fleet. Each page that is released goes to a random pod.
    struct Pods {
        census: Census,
        queues: Vec<DrainQueue>,
        tasks: JoinSet<()>,
    }

    fn queue() -> DrainQueue {
        DrainQueue::new(Shutdown::new(DrainConfig::default()))
    }

    impl Pods {
        /// A pod for each number of pages, which are all of this class.
        fn with_pages(pages: &[usize], class: DrainClass, sheds: bool) -> Self {
            let census = Census::in_memory();
            let queues: Vec<_> = pages.iter().map(|_| queue()).collect();
            let mut tasks = JoinSet::new();
            for (pod, pages) in pages.iter().enumerate() {
                let own = queues[pod].clone();
                let census = census.another();
                tasks.spawn(async move { shed_excess(&own, census, sheds).await });
                for _ in 0..*pages {
                    tasks.spawn(show_page(queues.clone(), pod, class));
                }
            }
            Self { census, queues, tasks }
        }

        /// One more pod, which shuts down, and has one page of this class until the page may go.
        fn with_leaving_pod(mut self, class: DrainClass) -> Self {
            let census = self.census.another();
            let shutdown = Shutdown::new(DrainConfig::default());
            let queue = DrainQueue::new(shutdown.clone());
            let ticket = queue.join(class);
            self.tasks.spawn(async move { shutdown.shut_down().await });
            self.tasks.spawn(async move {
                shed_excess(&queue, census, true).await;
                drop(ticket);
            });
            self
        }

        /// How many pages each pod has after so long.
        async fn after(&self, seconds: u64) -> Vec<usize> {
            sleep(Duration::from_secs(seconds)).await;
            self.queues.iter().map(DrainQueue::pages).collect()
        }
    }

    /// A page that goes to a random pod whenever it is released.
    async fn show_page(pods: Vec<DrainQueue>, mut pod: usize, class: DrainClass) {
        loop {
            let ticket = pods[pod].join(class);
            pods[pod].released(ticket.class()).await;
            pod = rand::random_range(0..pods.len());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_has_all_pages_sheds_down_to_its_share_slowly() {
        let pods = Pods::with_pages(&[600, 0, 0], SHEDDABLE, true);
        assert_eq!(pods.after(10).await, [600, 0, 0], "the fleet may be in the middle of a rollout");
        let soon = pods.after(20).await;
        assert!((400..600).contains(&soon[0]), "one page in a hundred a second: {soon:?}");
        let later = pods.after(1800).await;
        assert!(later.iter().all(|held| (100..=290).contains(held)), "{later:?}");
        assert_eq!(pods.after(3600).await, later, "nothing moves once the fleet is balanced");
    }

    #[tokio::test(start_paused = true)]
    async fn scanned_pages_and_pages_that_do_not_reconnect_are_never_shed() {
        for class in [DrainClass { scanned: true, ..SHEDDABLE }, DrainClass { reconnects: false, ..SHEDDABLE }] {
            assert_eq!(Pods::with_pages(&[600, 0, 0], class, true).after(600).await, [600, 0, 0], "{class:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_fleet_waits_for_a_leaving_pod_until_it_has_only_pages_that_do_not_reconnect() {
        let staying = DrainClass { reconnects: false, ..SHEDDABLE };
        let pods = Pods::with_pages(&[600, 0, 0], SHEDDABLE, true).with_leaving_pod(SHEDDABLE);
        assert_eq!(pods.after(600).await, [600, 0, 0]);
        let pods = Pods::with_pages(&[600, 0, 0], SHEDDABLE, true).with_leaving_pod(staying);
        let later = pods.after(1800).await;
        assert!(later.iter().all(|held| (100..=290).contains(held)), "{later:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn shedding_can_be_turned_off() {
        assert_eq!(Pods::with_pages(&[600, 0, 0], SHEDDABLE, false).after(600).await, [600, 0, 0]);
    }
}
