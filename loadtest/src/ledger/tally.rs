//! The sums over all logins, for an operator.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{burst_rate::BurstRate, login_record::LoginRecord};

/// The sums over the logins of a load.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Scenes that somebody scanned.
    pub scanned: u64,
    /// Scanned scenes whose phone was told that its user is logged in.
    pub accepted: u64,
    /// Accepted logins whose page learned of it, and whose grant the site redeemed.
    pub delivered: u64,
    /// Delivered logins that came late.
    pub late: u64,
    /// Accepted logins that were never delivered.
    pub lost: u64,
    /// Accepted logins that ended with the data of Redis, before their grant was redeemed. Not counted as lost.
    pub ended_with_the_data: u64,
    /// Logins that were redeemed more than once, or that their page was told more than once.
    pub doubled: u64,
    /// Logins that were redeemed as another user than the one who scanned.
    pub mixed_up: u64,
    /// How often a phone was told something else, such as to scan again.
    pub refused: u64,
    /// How often a phone was told nothing.
    pub not_told: u64,
    /// The longest time between two deliveries to pages that were there all the time.
    pub longest_gap: Duration,
    /// The median of the time from scan to page.
    pub median: Duration,
    /// The 99th percentile of the time from scan to page.
    pub p99: Duration,
    /// How evenly pages reconnected.
    pub reconnects: BurstRate,
    /// Why accepted logins were lost, by the code with which their redemption was refused.
    pub lost_because: BTreeMap<String, u64>,
    /// The problems that pages met instead of a login, by code.
    pub problems: BTreeMap<String, u64>,
}

impl Tally {
    /// Whether no login was lost, doubled or mixed up.
    pub fn keeps_the_promise(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.mixed_up == 0
    }

    pub(super) fn of<'a>(
        logins: impl Iterator<Item = &'a LoginRecord>,
        late_after: Duration,
        data_lost_by: Option<Instant>,
    ) -> Self {
        let mut tally = Self::default();
        let mut told_waiting_pages = vec![];
        let mut times = vec![];
        for login in logins {
            tally.add(login, late_after, data_lost_by);
            if let Some((_, took)) = login.scan_to_page() {
                times.push(took);
            }
            if login.page_was_waiting() {
                told_waiting_pages.extend(login.page_told);
            }
        }
        tally.longest_gap = longest_gap(told_waiting_pages);
        tally.median = quantile(times.clone(), 50);
        tally.p99 = quantile(times, 99);
        tally
    }

    pub(super) fn add(&mut self, login: &LoginRecord, late_after: Duration, data_lost_by: Option<Instant>) {
        let Some((who, _)) = &login.scanned else { return };
        self.scanned += 1;
        self.refused += login.refused;
        self.not_told += login.not_told;
        self.doubled += u64::from(login.redeemed.len() > 1 || login.page_told_again);
        self.mixed_up += u64::from(login.redeemed.iter().any(|redeemed| redeemed != who));
        let Some(accepted) = login.accepted else { return };
        self.accepted += 1;
        match login.page_told_after(login.planned.unwrap_or(accepted)) {
            Some(took) if login.is_delivered() => {
                self.delivered += 1;
                self.late += u64::from(took > late_after);
            }
            _ if data_lost_by.is_some_and(|lost_by| login.ended_with_the_data(lost_by)) => {
                self.ended_with_the_data += 1;
            }
            _ => {
                self.lost += 1;
                let reason = login.redeem_refusal.as_deref().unwrap_or("page was not told");
                *self.lost_because.entry(reason.to_owned()).or_default() += 1;
            }
        }
    }
}

impl Tally {
    /// Adds the counts of logins that were closed.
    pub(super) fn add_closed(&mut self, closed: &Self) {
        self.scanned += closed.scanned;
        self.accepted += closed.accepted;
        self.delivered += closed.delivered;
        self.late += closed.late;
        self.lost += closed.lost;
        self.ended_with_the_data += closed.ended_with_the_data;
        self.doubled += closed.doubled;
        self.mixed_up += closed.mixed_up;
        self.refused += closed.refused;
        self.not_told += closed.not_told;
        for (reason, count) in &closed.lost_because {
            *self.lost_because.entry(reason.clone()).or_default() += count;
        }
    }
}

fn longest_gap(mut moments: Vec<Instant>) -> Duration {
    moments.sort_unstable();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

/// The smallest duration that is at least as long as this percentage of them; zero without any.
pub(super) fn quantile(mut durations: Vec<Duration>, percent: usize) -> Duration {
    durations.sort_unstable();
    let place = (durations.len() * percent).div_ceil(100);
    durations.get(place.saturating_sub(1)).copied().unwrap_or_default()
}
