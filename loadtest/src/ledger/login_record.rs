//! The record of one login.

use std::time::{Duration, Instant};

use scenecast_scene::OpenId;

/// What is known of one login. Each moment is `None` until it happens.
#[derive(Debug, Default)]
pub(super) struct LoginRecord {
    /// Who scanned first, and when.
    pub(super) scanned: Option<(OpenId, Instant)>,
    /// When the phone was told that its user is logged in.
    pub(super) accepted: Option<Instant>,
    /// How often the phone was told something else.
    pub(super) refused: u64,
    /// How often the phone was told nothing.
    pub(super) not_told: u64,
    /// When the page was back after it had left on its own.
    pub(super) page_returned: Option<Instant>,
    /// When the message that decides it was planned, if it was. Whether it is late counts from then on.
    pub(super) planned: Option<Instant>,
    /// When the page learned that it is logged in.
    pub(super) page_told: Option<Instant>,
    /// Whether the page learned it once more.
    pub(super) page_told_again: bool,
    /// Who the site learned is logged in, once for each redemption.
    pub(super) redeemed: Vec<OpenId>,
    /// The code of the last redemption that was refused.
    pub(super) redeem_refusal: Option<String>,
    /// Whether nothing more is waited for.
    pub(super) is_over: bool,
}

impl LoginRecord {
    /// When it was scanned, and how long it took until its page learned of it.
    pub(super) fn scan_to_page(&self) -> Option<(Instant, Duration)> {
        let (_, scanned) = self.scanned.as_ref()?;
        Some((*scanned, self.page_told_after(*scanned)?))
    }

    /// How long after this moment its page learned of it. Time in which the page was away doesn't count.
    pub(super) fn page_told_after(&self, moment: Instant) -> Option<Duration> {
        let page_was_there = self.page_returned.map_or(moment, |returned| returned.max(moment));
        Some(self.page_told?.saturating_duration_since(page_was_there))
    }

    /// Whether somebody scanned it, and its page was there from then on.
    pub(super) fn page_was_waiting(&self) -> bool {
        let Some((_, scanned)) = &self.scanned else { return false };
        self.page_returned.is_none_or(|returned| returned < *scanned)
    }

    /// Whether Redis lost it with all of its data, which was over by then: the login was settled before, as its phone or its
    /// page shows, and its grant was not redeemed yet. Nothing can keep such a login, as docs/redis.md says.
    pub(super) fn ended_with_the_data(&self, lost_by: Instant) -> bool {
        let seen = [self.accepted, self.page_told].into_iter().flatten().min();
        let is_unknown = self.redeem_refusal.as_deref() == Some("grant_unknown");
        self.redeemed.is_empty() && is_unknown && seen.is_some_and(|seen| seen <= lost_by)
    }

    /// Whether its page has learned of it, and the site has redeemed its grant.
    pub(super) fn is_delivered(&self) -> bool {
        self.page_told.is_some() && !self.redeemed.is_empty()
    }
}
