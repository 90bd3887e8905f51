//! The sums of a ledger: what an operator looks at.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{Ledger, Login, Rate};

/// What came of a load's logins.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Scenes that somebody scanned.
    pub scanned: u64,
    /// Those whose phone was told that its owner is logged in.
    pub accepted: u64,
    /// Accepted ones that their page heard of, and whose grant the site redeemed.
    pub delivered: u64,
    /// Delivered ones that came late.
    pub late: u64,
    /// Accepted ones that never came through.
    pub lost: u64,
    /// Redeemed more than once.
    pub doubled: u64,
    /// Redeemed as somebody else than who scanned.
    pub mixed_up: u64,
    /// Times that a phone was told something else, such as to scan again.
    pub refused: u64,
    /// Times that a phone was told nothing.
    pub untold: u64,
    /// The longest time between two deliveries, to pages that were there all the time.
    pub longest_gap: Duration,
    /// From scan to page: half of the delivered ones were faster, …
    pub median: Duration,
    /// … and 99 of 100.
    pub p99: Duration,
    /// How pages came back.
    pub reconnects: Rate,
    /// Why grants of accepted logins weren't redeemed, by code.
    pub not_redeemed: BTreeMap<String, u64>,
    /// What pages were told instead of a login, by code.
    pub problems: BTreeMap<String, u64>,
}

impl Tally {
    /// Nothing was lost, doubled or mixed up.
    pub fn keeps_the_promise(&self) -> bool {
        (self.lost, self.doubled, self.mixed_up) == (0, 0, 0)
    }

    pub(super) fn of(ledger: &Ledger, late_after: Duration) -> Self {
        let mut tally =
            Self { reconnects: Rate::of(&ledger.reconnects), problems: ledger.problems.clone(), ..Self::default() };
        let (mut heard, mut times) = (vec![], vec![]);
        for login in ledger.logins.values() {
            tally.add(login, late_after);
            times.extend(login.took().map(|(_, took)| took));
            heard.extend(login.heard.filter(|_| login.was_waited_for()));
        }
        tally.longest_gap = longest_gap(heard);
        (tally.median, tally.p99) = (quantile(times.clone(), 50), quantile(times, 99));
        tally
    }

    fn add(&mut self, login: &Login, late_after: Duration) {
        let Some((who, _)) = &login.scanned else { return };
        self.scanned += 1;
        self.refused += login.refused;
        self.untold += login.untold;
        self.doubled += u64::from(login.redeemed.len() > 1);
        self.mixed_up += u64::from(login.redeemed.iter().any(|redeemed| redeemed != who));
        let Some(accepted) = login.accepted else { return };
        self.accepted += 1;
        match login.heard_after(accepted).filter(|_| login.came_through()) {
            Some(took) => {
                self.delivered += 1;
                self.late += u64::from(took > late_after);
            }
            None => {
                self.lost += 1;
                let why = login.not_redeemed.as_deref().unwrap_or("not heard of");
                *self.not_redeemed.entry(why.to_owned()).or_default() += 1;
            }
        }
    }
}

fn longest_gap(mut moments: Vec<Instant>) -> Duration {
    moments.sort_unstable();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

/// The smallest that so many percent are no greater than; nothing of nothing.
pub(super) fn quantile(mut of: Vec<Duration>, percent: usize) -> Duration {
    of.sort_unstable();
    let place = (of.len() * percent).div_ceil(100);
    of.get(place.saturating_sub(1)).copied().unwrap_or_default()
}
