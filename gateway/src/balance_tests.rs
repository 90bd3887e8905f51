//! A fleet's pods as they shed, on plain data.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use scenecast_shared::store::Report;

use super::*;

const VERSION: &str = "1";
/// How often a pod looks at the fleet, in seconds.
const LOOK: u64 = 5;
const HOUR: u64 = 3600;

/// A fleet, second by second.
struct Simulated {
    pods: Vec<(usize, Balance)>,
    second: u64,
    moved: usize,
}

impl Simulated {
    fn holding(pages: &[usize]) -> Self {
        Self { pods: pages.iter().map(|held| (*held, Balance::new())).collect(), second: 0, moved: 0 }
    }

    fn held(&self) -> Vec<usize> {
        self.pods.iter().map(|(held, _)| *held).collect()
    }

    /// What the pods say, each as of when it looked last.
    fn reports(held: &[usize]) -> Reports {
        let say = |held| Some(Report { held, version: VERSION.to_owned(), leaving: false });
        held.iter().enumerate().map(|(pod, held)| (pod.to_string(), say(*held))).collect()
    }

    /// Goes on for so many seconds, with `front` to place what pod `.0` sheds of a fleet that holds `.1`; answers
    /// how many pages were moved.
    fn run(&mut self, seconds: u64, mut front: impl FnMut(usize, &[usize]) -> usize) -> usize {
        let before = self.moved;
        let mut said = self.held();
        for second in self.second..self.second + seconds {
            let at = Duration::from_secs(second);
            let mut placed = vec![];
            for pod in 0..self.pods.len() {
                let held = self.pods[pod].0;
                let balance = &mut self.pods[pod].1;
                if second % LOOK == pod as u64 % LOOK {
                    said[pod] = held;
                    balance.hear(Fleet::of(Self::reports(&said)), held, at);
                }
                let due = balance.due(held, at);
                assert!(due <= held / 100 + 1, "{due} of {held} in one second");
                self.pods[pod].0 -= due;
                placed.extend(vec![pod; due]);
            }
            for from in placed {
                let to = front(from, &self.held());
                self.pods[to].0 += 1;
                self.moved += 1;
            }
        }
        self.second += seconds;
        self.moved - before
    }
}

/// Places pages by chance, the same in each run.
fn by_chance() -> impl FnMut(usize, &[usize]) -> usize {
    let mut chance = StdRng::seed_from_u64(7);
    move |_, pods| chance.random_range(0..pods.len())
}

fn fewest(_: usize, pods: &[usize]) -> usize {
    (0..pods.len()).min_by_key(|pod| pods[*pod]).expect("there are pods")
}

fn is_balanced(fleet: &Simulated) -> bool {
    let mean = fleet.held().iter().sum::<usize>() / fleet.pods.len();
    fleet.held().iter().all(|held| *held <= mean * 6 / 5 + 50)
}

#[test]
fn one_pod_with_everything_sheds_it_and_that_is_that() {
    let mut all_in_one = [0; 10];
    all_in_one[3] = 19_000;
    for front in [&mut by_chance() as &mut dyn FnMut(usize, &[usize]) -> usize, &mut fewest] {
        let mut fleet = Simulated::holding(&all_in_one);
        let moved = fleet.run(HOUR, &mut *front);
        assert!(is_balanced(&fleet), "{:?}", fleet.held());
        assert!((17_000..19_500).contains(&moved), "{moved}");
        assert_eq!(fleet.run(HOUR, &mut *front), 0);
    }
}

#[test]
fn a_pod_that_a_rollout_left_empty_gets_its_share() {
    let mut fleet = Simulated::holding(&[5_000, 5_000, 5_000, 0]);
    fleet.run(HOUR, by_chance());
    assert!(is_balanced(&fleet), "{:?}", fleet.held());
    assert_eq!(fleet.run(HOUR, by_chance()), 0);
}

#[test]
fn what_chance_makes_of_a_fleet_is_left_alone() {
    let mut chance = StdRng::seed_from_u64(7);
    for (pods, mean) in [(2, 20), (10, 100), (100, 190), (30, 5_000)] {
        let mut held = vec![0; pods];
        for _ in 0..pods * mean {
            held[chance.random_range(0..pods)] += 1;
        }
        assert_eq!(Simulated::holding(&held).run(300, by_chance()), 0, "{held:?}");
    }
}

#[test]
fn pages_that_are_sent_back_or_from_one_to_the_other_are_let_be_in_the_end() {
    let back = |from: usize, _: &[usize]| from;
    let to_the_other = |from: usize, _: &[usize]| 1 - from;
    let all_to_one = |_: usize, _: &[usize]| 0;
    for front in [&back as &dyn Fn(usize, &[usize]) -> usize, &to_the_other, &all_to_one] {
        let mut fleet = Simulated::holding(&[10_000, 1_000]);
        let first = fleet.run(8 * HOUR, front);
        let later = fleet.run(8 * HOUR, front);
        assert!(later < first && later <= 8 * 11_000, "{first}, then {later}");
        assert!(first <= 14 * 11_000, "{first}");
    }
}

/// What is made of a fleet of which pod `0` holds far more than pod `1`.
fn told(change: impl FnOnce(&mut Reports)) -> Option<Fleet> {
    let mut reports = Simulated::reports(&[10_000, 10]);
    change(&mut reports);
    Fleet::of(reports)
}

fn with_other(change: fn(Report) -> Option<Report>) -> Option<Fleet> {
    told(|reports| *reports.get_mut("1").expect("it is there") = change(Report::clone(reports["0"].as_ref().unwrap())))
}

#[test]
fn a_fleet_in_which_somebody_leaves_or_speaks_of_what_is_not_known_is_not_judged() {
    assert!(with_other(Some).is_some());
    assert_eq!(with_other(|report| Some(Report { leaving: true, ..report })), None);
    assert_eq!(with_other(|_| None), None);
}

/// How many pages go in the second after the pod has heard this every second for so long.
fn due_after(seconds: u64, mut hears: impl FnMut(u64) -> Option<Fleet>) -> usize {
    let mut balance = Balance::new();
    for second in 0..=seconds {
        balance.hear(hears(second), 10_000, Duration::from_secs(second));
    }
    balance.due(10_000, Duration::from_secs(seconds + 1))
}

#[test]
fn nothing_is_shed_before_the_same_pods_have_been_there_for_a_while_or_while_the_fleet_is_not_known() {
    assert_eq!(due_after(15, |_| told(|_| ())), 100);
    assert_eq!(due_after(14, |_| told(|_| ())), 0);
    let one_comes = |second| told(|reports| (second < 10).then(|| reports.remove("1")).map_or((), drop));
    assert_eq!((due_after(24, one_comes), due_after(25, one_comes)), (0, 100));
    assert_eq!(due_after(100, |second| (second != 99).then(|| told(|_| ())).flatten()), 0, "Redis was away");
    assert_eq!(due_after(100, |_| told(|reports| drop(reports.remove("1")))), 0, "it is alone");
}

#[test]
fn nothing_is_shed_in_a_rollout_unless_somebody_has_stopped_it_half_way() {
    let canary = |_| with_other(|report| Some(Report { version: "2".to_owned(), held: 10, ..report }));
    assert_eq!((due_after(599, canary), due_after(600, canary)), (0, 100));
}
