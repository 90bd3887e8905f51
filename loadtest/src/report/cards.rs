//! The numbers that matter, one card each.

use super::{
    numbers::{self, counted, float},
    reported::main_phase,
};
use crate::{
    plan::Phase,
    results::{LatencySummary, ProcessRole, RunResult},
};

/// A number that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) label: &'static str,
    pub(super) value: String,
    /// What it is measured against.
    pub(super) note: String,
    pub(super) is_bad: bool,
}

pub(super) fn cards(result: &RunResult) -> Vec<Card> {
    let mut cards = latency(result);
    cards.extend([logins(result), broken(result)]);
    cards.extend(rate(result));
    cards.push(pages(result));
    cards.extend(cpu(result));
    cards.extend(memory(result));
    cards
}

fn card(label: &'static str, value: String, note: String) -> Card {
    Card { label, value, note, is_bad: false }
}

fn latency(result: &RunResult) -> Vec<Card> {
    let Some(phase) = main_phase(result) else { return vec![] };
    let fault =
        result.phase(Phase::Fault).filter(|fault| fault.phase != phase.phase).map(|fault| &fault.response.summary);
    let note = |otherwise: String, of: fn(&LatencySummary) -> f64| match fault {
        Some(summary) => format!("{} during the fault", numbers::millis(of(summary))),
        None => otherwise,
    };
    let summary = &phase.response.summary;
    vec![
        card(
            "p50, scan to page",
            numbers::millis(summary.p50_ms),
            note("half took less".to_owned(), |times| times.p50_ms),
        ),
        card(
            "p99, scan to page",
            numbers::millis(summary.p99_ms),
            note("99 of 100 took less".to_owned(), |times| times.p99_ms),
        ),
        card(
            "slowest",
            numbers::millis(summary.max_ms),
            note(format!("of {}", counted(summary.count, "login", "logins")), |times| times.max_ms),
        ),
    ]
}

fn logins(result: &RunResult) -> Card {
    let funnel = &result.funnel;
    card(
        "logins delivered",
        numbers::count(funnel.delivered),
        format!("of {} accepted", numbers::count(funnel.accepted)),
    )
}

fn broken(result: &RunResult) -> Card {
    let funnel = &result.funnel;
    let note = format!("{} late", numbers::count(funnel.late));
    let value = [funnel.lost, funnel.doubled, funnel.mixed_up].map(numbers::count).join(" / ");
    Card { is_bad: !funnel.keeps_the_promise(), ..card("lost / doubled / mixed up", value, note) }
}

fn rate(result: &RunResult) -> Option<Card> {
    let health = &result.generator;
    let note = format!("a second, of {} asked for", numbers::rate(health.asked_rate));
    (health.asked_rate > 0.0).then(|| card("logins sent", numbers::rate(health.reached_rate), note))
}

fn pages(result: &RunResult) -> Card {
    let most = result.seconds.iter().map(|second| second.connected).max().unwrap_or(0);
    card("pages at a time", numbers::count(most), format!("of {} asked for", numbers::count(result.plan.pages.into())))
}

fn cpu(result: &RunResult) -> Option<Card> {
    let cost = main_phase(result)?.cost.as_ref().filter(|cost| cost.logins > 0 && cost.is_known())?;
    let of_roles = cost
        .roles
        .iter()
        .filter(|(role, _)| role.is_under_test())
        .map(|(role, cost)| format!("{} {}", role.name(), numbers::micros(cost.cpu_us_per_login)));
    Some(card("CPU a login", numbers::micros(cost.cpu_us), of_roles.collect::<Vec<_>>().join(", ")))
}

/// Memory of the gateways at the end of the last phase before the logins, for each page that they held.
fn memory(result: &RunResult) -> Option<Card> {
    let phase = result.before_logins()?;
    let (role, cost) = phase.cost.as_ref()?.roles.iter().find(|(role, _)| holds_pages(**role))?;
    let total = result
        .processes
        .iter()
        .filter(|process| process.role == *role)
        .filter_map(|process| process.at(phase.to_seconds));
    let rss: u64 = total.map(|sample| sample.rss_bytes).sum();
    let note = format!("{} in all, {}", numbers::bytes(float(rss)), role.name());
    (cost.rss_bytes_per_page > 0.0).then(|| card("memory a page", numbers::bytes(cost.rss_bytes_per_page), note))
}

fn holds_pages(role: ProcessRole) -> bool {
    matches!(role, ProcessRole::Gateway | ProcessRole::Peer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::SampleRun;

    fn of(result: &RunResult, label: &str) -> Option<(String, String, bool)> {
        let card = cards(result).into_iter().find(|card| card.label == label)?;
        Some((card.value, card.note, card.is_bad))
    }

    #[test]
    fn cards_say_what_was_measured_and_against_what() {
        let result = SampleRun::default().result();
        let is = |label, value: &str, note: &str| {
            assert_eq!(of(&result, label), Some((value.to_owned(), note.to_owned(), false)));
        };
        is("logins delivered", "4,000", "of 4,000 accepted");
        is("lost / doubled / mixed up", "0 / 0 / 0", "0 late");
        is("logins sent", "100", "a second, of 100 asked for");
        is("pages at a time", "10,000", "of 10,000 asked for");
        is("CPU a login", "430 µs", "gateway 180 µs, callback 160 µs, redis 90 µs");
        assert_eq!(of(&result, "memory a page").unwrap().0, "2.54 KiB");
        assert_eq!(of(&result, "p99, scan to page").unwrap().1, "99 of 100 took less");
    }

    #[test]
    fn a_fault_stands_beside_the_load_and_a_broken_promise_is_bad() {
        let mut result = SampleRun { fault_before_end: Some(20), ..SampleRun::default() }.result();
        assert!(of(&result, "slowest").unwrap().1.ends_with(" s during the fault"));
        result.funnel.lost = 1;
        assert_eq!(
            of(&result, "lost / doubled / mixed up").unwrap(),
            ("1 / 0 / 0".to_owned(), "0 late".to_owned(), true)
        );
    }

    #[test]
    fn nothing_is_invented_for_a_run_that_measured_nothing() {
        let sample = SampleRun::default().result();
        let nothing = RunResult::new(sample.plan, sample.target);
        let labels: Vec<_> = cards(&nothing).into_iter().map(|card| card.label).collect();
        assert_eq!(labels, ["logins delivered", "lost / doubled / mixed up", "pages at a time"]);
    }
}
