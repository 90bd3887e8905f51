//! Sheds what this pod holds beyond its share: counts itself in the census, and gives turns to pages to go.

use std::{future::pending, time::Duration};

use scenecast_shared::{
    serve::Shutdown,
    store::{Census, Report, Reports, StoreError},
};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    balance::{Balance, Fleet},
    turns::{Line, TICK, Turns},
};

/// How often the fleet is looked at: spread, so that its pods don't act at one moment.
const LOOK: std::ops::Range<Duration> = Duration::from_secs(4)..Duration::from_secs(6);
/// What this pod is, for the others.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The pages that are shed: they come back by themselves, and nobody is about to confirm.
const IDLE: Line = Line { comes_back: true, scanned: false };

/// Counts this pod's pages for the fleet for as long as it is polled, and has its excess go if `sheds`.
pub(crate) async fn keep_balance(turns: &Turns, mut census: Census, shutdown: &Shutdown, sheds: bool) {
    let began = Instant::now();
    let (mut balance, mut is_counted) = (Balance::new(), true);
    loop {
        if shutdown.is_closing() && turns.coming_back() == 0 {
            // Who is left here may stay for an hour, and goes nowhere: the fleet needn't wait for that.
            return pending().await;
        }
        let leaving = shutdown.is_leaving();
        let report = Report { held: turns.held(), version: VERSION.to_owned(), leaving };
        let said = census.tell(&report).await;
        note(&said, &mut is_counted);
        let fleet = said.ok().and_then(Fleet::of);
        balance.hear(fleet.filter(|_| sheds), turns.held(), began.elapsed());
        let next_look = Instant::now() + rand::random_range(LOOK);
        if balance.is_shedding() {
            while balance.is_shedding() && Instant::now() < next_look && !shutdown.is_leaving() {
                turns.give(IDLE, balance.due(turns.held(), began.elapsed()));
                sleep(TICK).await;
            }
            // Turns that nobody took aren't for those who come later.
            turns.give(IDLE, 0);
        }
        sleep_until(next_look).await;
    }
}

/// Says in the log when that changes whether the pods are counted.
fn note(said: &Result<Reports, StoreError>, is_counted: &mut bool) {
    match said {
        Err(error) if *is_counted => tracing::warn!(%error, "the gateways aren't counted; no pages are shed"),
        Ok(_) if !*is_counted => tracing::info!("the gateways are counted again"),
        _ => {}
    }
    *is_counted = said.is_ok();
}

#[cfg(test)]
mod tests {
    use scenecast_shared::{config::Drain, store::Store};
    use tokio::task::JoinSet;

    use super::*;

    /// Pods of one fleet, whose pages go where chance sends them when it is their turn.
    struct Pods {
        store: Store,
        turns: Vec<Turns>,
        tasks: JoinSet<()>,
    }

    impl Pods {
        /// As many pages in each pod as it says, all in this line.
        fn holding(pages: &[usize], line: Line, sheds: bool) -> Self {
            let store = Store::over(None);
            let turns: Vec<_> = pages.iter().map(|_| Turns::new()).collect();
            let mut tasks = JoinSet::new();
            for (pod, pages) in pages.iter().enumerate() {
                let (own, census) = (turns[pod].clone(), Census::new(store.clone()));
                tasks.spawn(async move {
                    keep_balance(&own, census, &Shutdown::new(Drain::default()), sheds).await;
                });
                for _ in 0..*pages {
                    tasks.spawn(show(turns.clone(), pod, line));
                }
            }
            Self { store, turns, tasks }
        }

        /// One more pod, which leaves, and holds one page in this line until it may go.
        fn leaving(mut self, line: Line) -> Self {
            let (turns, census) = (Turns::new(), Census::new(self.store.clone()));
            let (shutdown, in_line) = (Shutdown::new(Drain::default()), turns.join(line));
            let leaves = shutdown.clone();
            self.tasks.spawn(async move { leaves.leave().await });
            self.tasks.spawn(async move {
                keep_balance(&turns, census, &shutdown, true).await;
                drop(in_line);
            });
            self
        }

        /// What each holds after so long.
        async fn after(&self, seconds: u64) -> Vec<usize> {
            sleep(Duration::from_secs(seconds)).await;
            self.turns.iter().map(Turns::held).collect()
        }
    }

    /// A page that goes elsewhere whenever it has to.
    async fn show(pods: Vec<Turns>, mut pod: usize, line: Line) {
        loop {
            let in_line = pods[pod].join(line);
            pods[pod].turn(in_line.line()).await;
            pod = rand::random_range(0..pods.len());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_holds_everything_sheds_down_to_its_share_slowly() {
        let pods = Pods::holding(&[600, 0, 0], IDLE, true);
        assert_eq!(pods.after(10).await, [600, 0, 0], "the fleet may be in the middle of a rollout");
        let soon = pods.after(20).await;
        assert!((400..600).contains(&soon[0]), "one page in a hundred a second: {soon:?}");
        let later = pods.after(1800).await;
        assert!(later.iter().all(|held| (100..=290).contains(held)), "{later:?}");
        assert_eq!(pods.after(3600).await, later, "and that is that");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_about_to_confirm_and_whoever_would_not_come_back_is_let_be() {
        for line in [Line { scanned: true, ..IDLE }, Line { comes_back: false, ..IDLE }] {
            assert_eq!(Pods::holding(&[600, 0, 0], line, true).after(600).await, [600, 0, 0], "{line:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_leaves_is_waited_for_until_it_holds_only_those_who_stay() {
        let stays = Line { comes_back: false, ..IDLE };
        assert_eq!(Pods::holding(&[600, 0, 0], IDLE, true).leaving(IDLE).after(600).await, [600, 0, 0]);
        let later = Pods::holding(&[600, 0, 0], IDLE, true).leaving(stays).after(1800).await;
        assert!(later.iter().all(|held| (100..=290).contains(held)), "{later:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_can_be_turned_off() {
        assert_eq!(Pods::holding(&[600, 0, 0], IDLE, false).after(600).await, [600, 0, 0]);
    }
}
