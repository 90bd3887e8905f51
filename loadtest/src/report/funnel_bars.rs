//! The funnel: how many came how far, as bars; and what went wrong, as a list.

use super::{
    headline::with_counts,
    numbers::{self, counted, float},
};
use crate::results::{Funnel, RunResult};

/// A step of the funnel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FunnelBar {
    pub(super) label: &'static str,
    pub(super) count: String,
    /// Of the first step, in percent.
    pub(super) width: f64,
    /// How many got lost since the step before; empty if none.
    pub(super) missing: String,
}

/// The steps of pages, from the first to the last.
pub(super) fn page_bars(funnel: &Funnel) -> Vec<FunnelBar> {
    bars(&[("asked for a code", funnel.asked), ("showed one", funnel.opened)])
}

/// The steps of logins, from the first to the last.
pub(super) fn login_bars(funnel: &Funnel) -> Vec<FunnelBar> {
    let mut steps = vec![
        ("planned", funnel.planned),
        ("scanned", funnel.scanned),
        ("accepted", funnel.accepted),
        ("delivered", funnel.delivered),
    ];
    // A peer has no grants.
    if funnel.redeemed > 0 {
        steps.push(("redeemed", funnel.redeemed));
    }
    bars(&steps)
}

fn bars(steps: &[(&'static str, u64)]) -> Vec<FunnelBar> {
    let most = steps.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let mut before = None;
    let bar = |(label, count): &(&'static str, u64)| {
        let fewer = before.replace(*count).unwrap_or(*count).saturating_sub(*count);
        FunnelBar {
            label,
            count: numbers::count(*count),
            width: float(*count) / float(most) * 100.0,
            missing: if fewer == 0 { String::new() } else { format!("{} fewer", numbers::count(fewer)) },
        }
    };
    steps.iter().map(bar).collect()
}

/// What went wrong, one line each; empty if nothing did.
pub(super) fn troubles(result: &RunResult) -> Vec<String> {
    let funnel = &result.funnel;
    let mut texts: Vec<String> = [
        (funnel.lost, "accepted login was lost", "accepted logins were lost"),
        (
            funnel.ended_with_the_data,
            "accepted login ended with the data of Redis before it was redeemed",
            "accepted logins ended with the data of Redis before they were redeemed",
        ),
        (funnel.doubled, "login came more than once", "logins came more than once"),
        (funnel.mixed_up, "login was redeemed as another person", "logins were redeemed as other persons"),
        (funnel.late, "login came late", "logins came late"),
        (
            funnel.refused,
            "phone was told something else than “you are logged in”",
            "times a phone was told something else than “you are logged in”",
        ),
        (funnel.not_told, "phone was told nothing", "phones were told nothing"),
        (funnel.without_page, "planned login found no waiting page", "planned logins found no waiting page"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, one, many)| format!("{}.", counted(count, one, many)))
    .collect();
    for (what, reasons) in [("Lost because", &funnel.lost_because), ("Pages were told", &funnel.problems)] {
        if !reasons.is_empty() {
            texts.push(format!("{what}: {}.", with_counts(reasons)));
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::SampleRun;

    #[test]
    fn each_step_says_how_many_it_lost() {
        let funnel =
            Funnel { planned: 200, scanned: 200, accepted: 150, delivered: 149, redeemed: 149, ..Funnel::default() };
        let bars = login_bars(&funnel);
        let texts: Vec<_> = bars.iter().map(|bar| (bar.label, bar.count.as_str(), bar.missing.as_str())).collect();
        assert_eq!(
            texts,
            [
                ("planned", "200", ""),
                ("scanned", "200", ""),
                ("accepted", "150", "50 fewer"),
                ("delivered", "149", "1 fewer"),
                ("redeemed", "149", ""),
            ]
        );
        assert!((bars[2].width - 75.0).abs() < 1e-9);
        assert_eq!(login_bars(&Funnel::default()).len(), 4);
        assert!(login_bars(&Funnel::default()).iter().all(|bar| bar.width.abs() < 1e-9));
    }

    #[test]
    fn only_what_went_wrong_is_listed() {
        let mut result = SampleRun::default().result();
        assert!(troubles(&result).is_empty());
        result.funnel.late = 1;
        result.funnel.not_told = 2000;
        result.funnel.problems = (1..=6).map(|code| (format!("p{code}"), code)).collect();
        assert_eq!(
            troubles(&result),
            [
                "1 login came late.",
                "2,000 phones were told nothing.",
                "Pages were told: p6 (6), p5 (5), p4 (4), p3 (3), and 2 more.",
            ]
        );
    }
}
