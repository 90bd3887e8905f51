//! What is timed of each login, per phase and per second. Phases never mix.

use std::{collections::BTreeMap, time::Duration};

use super::latency::Latency;
use crate::plan::Phase;

/// The times of one login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginTiming {
    /// The phase in which it was planned.
    pub phase: Phase,
    /// When the message that decides it was planned, since the run's start.
    pub planned: Duration,
    /// When that message was sent, since the run's start.
    pub sent: Duration,
    /// When its page heard of it, since the run's start.
    pub heard: Duration,
}

/// Three histograms.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TimingSet {
    /// From the planned instant to the page. What a person waits, whatever held it up.
    pub response: Latency,
    /// From the actual send to the page. What the servers took.
    pub service: Latency,
    /// From the planned instant, or from when it could be sent, to the actual send. What the generator held up.
    pub lateness: Latency,
}

impl TimingSet {
    pub fn merge(&mut self, other: &Self) {
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        self.lateness.merge(&other.lateness);
    }
}

/// What was timed in one second of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct SecondTimings {
    /// To two digits, so that a long run takes little memory.
    pub times: TimingSet,
    /// How many logins were planned in it.
    pub planned: u64,
    /// How many messages that decide a login were sent in it.
    pub sent: u64,
    /// How many pages heard of their login in it.
    pub heard: u64,
}

impl Default for SecondTimings {
    fn default() -> Self {
        let times = TimingSet { response: Latency::coarse(), service: Latency::coarse(), lateness: Latency::coarse() };
        Self { times, planned: 0, sent: 0, heard: 0 }
    }
}

/// All times of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timings {
    /// Per phase in which the login was planned.
    pub phases: BTreeMap<Phase, TimingSet>,
    /// Per second, counted from the run's start. Times are in the second in which the login was planned.
    pub seconds: BTreeMap<u64, SecondTimings>,
}

impl Timings {
    /// A login is planned for this moment, whether or not it can be sent.
    pub fn planned(&mut self, at: Duration) {
        self.second(at).planned += 1;
    }

    /// The message that decides a login was sent: planned for that moment, sent at this one, and held up by the generator for
    /// so long.
    pub fn sent(&mut self, phase: Phase, planned: Duration, sent: Duration, lateness: Duration) {
        self.second(sent).sent += 1;
        self.phases.entry(phase).or_default().lateness.record(lateness);
        self.second(planned).times.lateness.record(lateness);
    }

    /// A page heard of its login.
    pub fn heard(&mut self, login: LoginTiming) {
        let response = login.heard.saturating_sub(login.planned);
        let service = login.heard.saturating_sub(login.sent);
        self.second(login.heard).heard += 1;
        let of_phase = self.phases.entry(login.phase).or_default();
        let of_second = &mut self.seconds.entry(login.planned.as_secs()).or_default().times;
        for times in [of_phase, of_second] {
            times.response.record(response);
            times.service.record(service);
        }
    }

    fn second(&mut self, at: Duration) -> &mut SecondTimings {
        self.seconds.entry(at.as_secs()).or_default()
    }

    /// Adds everything that another worker measured of the same run.
    pub fn merge(&mut self, other: &Self) {
        for (phase, times) in &other.phases {
            self.phases.entry(*phase).or_default().merge(times);
        }
        for (second, theirs) in &other.seconds {
            let ours = self.seconds.entry(*second).or_default();
            ours.times.merge(&theirs.times);
            ours.planned += theirs.planned;
            ours.sent += theirs.sent;
            ours.heard += theirs.heard;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn login(phase: Phase, planned: u64, sent: u64, heard: u64) -> Timings {
        let mut timings = Timings::default();
        timings.planned(ms(planned));
        timings.sent(phase, ms(planned), ms(sent), ms(sent.saturating_sub(planned)));
        timings.heard(LoginTiming { phase, planned: ms(planned), sent: ms(sent), heard: ms(heard) });
        timings
    }

    fn rounded(latency: &Latency) -> u128 {
        (latency.max() + Duration::from_micros(500)).as_millis()
    }

    #[test]
    fn a_late_generator_lengthens_the_response_and_not_the_service() {
        let timings = login(Phase::Load, 900, 1100, 1150);
        let times = &timings.phases[&Phase::Load];
        assert_eq!([&times.response, &times.service, &times.lateness].map(rounded), [250, 50, 200]);
        // The login counts in the second for which it was planned. What was done counts in the second in which it was.
        let [first, second] = [0, 1].map(|second| &timings.seconds[&second]);
        assert_eq!((first.planned, first.sent, first.heard, first.times.response.count()), (1, 0, 0, 1));
        assert_eq!((second.planned, second.sent, second.heard, second.times.response.count()), (0, 1, 1, 0));
    }

    #[test]
    fn phases_never_mix_and_workers_add_up() {
        let mut merged = login(Phase::Load, 0, 1, 2);
        merged.merge(&login(Phase::Fault, 0, 1, 900));
        merged.merge(&login(Phase::Load, 10, 11, 12));
        assert_eq!(rounded(&merged.phases[&Phase::Load].response), 2);
        assert_eq!(
            (merged.phases[&Phase::Load].response.count(), merged.phases[&Phase::Fault].response.count()),
            (2, 1)
        );
        assert_eq!((merged.seconds[&0].planned, merged.seconds[&0].heard), (3, 3));
    }

    #[test]
    fn a_page_that_hears_before_the_plan_says_took_no_time() {
        let timings = login(Phase::Load, 5, 4, 4);
        assert_eq!(timings.phases[&Phase::Load].response.max(), Duration::ZERO);
    }
}
