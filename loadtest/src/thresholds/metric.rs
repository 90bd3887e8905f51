//! The names of what was measured, and their values in a result.
//!
//! | name | what it is |
//! |---|---|
//! | `response.p99` | a percentile in the load: of `response`, `service`, `lateness`; or of `open`, in the ramp. Also `min`, `mean`, `p50`, `p75`, `p90`, `p95`, `p999`, `max`, `count` |
//! | `lost`, `accepted`, … | a field of the funnel, over the whole run |
//! | `problems` | how many problems pages met |
//! | `cpu.login`, `cpu.gateway.login` | CPU time a login: of all that is under test, or of one role |
//! | `cpu.gateway.open` | CPU time a page that opens, in the ramp |
//! | `rss.gateway`, `rss.gateway.page` | resident memory at the end of the load, and what a page had added before the first login |
//! | `rate.asked`, `rate.reached` | logins a second |
//!
//! Before each name except those of rates there may be a phase: `fault.response.p99`, `load.lost`.

use crate::{
    plan::Phase,
    results::{Funnel, LatencySummary, LoginCost, PhaseResult, ProcessRole, RunResult},
    units::to_f64,
};

use super::quantity::Quantity;

/// The name of something that was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricName {
    phase: Option<Phase>,
    kind: MetricKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum MetricKind {
    Latency(TimedPart, String),
    Funnel(String),
    Problems,
    CpuOfLogin(Option<ProcessRole>),
    CpuOfOpen(ProcessRole),
    Rss(ProcessRole),
    RssOfPage(ProcessRole),
    RateAsked,
    RateReached,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimedPart {
    Response,
    Service,
    Lateness,
    Open,
}

const ROLES: [ProcessRole; 6] = [
    ProcessRole::Gateway,
    ProcessRole::Callback,
    ProcessRole::Redis,
    ProcessRole::Simulator,
    ProcessRole::Generator,
    ProcessRole::Peer,
];

impl MetricName {
    /// Reads a name; `None` if there is none like it.
    pub(super) fn read(text: &str) -> Option<Self> {
        let phase = Phase::ALL.into_iter().find(|phase| text.split('.').next() == Some(phase.name()));
        let name = phase.map_or(text, |phase| text[phase.name().len()..].trim_start_matches('.'));
        let parts: Vec<&str> = name.split('.').collect();
        let role = |name: &str| ROLES.into_iter().find(|role| role.name() == name);
        let kind = match parts[..] {
            ["problems"] => MetricKind::Problems,
            ["cpu", "login"] => MetricKind::CpuOfLogin(None),
            ["cpu", name, "login"] => MetricKind::CpuOfLogin(Some(role(name)?)),
            ["cpu", name, "open"] => MetricKind::CpuOfOpen(role(name)?),
            ["rss", name] => MetricKind::Rss(role(name)?),
            ["rss", name, "page"] => MetricKind::RssOfPage(role(name)?),
            ["rate", "asked"] if phase.is_none() => MetricKind::RateAsked,
            ["rate", "reached"] if phase.is_none() => MetricKind::RateReached,
            [part, statistic] => {
                statistic_of(&LatencySummary::default(), statistic)?;
                MetricKind::Latency(timed_part(part)?, statistic.to_owned())
            }
            [field] => {
                field_of(&Funnel::default(), field)?;
                MetricKind::Funnel(field.to_owned())
            }
            _ => return None,
        };
        Some(Self { phase, kind })
    }

    pub(super) fn quantity(&self) -> Quantity {
        match &self.kind {
            MetricKind::Latency(_, statistic) if statistic == "count" => Quantity::Count,
            MetricKind::Latency(..) | MetricKind::CpuOfLogin(_) | MetricKind::CpuOfOpen(_) => Quantity::Time,
            MetricKind::Rss(_) | MetricKind::RssOfPage(_) => Quantity::Size,
            MetricKind::Funnel(_) | MetricKind::Problems | MetricKind::RateAsked | MetricKind::RateReached => {
                Quantity::Count
            }
        }
    }

    /// Its value, in the unit of its quantity; `None` if nothing was measured.
    pub(super) fn value(&self, result: &RunResult) -> Option<f64> {
        let usual = match &self.kind {
            MetricKind::Latency(TimedPart::Open, _) | MetricKind::CpuOfOpen(_) => Phase::Ramp,
            _ => Phase::Load,
        };
        let phase = || result.phase(self.phase.unwrap_or(usual));
        let cost = || phase()?.cost.as_ref();
        let funnel = || if self.phase.is_some() { phase().map(|phase| &phase.funnel) } else { Some(&result.funnel) };
        match &self.kind {
            MetricKind::Latency(part, statistic) => part.summary(phase()?).and_then(|of| statistic_of(of, statistic)),
            MetricKind::Funnel(field) => field_of(funnel()?, field),
            MetricKind::Problems => Some(to_f64(funnel()?.problems.values().sum())),
            MetricKind::CpuOfLogin(role) => cpu_of_login(cost()?, *role),
            MetricKind::CpuOfOpen(role) => positive(cost()?.roles.get(role)?.cpu_us_per_open / 1e3),
            MetricKind::Rss(role) => positive(to_f64(cost()?.roles.get(role)?.rss_bytes)),
            MetricKind::RssOfPage(role) => {
                let phase = if self.phase.is_some() { phase() } else { result.before_logins() };
                positive(phase?.cost.as_ref()?.roles.get(role)?.rss_bytes_per_page)
            }
            MetricKind::RateAsked => Some(result.generator.asked_rate),
            MetricKind::RateReached => Some(result.generator.reached_rate),
        }
    }
}

impl TimedPart {
    /// The summary in this phase; `None` if it has no times.
    fn summary(self, phase: &PhaseResult) -> Option<&LatencySummary> {
        let record = match self {
            Self::Response => &phase.response,
            Self::Service => &phase.service,
            Self::Lateness => &phase.lateness,
            Self::Open => &phase.open,
        };
        Some(&record.summary).filter(|summary| summary.count > 0)
    }
}

fn timed_part(name: &str) -> Option<TimedPart> {
    Some(match name {
        "response" => TimedPart::Response,
        "service" => TimedPart::Service,
        "lateness" => TimedPart::Lateness,
        "open" => TimedPart::Open,
        _ => return None,
    })
}

fn statistic_of(summary: &LatencySummary, name: &str) -> Option<f64> {
    Some(match name {
        "count" => to_f64(summary.count),
        "min" => summary.min_ms,
        "mean" => summary.mean_ms,
        "p50" => summary.p50_ms,
        "p75" => summary.p75_ms,
        "p90" => summary.p90_ms,
        "p95" => summary.p95_ms,
        "p99" => summary.p99_ms,
        "p999" => summary.p999_ms,
        "max" => summary.max_ms,
        _ => return None,
    })
}

fn field_of(funnel: &Funnel, name: &str) -> Option<f64> {
    Some(to_f64(match name {
        "asked" => funnel.asked,
        "opened" => funnel.opened,
        "ended_with_the_data" => funnel.ended_with_the_data,
        "left" => funnel.left,
        "planned" => funnel.planned,
        "without_page" => funnel.without_page,
        "scanned" => funnel.scanned,
        "accepted" => funnel.accepted,
        "delivered" => funnel.delivered,
        "redeemed" => funnel.redeemed,
        "redeemed_again" => funnel.redeemed_again,
        "lost" => funnel.lost,
        "doubled" => funnel.doubled,
        "mixed_up" => funnel.mixed_up,
        "late" => funnel.late,
        "refused" => funnel.refused,
        "not_told" => funnel.not_told,
        _ => return None,
    }))
}

/// In milliseconds; `None` if no login was measured.
fn cpu_of_login(cost: &LoginCost, role: Option<ProcessRole>) -> Option<f64> {
    let us = match role {
        None => cost.cpu_us,
        Some(role) => cost.roles.get(&role)?.cpu_us_per_login,
    };
    if cost.logins > 0 { positive(us / 1e3) } else { None }
}

/// A value that can't be 0 unless nothing was measured.
fn positive(value: f64) -> Option<f64> {
    (value > 0.0).then_some(value)
}
