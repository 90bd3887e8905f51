//! Whether the generator did what the plan says. If it didn't, its times are not those of the target.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    measure::{Latency, TimingSet},
    results::{GeneratorHealth, HealthFinding},
    units::{to_f64, to_millis},
};

/// The lateness that is always allowed.
const ALLOWED_LATENESS: Duration = Duration::from_millis(1);
/// The share of the response's median that is allowed as lateness, in percent.
const ALLOWED_SHARE: u32 = 10;
/// Below this share of the asked rate, the plan was not done.
const REACHED_SHARE: f64 = 0.98;
/// From this share of a limit on, it is said that it is near.
const NEAR_LIMIT: f64 = 0.95;
/// Below this idle share, the machine was full.
const FULL_BELOW: f64 = 0.05;

/// What is known of the generator after a run. Times are of load and fault together; counts, and what it
/// took, are of the load alone if there is one, since what is broken also makes pages and answers fewer.
#[derive(Debug, Clone, Default)]
pub struct HealthEvidence {
    pub times: TimingSet,
    pub planned: u64,
    pub sent: u64,
    /// How many planned logins found no page that waits.
    pub without_page: u64,
    /// How many attempts to open a page failed at the target, over the whole run. The generator's own failures are not in it.
    pub failed_opens: u64,
    /// What the generator itself ran out of, with how often.
    pub exhausted: BTreeMap<String, u64>,
    /// How long the load took.
    pub took: Duration,
    pub cpu_seconds: f64,
    pub cpus: u32,
    pub machine_idle_share: f64,
    pub descriptors_used: u64,
    pub descriptors_limit: u64,
    pub ports_used: u64,
    pub ports_limit: u64,
    pub retransmitted_segments: u64,
    /// How far the wall clock moved against the monotonic one.
    pub clock_jump: Duration,
}

/// How late messages may leave (p99) where responses took so long. Above it the generator is the limit.
pub fn allowed_lateness(response: &Latency) -> Duration {
    ALLOWED_LATENESS.max(response.percentile(50.0) * ALLOWED_SHARE / 100)
}

/// The verdict.
pub fn judge(evidence: &HealthEvidence) -> GeneratorHealth {
    let seconds = evidence.took.as_secs_f64();
    let rate = |count: u64| if seconds > 0.0 { to_f64(count) / seconds } else { 0.0 };
    let limit = allowed_lateness(&evidence.times.response);
    let mut health = GeneratorHealth {
        asked_rate: rate(evidence.planned),
        reached_rate: rate(evidence.sent),
        lateness_p99_ms: to_millis(evidence.times.lateness.percentile(99.0)),
        lateness_limit_ms: to_millis(limit),
        cpus_used: if seconds > 0.0 { evidence.cpu_seconds / seconds } else { 0.0 },
        cpus: evidence.cpus,
        machine_idle_share: evidence.machine_idle_share,
        descriptors_used: evidence.descriptors_used,
        descriptors_limit: evidence.descriptors_limit,
        ports_used: evidence.ports_used,
        ports_limit: evidence.ports_limit,
        retransmitted_segments: evidence.retransmitted_segments,
        ..GeneratorHealth::default()
    };
    health.findings = findings(evidence, &health);
    health.is_limited = health.findings.iter().any(|finding| finding.limits);
    health
}

fn findings(evidence: &HealthEvidence, health: &GeneratorHealth) -> Vec<HealthFinding> {
    let mut findings = vec![];
    let mut find = |is_so: bool, limits: bool, text: String| {
        if is_so {
            findings.push(HealthFinding { text, limits });
        }
    };
    let GeneratorHealth { lateness_p99_ms, lateness_limit_ms, asked_rate, reached_rate, cpus_used, cpus, .. } = *health;
    find(
        lateness_p99_ms > lateness_limit_ms,
        true,
        format!(
            "messages left up to {lateness_p99_ms:.2} ms late (p99; {lateness_limit_ms:.2} ms are allowed), so responses \
             are partly the generator's: use more processors, or a lower rate"
        ),
    );
    find(
        to_f64(evidence.sent) < to_f64(evidence.planned - evidence.without_page.min(evidence.planned)) * REACHED_SHARE,
        true,
        format!("{reached_rate:.0} logins a second were sent of {asked_rate:.0} that were planned"),
    );
    let without_page = evidence.without_page;
    match evidence.failed_opens {
        0 => find(
            without_page > 0,
            true,
            format!("{without_page} planned logins found no page that waits: use more --pages, or a lower rate"),
        ),
        failed => find(
            without_page > 0,
            false,
            format!(
                "{without_page} planned logins found no page that waits, and {failed} attempts to open one failed: that is the \
                 target's doing, see what pages were told"
            ),
        ),
    }
    for (what, times) in &evidence.exhausted {
        find(
            true,
            true,
            format!(
                "{what} ({times} times): raise its limits (ulimit -n), use more --sources, or ask for fewer --pages"
            ),
        );
    }
    find(
        cpus > 0 && cpus_used > f64::from(cpus) * NEAR_LIMIT,
        false,
        format!("the generator used {cpus_used:.2} of {cpus} processors"),
    );
    find(
        evidence.machine_idle_share < FULL_BELOW,
        false,
        "the machine's processors were all busy: times are those of a full machine, generator and target together"
            .to_owned(),
    );
    let near = |used: u64, limit: u64| limit > 0 && to_f64(used) > to_f64(limit) * NEAR_LIMIT;
    find(
        near(evidence.descriptors_used, evidence.descriptors_limit),
        false,
        format!("{} of {} descriptors were in use", evidence.descriptors_used, evidence.descriptors_limit),
    );
    find(
        near(evidence.ports_used, evidence.ports_limit),
        false,
        format!("{} of {} source ports were in use", evidence.ports_used, evidence.ports_limit),
    );
    find(
        evidence.clock_jump > Duration::from_secs(1),
        false,
        format!(
            "the wall clock moved by {:.1} s during the run; nothing is timed by it, but the times of log lines don't fit",
            evidence.clock_jump.as_secs_f64()
        ),
    );
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of ten seconds with these responses and latenesses, in microseconds.
    fn evidence(response: u64, lateness: u64) -> HealthEvidence {
        let mut times = TimingSet::default();
        for _ in 0..1000 {
            times.response.record(Duration::from_micros(response));
            times.lateness.record(Duration::from_micros(lateness));
        }
        HealthEvidence {
            times,
            planned: 1000,
            sent: 1000,
            took: Duration::from_secs(10),
            cpus: 2,
            machine_idle_share: 0.5,
            ..HealthEvidence::default()
        }
    }

    #[test]
    fn a_generator_may_be_a_millisecond_late_or_a_tenth_of_the_response() {
        for (response, lateness, limited) in
            [(300, 900, false), (300, 1100, true), (50_000, 4000, false), (50_000, 6000, true)]
        {
            let health = judge(&evidence(response, lateness));
            assert_eq!(health.is_limited, limited, "{response} {lateness}: {health:?}");
        }
        let health = judge(&evidence(300, 900));
        assert_eq!((health.asked_rate, health.reached_rate, health.findings.len()), (100.0, 100.0, 0));
    }

    #[test]
    fn logins_that_were_not_sent_are_never_quiet() {
        let slow = judge(&HealthEvidence { sent: 900, ..evidence(300, 100) });
        assert!(slow.is_limited && slow.findings[0].text.contains("90 logins a second were sent of 100"), "{slow:?}");
        let empty = judge(&HealthEvidence { sent: 900, without_page: 100, ..evidence(300, 100) });
        assert_eq!(empty.findings.len(), 1);
        assert!(empty.is_limited && empty.findings[0].text.contains("--pages"), "{empty:?}");
        // A target that opens no pages is not the generator's fault.
        let down = judge(&HealthEvidence { sent: 900, without_page: 100, failed_opens: 7, ..evidence(300, 100) });
        assert!(!down.is_limited && down.findings[0].text.contains("7 attempts to open one failed"), "{down:?}");
    }

    #[test]
    fn a_generator_that_runs_out_of_something_is_the_limit() {
        let exhausted = BTreeMap::from([("the generator has no descriptors left".to_owned(), 12)]);
        let health = judge(&HealthEvidence { exhausted, ..evidence(300, 100) });
        assert!(health.is_limited && health.findings[0].text.contains("no descriptors left (12 times)"), "{health:?}");
    }

    #[test]
    fn what_only_explains_the_times_is_said_and_limits_nothing() {
        let busy = HealthEvidence {
            cpu_seconds: 19.9,
            machine_idle_share: 0.01,
            descriptors_used: 19_900,
            descriptors_limit: 20_000,
            clock_jump: Duration::from_secs(3600),
            ..evidence(300, 100)
        };
        let health = judge(&busy);
        assert_eq!((health.is_limited, health.findings.len()), (false, 4), "{health:?}");
    }

    #[test]
    fn a_run_without_logins_is_judged_without_dividing_by_zero() {
        let health = judge(&HealthEvidence { machine_idle_share: 1.0, ..HealthEvidence::default() });
        assert_eq!((health.is_limited, health.asked_rate, health.cpus_used), (false, 0.0, 0.0));
    }
}
