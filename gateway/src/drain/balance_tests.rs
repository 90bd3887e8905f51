//! A simulated fleet, second by second.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use scenecast_bus::GatewayReport;

use super::*;

const VERSION: &str = "1";
/// How often a pod reports, in seconds.
const REPORT_INTERVAL: u64 = 5;
const HOUR: u64 = 3600;

struct SimulatedFleet {
    /// Each pod's pages, and its decisions.
    pods: Vec<(usize, Balancer)>,
    second: u64,
    moved: usize,
}

impl SimulatedFleet {
    fn with_pages(pages: &[usize]) -> Self {
        Self { pods: pages.iter().map(|pages| (*pages, Balancer::new())).collect(), second: 0, moved: 0 }
    }

    fn pages(&self) -> Vec<usize> {
        self.pods.iter().map(|(held, _)| *held).collect()
    }

    /// The reports of pods with so many pages.
    fn reports(held: &[usize]) -> GatewayReports {
        let report = |held| Some(GatewayReport { held, version: VERSION.to_owned(), leaving: false });
        held.iter().enumerate().map(|(pod, held)| (pod.to_string(), report(*held))).collect()
    }

    /// Runs for so many seconds. `load_balancer` says where a page goes, given the pod that shed it and the pages of
    /// all pods. Returns how many pages moved.
    fn run(&mut self, seconds: u64, mut load_balancer: impl FnMut(usize, &[usize]) -> usize) -> usize {
        let before = self.moved;
        let mut reported = self.pages();
        for second in self.second..self.second + seconds {
            let at = Duration::from_secs(second);
            let mut shed = vec![];
            for pod in 0..self.pods.len() {
                let held = self.pods[pod].0;
                let balancer = &mut self.pods[pod].1;
                if second % REPORT_INTERVAL == pod as u64 % REPORT_INTERVAL {
                    reported[pod] = held;
                    balancer.observe(FleetView::from_reports(Self::reports(&reported)), held, at);
                }
                let due = balancer.due(held, at);
                assert!(due <= held / 100 + 1, "{due} of {held} in one second");
                self.pods[pod].0 -= due;
                shed.extend(vec![pod; due]);
            }
            for from in shed {
                let to = load_balancer(from, &self.pages());
                self.pods[to].0 += 1;
                self.moved += 1;
            }
        }
        self.second += seconds;
        self.moved - before
    }
}

/// Sends each page to a random pod, the same ones in each run.
fn random_pod() -> impl FnMut(usize, &[usize]) -> usize {
    let mut random = StdRng::seed_from_u64(7);
    move |_, pods| random.random_range(0..pods.len())
}

fn pod_with_fewest_pages(_: usize, pods: &[usize]) -> usize {
    (0..pods.len()).min_by_key(|pod| pods[*pod]).expect("there are pods")
}

fn is_balanced(fleet: &SimulatedFleet) -> bool {
    let mean = fleet.pages().iter().sum::<usize>() / fleet.pods.len();
    fleet.pages().iter().all(|held| *held <= mean * 6 / 5 + 50)
}

#[test]
fn a_pod_that_has_all_pages_sheds_its_excess_once() {
    let mut all_in_one = [0; 10];
    all_in_one[3] = 19_000;
    for load_balancer in [&mut random_pod() as &mut dyn FnMut(usize, &[usize]) -> usize, &mut pod_with_fewest_pages] {
        let mut fleet = SimulatedFleet::with_pages(&all_in_one);
        let moved = fleet.run(HOUR, &mut *load_balancer);
        assert!(is_balanced(&fleet), "{:?}", fleet.pages());
        assert!((17_000..19_500).contains(&moved), "{moved}");
        assert_eq!(fleet.run(HOUR, &mut *load_balancer), 0);
    }
}

#[test]
fn a_pod_that_is_empty_after_a_rollout_gets_its_share() {
    let mut fleet = SimulatedFleet::with_pages(&[5_000, 5_000, 5_000, 0]);
    fleet.run(HOUR, random_pod());
    assert!(is_balanced(&fleet), "{:?}", fleet.pages());
    assert_eq!(fleet.run(HOUR, random_pod()), 0);
}

#[test]
fn differences_that_come_from_chance_move_no_pages() {
    let mut random = StdRng::seed_from_u64(7);
    for (pods, mean) in [(2, 20), (10, 100), (100, 190), (30, 5_000)] {
        let mut held = vec![0; pods];
        for _ in 0..pods * mean {
            held[random.random_range(0..pods)] += 1;
        }
        assert_eq!(SimulatedFleet::with_pages(&held).run(300, random_pod()), 0, "{held:?}");
    }
}

#[test]
fn shedding_fades_where_the_load_balancer_sends_pages_back() {
    let to_the_same = |from: usize, _: &[usize]| from;
    let to_the_other = |from: usize, _: &[usize]| 1 - from;
    let all_to_one = |_: usize, _: &[usize]| 0;
    for load_balancer in [&to_the_same as &dyn Fn(usize, &[usize]) -> usize, &to_the_other, &all_to_one] {
        let mut fleet = SimulatedFleet::with_pages(&[10_000, 1_000]);
        let first = fleet.run(8 * HOUR, load_balancer);
        let later = fleet.run(8 * HOUR, load_balancer);
        assert!(later < first && later <= 8 * 11_000, "{first}, then {later}");
        assert!(first <= 14 * 11_000, "{first}");
    }
}

/// A fleet in which pod `0` has far more pages than pod `1`, after this change to its reports.
fn fleet_with(change: impl FnOnce(&mut GatewayReports)) -> Option<FleetView> {
    let mut reports = SimulatedFleet::reports(&[10_000, 10]);
    change(&mut reports);
    FleetView::from_reports(reports)
}

fn with_changed_other_pod(change: fn(GatewayReport) -> Option<GatewayReport>) -> Option<FleetView> {
    fleet_with(|reports| {
        *reports.get_mut("1").expect("it is there") = change(GatewayReport::clone(reports["0"].as_ref().unwrap()));
    })
}

#[test]
fn a_fleet_with_a_leaving_pod_or_an_unreadable_report_is_not_judged() {
    assert!(with_changed_other_pod(Some).is_some());
    assert_eq!(with_changed_other_pod(|report| Some(GatewayReport { leaving: true, ..report })), None);
    assert_eq!(with_changed_other_pod(|_| None), None);
}

/// How many pages a pod sheds in the next second, after it has observed this every second for so long.
fn due_after(seconds: u64, mut observes: impl FnMut(u64) -> Option<FleetView>) -> usize {
    let mut balancer = Balancer::new();
    for second in 0..=seconds {
        balancer.observe(observes(second), 10_000, Duration::from_secs(second));
    }
    balancer.due(10_000, Duration::from_secs(seconds + 1))
}

#[test]
fn nothing_is_shed_before_the_fleet_has_settled_or_while_it_is_unknown() {
    assert_eq!(due_after(15, |_| fleet_with(|_| ())), 100);
    assert_eq!(due_after(14, |_| fleet_with(|_| ())), 0);
    let one_joins = |second| {
        fleet_with(|reports| {
            if second < 10 {
                reports.remove("1");
            }
        })
    };
    assert_eq!((due_after(24, one_joins), due_after(25, one_joins)), (0, 100));
    let unknown_once = |second| if second == 99 { None } else { fleet_with(|_| ()) };
    assert_eq!(due_after(100, unknown_once), 0, "Redis was away");
    assert_eq!(due_after(100, |_| fleet_with(|reports| drop(reports.remove("1")))), 0, "it is the only pod");
}

#[test]
fn nothing_is_shed_during_a_rollout_unless_it_has_stopped_half_way() {
    let canary =
        |_| with_changed_other_pod(|report| Some(GatewayReport { version: "2".to_owned(), held: 10, ..report }));
    assert_eq!((due_after(599, canary), due_after(600, canary)), (0, 100));
}
