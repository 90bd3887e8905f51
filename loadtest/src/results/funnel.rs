//! What became of the logins: how many came how far.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ledger::Tally;

/// Counts of logins, of a phase or of a whole run. Each login that came far is also counted in all fields before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Funnel {
    /// How many pages asked for a code.
    pub asked: u64,
    /// How many of them showed one.
    pub opened: u64,
    /// How many pages were left by their person before a login, as the plan wants it.
    pub left: u64,
    /// How many logins were planned.
    pub planned: u64,
    /// How many of them were not begun, because no page waited at that moment. Never silently left out.
    pub without_page: u64,
    /// How many codes were scanned. (For a peer: how many pushes were sent.)
    pub scanned: u64,
    /// How many phones were told that they are logged in. (For a peer: how many pushes were accepted.)
    pub accepted: u64,
    /// How many accepted logins reached their page, and were redeemed where the target has grants.
    pub delivered: u64,
    /// How many grants were redeemed; 0 for a target without grants.
    pub redeemed: u64,
    /// How many redeemed grants were tried a second time. That has to be refused; a grant that isn't counts as doubled.
    pub redeemed_again: u64,
    /// How many accepted logins never reached their page, or could not be redeemed.
    pub lost: u64,
    /// How many accepted logins ended with the data of Redis, before their grant was redeemed. They are not lost.
    pub ended_with_the_data: u64,
    /// How many logins a page or a site got more than once.
    pub doubled: u64,
    /// How many logins were redeemed as another person than the one who scanned, or came to a page that nobody had scanned.
    pub mixed_up: u64,
    /// How many delivered logins reached their page later after their planned instant than the plan allows.
    pub late: u64,
    /// How often a phone was told something else, such as to scan again.
    pub refused: u64,
    /// How often a phone was told nothing.
    pub not_told: u64,
    /// Why logins were lost, with counts.
    pub lost_because: BTreeMap<String, u64>,
    /// What pages met instead of a code or a login, by the problem's code, with counts.
    pub problems: BTreeMap<String, u64>,
}

impl Funnel {
    /// What a ledger knows. It knows nothing of what came before the scans.
    pub fn of(tally: Tally) -> Self {
        Self {
            scanned: tally.scanned,
            accepted: tally.accepted,
            delivered: tally.delivered,
            lost: tally.lost,
            ended_with_the_data: tally.ended_with_the_data,
            doubled: tally.doubled,
            mixed_up: tally.mixed_up,
            late: tally.late,
            refused: tally.refused,
            not_told: tally.not_told,
            lost_because: tally.lost_because,
            problems: tally.problems,
            ..Self::default()
        }
    }

    /// Adds everything that another worker or phase counted.
    pub fn add(&mut self, other: &Self) {
        for (ours, theirs) in [
            (&mut self.asked, other.asked),
            (&mut self.opened, other.opened),
            (&mut self.left, other.left),
            (&mut self.planned, other.planned),
            (&mut self.without_page, other.without_page),
            (&mut self.scanned, other.scanned),
            (&mut self.accepted, other.accepted),
            (&mut self.delivered, other.delivered),
            (&mut self.redeemed, other.redeemed),
            (&mut self.redeemed_again, other.redeemed_again),
            (&mut self.lost, other.lost),
            (&mut self.ended_with_the_data, other.ended_with_the_data),
            (&mut self.doubled, other.doubled),
            (&mut self.mixed_up, other.mixed_up),
            (&mut self.late, other.late),
            (&mut self.refused, other.refused),
            (&mut self.not_told, other.not_told),
        ] {
            *ours += theirs;
        }
        for (ours, theirs) in [(&mut self.lost_because, &other.lost_because), (&mut self.problems, &other.problems)] {
            for (reason, count) in theirs {
                *ours.entry(reason.clone()).or_default() += count;
            }
        }
    }

    /// That logins found no page, because pages could not open; `None` if neither is so.
    pub fn unopened(&self, failed_opens: u64) -> Option<String> {
        (self.without_page > 0 && failed_opens > 0).then(|| {
            let Self { without_page, planned, .. } = self;
            format!(
                "{without_page} of {planned} planned logins found no page that waits, because {failed_opens} attempts to open \
                 one failed"
            )
        })
    }

    /// What became of the logins that were begun and neither reached their page nor were lost, in words; `None` if there are
    /// none. Percentiles know nothing of them.
    pub fn without_end(&self) -> Option<String> {
        let begun = self.planned.saturating_sub(self.without_page);
        let without_end = begun.saturating_sub(self.delivered + self.lost + self.ended_with_the_data);
        (without_end > 0).then(|| {
            format!(
                "{without_end} of {begun} logins came to nothing, and no percentile has them: phones were told something else \
                 {} times and nothing {} times. Check that --confirmation is that of the account, and read the callbacks' logs",
                self.refused, self.not_told
            )
        })
    }

    /// Whether no login was lost, doubled or mixed up, as a drill judges it.
    pub fn keeps_the_promise(&self) -> bool {
        let Self { lost, doubled, mixed_up, .. } = *self;
        Tally { lost, doubled, mixed_up, ..Tally::default() }.keeps_the_promise()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_that_come_to_nothing_are_told() {
        let all = Funnel { planned: 10, without_page: 2, delivered: 7, lost: 1, ..Funnel::default() };
        assert_eq!(all.without_end(), None);
        let refused = Funnel { delivered: 0, refused: 7, ..all.clone() };
        assert_eq!((all.unopened(0), refused.unopened(0)), (None, None));
        assert!(all.unopened(3).is_some_and(|told| told.starts_with("2 of 10 planned logins found no page")));
        assert!(refused.without_end().is_some_and(|told| told.starts_with("7 of 8 logins came to nothing")));
    }

    #[test]
    fn adding_adds_every_field() {
        // Every number of one funnel is 1, whatever fields there are.
        let mut json = serde_json::to_value(Funnel::default()).unwrap();
        for (_, field) in json.as_object_mut().unwrap() {
            *field = if field.is_number() { 1.into() } else { serde_json::json!({ "why": 1 }) };
        }
        let one: Funnel = serde_json::from_value(json.clone()).unwrap();
        let mut two = one.clone();
        two.add(&one);
        let doubled = serde_json::to_string(&json).unwrap().replace(":1", ":2");
        assert_eq!(serde_json::to_value(two).unwrap(), serde_json::from_str::<serde_json::Value>(&doubled).unwrap());
        assert!(!one.keeps_the_promise() && Funnel::default().keeps_the_promise());
    }
}
