//! Everything that a run is asked to do. Two runs with the same plan have the same hash.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    fault::PlannedFault,
    people::{Arrivals, PhoneSteps, ThinkTime},
    phase::Phase,
    rate_curve::RateCurve,
    way_in::{WayIn, WeightedWay},
};
use crate::units::to_f64;

/// Everything that a run is asked to do. It says nothing of the servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoginPlan {
    /// What random choices begin with.
    pub seed: u64,
    /// How many pages are open at a time.
    pub pages: u32,
    /// How many pages open a second, in the ramp.
    pub opens_per_second: f64,
    /// How long all pages wait before the first login, in seconds.
    pub hold_seconds: f64,
    /// Logins a second, over time.
    pub rate: RateCurve,
    pub arrivals: Arrivals,
    /// How long logins under way may take after the last scan, in seconds. One that takes longer is lost.
    pub cool_down_seconds: f64,
    pub phone: PhoneSteps,
    pub think_time: ThinkTime,
    pub ways: Vec<WeightedWay>,
    /// Whether a page that has logged in opens the next scene, so that there are always as many.
    pub refill: bool,
    /// How many pages a second are left for good while the load runs. Others come in their place.
    pub leaves_per_second: f64,
    /// How many pages a second lose their connection while the load runs, and come back at once.
    pub reconnects_per_second: f64,
    /// A login is late if its page learns of it this much later than planned, in seconds.
    pub late_after_seconds: f64,
    /// Of how many redeemed grants in a hundred it is tried at once whether they can be redeemed again. Where something is
    /// broken on purpose, all are tried after its end instead, unless this is 0.
    #[serde(default = "usual_share")]
    pub redeemed_again_percent: f64,
    /// What is broken meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<PlannedFault>,
}

/// A second redemption costs the callbacks about as much as the first, and that would be in the cost of a login.
///
/// See docs/decisions/111-a-load-looks-for-doubled-logins-and-says-how-hard.md.
fn usual_share() -> f64 {
    1.0
}

/// A plan that can't be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct PlanError {
    setting: &'static str,
    problem: String,
}

impl PlanError {
    /// This setting has this problem.
    pub fn new(setting: &'static str, problem: String) -> Self {
        Self { setting, problem }
    }
}

impl LoginPlan {
    /// Refuses what can't be run.
    pub fn validate(&self) -> Result<(), PlanError> {
        let refuse = |setting, problem| Err(PlanError::new(setting, problem));
        if self.pages == 0 {
            return refuse("pages", "there has to be at least one".to_owned());
        }
        if self.opens_per_second <= 0.0 {
            return refuse("opens_per_second", "has to be above 0".to_owned());
        }
        let amounts = [
            ("opens_per_second", self.opens_per_second),
            ("hold_seconds", self.hold_seconds),
            ("cool_down_seconds", self.cool_down_seconds),
            ("leaves_per_second", self.leaves_per_second),
            ("reconnects_per_second", self.reconnects_per_second),
            ("late_after_seconds", self.late_after_seconds),
            ("think_time", self.think_time.from),
            ("think_time", self.think_time.to - self.think_time.from),
        ];
        if !(0.0..=100.0).contains(&self.redeemed_again_percent) {
            let percent = self.redeemed_again_percent;
            return refuse("redeemed_again_percent", format!("{percent} is not a number from 0 to 100"));
        }
        let stages = self.rate.0.iter().flat_map(|stage| [("rate", stage.from), ("rate", stage.to)]);
        for (setting, amount) in amounts.into_iter().chain(stages) {
            if !(0.0..=1e6).contains(&amount) {
                return refuse(setting, format!("{amount} is not a number from 0 to 1000000"));
            }
        }
        if !self.rate.0.iter().all(|stage| (0.001..=1e6).contains(&stage.seconds)) {
            return refuse("rate", "each stage has to take from 0.001 to 1000000 seconds".to_owned());
        }
        if self.ways.iter().map(|way| u64::from(way.weight)).sum::<u64>() == 0 {
            return refuse("ways", "at least one needs a weight above 0".to_owned());
        }
        let has_no_number = |way: &&WeightedWay| way.weight > 0 && way.way.is_compatible();
        if let (PhoneSteps::Number, Some(way)) = (self.phone, self.ways.iter().find(has_no_number)) {
            return refuse("ways", format!("a page by {} has no place to show a number", way.way));
        }
        if let Some(problem) = self.faults_problem() {
            return refuse("faults", problem);
        }
        if !self.refill && self.rate.logins() > f64::from(self.pages) {
            let (logins, pages) = (self.rate.logins().ceil(), self.pages);
            return refuse(
                "pages",
                format!("{logins} logins need as many pages, or pages that open again; {pages} were asked for"),
            );
        }
        Ok(())
    }

    /// A plan in which this many pages open and people log in at these rates, evenly and by a scan; without churn.
    pub fn plain(pages: u32, rate: RateCurve) -> Self {
        Self {
            seed: 1,
            pages,
            opens_per_second: 100.0,
            hold_seconds: 0.0,
            rate,
            arrivals: Arrivals::Uniform,
            cool_down_seconds: 10.0,
            phone: PhoneSteps::None,
            think_time: ThinkTime::NONE,
            ways: vec![WeightedWay { way: WayIn::WebSocket, weight: 1 }],
            refill: false,
            leaves_per_second: 0.0,
            reconnects_per_second: 0.0,
            late_after_seconds: 1.0,
            redeemed_again_percent: usual_share(),
            faults: vec![],
        }
    }

    /// Whether the grant of the login with this number is tried a second time at once. Those that are, are spread evenly.
    pub fn redeems_again(&self, number: u64) -> bool {
        let before = |number: u64| (to_f64(number) * self.redeemed_again_percent / 100.0).floor();
        self.faults.is_empty() && before(number + 1) > before(number)
    }

    /// Whether every grant is tried a second time once all logins are over: a fault between the two may have undone the first.
    pub fn redeems_all_again(&self) -> bool {
        !self.faults.is_empty() && self.redeemed_again_percent > 0.0
    }

    /// Why its faults can't be as they are planned.
    fn faults_problem(&self) -> Option<String> {
        let load = self.rate.duration().as_secs_f64();
        for (number, fault) in self.faults.iter().enumerate() {
            if !(0.0..load).contains(&fault.from_seconds) {
                return Some(format!("{fault} begins outside of the load, which takes {load} s"));
            }
            if !(fault.from_seconds..=1e6).contains(&fault.to_seconds) {
                return Some(format!("{fault} ends before it begins"));
            }
            if let Some(other) = self.faults[..number].iter().find(|other| other.collides_with(fault)) {
                return Some(format!("{other} and {fault} break the same part at the same time"));
            }
        }
        None
    }

    /// How long pages open.
    pub fn ramp(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.pages) / self.opens_per_second)
    }

    /// The phases that follow the ramp, each with its beginning since the ramp's end.
    pub fn phases_after_the_ramp(&self) -> std::iter::Peekable<std::vec::IntoIter<(Phase, Duration)>> {
        let hold = Duration::from_secs_f64(self.hold_seconds);
        let held = (!hold.is_zero()).then_some((Phase::Hold, Duration::ZERO));
        let loaded = [(Phase::Load, hold), (Phase::CoolDown, hold + self.rate.duration())];
        held.into_iter().chain(loaded).collect::<Vec<_>>().into_iter().peekable()
    }

    /// How page `number` is reached.
    pub fn way_of(&self, number: u64) -> WayIn {
        let all: u64 = self.ways.iter().map(|way| u64::from(way.weight)).sum();
        let mut place = number % all.max(1);
        for WeightedWay { way, weight } in &self.ways {
            match place.checked_sub((*weight).into()) {
                None => return *way,
                Some(left) => place = left,
            }
        }
        WayIn::WebSocket
    }

    /// What identifies the plan: the first 16 hexadecimal digits of SHA-256 over its JSON.
    pub fn hash(&self) -> String {
        let json = serde_json::to_vec(self).expect("numbers and names can be written as JSON");
        Sha256::digest(json)[..8].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> LoginPlan {
        LoginPlan {
            ways: vec![WeightedWay { way: WayIn::WebSocket, weight: 3 }, WeightedWay { way: WayIn::Sse, weight: 1 }],
            ..LoginPlan::plain(100, RateCurve::constant(10.0, 5.0))
        }
    }

    fn numbers_on_a_path_socket(plan: &mut LoginPlan) {
        plan.phone = PhoneSteps::Number;
        plan.ways.push(WeightedWay { way: WayIn::PathSocket, weight: 1 });
    }

    fn faults(texts: &[&str]) -> Vec<PlannedFault> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_plan_that_cannot_be_run_is_refused_by_the_name_of_its_setting() {
        plan().validate().unwrap();
        let bad = |change: fn(&mut LoginPlan)| {
            let mut plan = plan();
            change(&mut plan);
            plan.validate().unwrap_err().to_string()
        };
        for (refused, named) in [
            (bad(|plan| plan.pages = 0), "pages: "),
            (bad(|plan| plan.pages = 49), "pages: 50 logins need"),
            (bad(|plan| plan.opens_per_second = 0.0), "opens_per_second: "),
            (bad(|plan| plan.opens_per_second = f64::NAN), "opens_per_second: "),
            (bad(|plan| plan.rate.0[0].to = f64::INFINITY), "rate: "),
            (bad(|plan| plan.rate.0[0].seconds = 0.0), "rate: "),
            (bad(|plan| plan.think_time.from = 1.0), "think_time: "),
            (bad(|plan| plan.hold_seconds = -1.0), "hold_seconds: "),
            (bad(|plan| plan.ways.clear()), "ways: "),
            (bad(|plan| plan.redeemed_again_percent = 101.0), "redeemed_again_percent: "),
            (bad(numbers_on_a_path_socket), "ways: a page by path-socket has no place to show a number"),
            (bad(|plan| plan.faults = faults(&["gateway-killed@5..6"])), "faults: gateway-killed@5..6 begins outside"),
            (
                bad(|plan| plan.faults = faults(&["gateway-killed@-1..6"])),
                "faults: gateway-killed@-1..6 begins outside",
            ),
            (bad(|plan| plan.faults = faults(&["gateway-killed@NaN..6"])), "faults: "),
            (bad(|plan| plan.faults = faults(&["gateway-killed@3..2"])), "faults: gateway-killed@3..2 ends before"),
            (bad(|plan| plan.faults = faults(&["redis-killed@1..inf"])), "faults: "),
            (bad(|plan| plan.faults = faults(&["redis-full@1..3", "redis-emptied@2"])), "faults: redis-full@1..3 and"),
            (bad(|plan| plan.faults = faults(&["redis-emptied@2", "redis-full@1..3"])), "faults: redis-emptied@2 and"),
        ] {
            assert!(refused.starts_with(named), "{refused}");
        }
    }

    #[test]
    fn pages_come_in_the_proportion_of_the_weights() {
        let ways: Vec<_> = (0..8).map(|number| plan().way_of(number).name()).collect();
        assert_eq!(ways, ["websocket", "websocket", "websocket", "sse", "websocket", "websocket", "websocket", "sse"]);
    }

    #[test]
    fn grants_that_are_tried_again_are_as_many_as_asked_for_and_spread_evenly() {
        let tried = |percent, logins| {
            let plan = LoginPlan { redeemed_again_percent: percent, ..plan() };
            (0..logins).filter(|number| plan.redeems_again(*number)).count()
        };
        assert_eq!([tried(0.0, 1000), tried(1.0, 1000), tried(2.5, 1000), tried(100.0, 1000)], [0, 10, 25, 1000]);
        assert_eq!(tried(10.0, 10), 1);
    }

    #[test]
    fn the_hash_names_the_plan_and_survives_json() {
        let again: LoginPlan = serde_json::from_str(&serde_json::to_string(&plan()).unwrap()).unwrap();
        assert_eq!((again.hash(), again.hash().len()), (plan().hash(), 16));
        assert_ne!(LoginPlan { seed: 2, ..plan() }.hash(), plan().hash());
        let broken = LoginPlan { faults: faults(&["gateway-killed@1..2", "gateway-killed:1@1..2"]), ..plan() };
        broken.validate().unwrap();
        let again: LoginPlan = serde_json::from_str(&serde_json::to_string(&broken).unwrap()).unwrap();
        assert_eq!((again.hash(), broken.hash() == plan().hash()), (broken.hash(), false));
        // A plan without faults has the hash that it had before there were any.
        assert!(!serde_json::to_string(&plan()).unwrap().contains("faults"));
    }
}
