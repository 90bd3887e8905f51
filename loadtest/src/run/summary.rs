//! What is printed at the end of a run, for people.

use std::fmt;

use crate::{
    plan::Phase,
    results::{HistogramRecord, PhaseResult, RunResult, WorkerWords},
};

/// A result as text.
pub(super) struct RunSummary<'a>(pub(super) &'a RunResult);

impl fmt::Display for RunSummary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RunResult { target, funnel, generator, thresholds, completeness, verdict, took_seconds, .. } = self.0;
        writeln!(f, "{} ({took_seconds:.0} s)", target.summary)?;
        if self.0.tool.build != "release" {
            writeln!(f, "measured by a {} build: its times mean little", self.0.tool.build)?;
        }
        writeln!(
            f,
            "pages: {} asked, {} opened; logins: {} planned, {} accepted, {} delivered, {} late, {} lost, {} doubled, {} mixed up",
            funnel.asked,
            funnel.opened,
            funnel.planned,
            funnel.accepted,
            funnel.delivered,
            funnel.late,
            funnel.lost,
            funnel.doubled,
            funnel.mixed_up
        )?;
        if funnel.redeemed > 0 {
            writeln!(f, "grants: {} redeemed, {} of them tried a second time", funnel.redeemed, funnel.redeemed_again)?;
        }
        for (what, counts) in [("lost because", &funnel.lost_because), ("pages were told", &funnel.problems)] {
            if !counts.is_empty() {
                let counts: Vec<_> = counts.iter().map(|(code, count)| format!("{code} {count}")).collect();
                writeln!(f, "{what}: {}", counts.join(", "))?;
            }
        }
        if funnel.ended_with_the_data > 0 {
            writeln!(f, "ended with the data of Redis before they were redeemed: {}", funnel.ended_with_the_data)?;
        }
        for fault in &self.0.faults {
            writeln!(f, "broken: {} from {:.1} s to {:.1} s", fault.what, fault.from_seconds, fault.to_seconds)?;
        }
        writeln!(
            f,
            "{:<10} {:<9} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "phase", "time", "count", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms"
        )?;
        for phase in &self.0.phases {
            write_times(f, phase)?;
        }
        if let Some(cost) = self
            .0
            .phase(Phase::Load)
            .and_then(|phase| phase.cost.as_ref())
            .filter(|cost| cost.logins > 0 && cost.is_known())
        {
            let roles = cost.roles.iter().map(|(role, cost)| format!("{} {:.0}", role.name(), cost.cpu_us_per_login));
            let roles: Vec<_> = roles.collect();
            writeln!(f, "CPU a login: {:.0} µs under test ({})", cost.cpu_us, roles.join(", "))?;
        }
        if let Some(workers) = WorkerWords::of(completeness) {
            writeln!(f, "workers: {workers}")?;
        }
        for finding in &generator.findings {
            writeln!(f, "generator: {}", finding.text)?;
        }
        for threshold in thresholds {
            let holds = if threshold.holds { "holds" } else { "DOES NOT HOLD" };
            let value = threshold.value.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.3}"));
            writeln!(f, "{holds}: {} ({value})", threshold.text)?;
        }
        if let Some(threshold) = &self.0.aborted_by {
            writeln!(f, "ended early, because this did not hold: {threshold}")?;
        }
        for reason in &completeness.reasons {
            writeln!(f, "incomplete: {reason}")?;
        }
        write!(f, "{}", verdict.text())
    }
}

fn write_times(f: &mut fmt::Formatter<'_>, phase: &PhaseResult) -> fmt::Result {
    let PhaseResult { response, service, lateness, open, .. } = phase;
    for (name, HistogramRecord { summary, .. }) in
        [("open", open), ("response", response), ("service", service), ("lateness", lateness)]
    {
        if summary.count > 0 {
            writeln!(
                f,
                "{:<10} {name:<9} {:>8} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
                phase.phase.name(),
                summary.count,
                summary.p50_ms,
                summary.p90_ms,
                summary.p99_ms,
                summary.p999_ms,
                summary.max_ms
            )?;
        }
    }
    Ok(())
}
