//! What phones were promised and what came of it: every login from its scan to its redemption. No I/O.

mod rate;
mod tally;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    ops::Range,
    time::{Duration, Instant},
};

use scenecast_shared::scene::{OpenId, SceneId};

pub use rate::Rate;
pub use tally::Tally;

/// Everything that happened to the logins of a load. Moments may be noted in any order.
#[derive(Debug, Default)]
pub struct Ledger {
    logins: HashMap<SceneId, Login>,
    reconnects: Vec<Instant>,
    moves: Vec<Move>,
    problems: BTreeMap<String, u64>,
}

/// A gateway sends a page elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// When.
    pub at: Instant,
    /// Which gateway.
    pub from: SocketAddr,
    /// After how long it tells the page to come back.
    pub delay: Duration,
    /// Whether somebody is about to confirm.
    pub scanned: bool,
}

/// What a phone was told in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// That its owner is logged in: the promise.
    Accepted,
    /// Something else, in the account's words, such as “please scan again”.
    Refused,
    /// Nothing by the account; WeChat's own notice.
    Nothing,
}

/// What came of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redemption {
    /// It was this person's.
    Of(OpenId),
    /// The callback refuses it, with this code, and always will.
    Refused(String),
}

#[derive(Debug, Default)]
struct Login {
    scanned: Option<(OpenId, Instant)>,
    accepted: Option<Instant>,
    refused: u64,
    untold: u64,
    back: Option<Instant>,
    heard: Option<Instant>,
    redeemed: Vec<OpenId>,
    not_redeemed: Option<String>,
}

impl Ledger {
    /// Somebody scans this scene's code; only the first counts.
    pub fn scanned(&mut self, scene: SceneId, who: OpenId, at: Instant) {
        self.login(scene).scanned.get_or_insert((who, at));
    }

    /// The phone was told so.
    pub fn told(&mut self, scene: SceneId, told: Told, at: Instant) {
        let login = self.login(scene);
        match told {
            Told::Accepted => _ = login.accepted.get_or_insert(at),
            Told::Refused => login.refused += 1,
            Told::Nothing => login.untold += 1,
        }
    }

    /// The scene's page was away by its own will, and is back: before that it could hear nothing.
    pub fn returns(&mut self, scene: SceneId, at: Instant) {
        self.login(scene).back = Some(at);
    }

    /// The scene's page heard that it is logged in.
    pub fn heard(&mut self, scene: SceneId, at: Instant) {
        self.login(scene).heard.get_or_insert(at);
    }

    /// The site redeemed a grant of this scene, or tried to, as a login of its own: what is only asked again, under
    /// the same idempotency key, is not noted.
    pub fn redeemed(&mut self, scene: SceneId, redemption: Redemption) {
        let login = self.login(scene);
        match redemption {
            Redemption::Of(who) => login.redeemed.push(who),
            Redemption::Refused(code) => login.not_redeemed = Some(code),
        }
    }

    /// A page that lost its connection knocks again.
    pub fn reconnects(&mut self, at: Instant) {
        self.reconnects.push(at);
    }

    /// A page is sent elsewhere.
    pub fn moves(&mut self, page: Move) {
        self.moves.push(page);
    }

    /// The pages that this gateway has sent elsewhere since then.
    pub fn moved(&self, from: SocketAddr, since: Instant) -> Vec<Move> {
        self.moves.iter().copied().filter(|page| page.from == from && page.at >= since).collect()
    }

    /// A page was told of this problem.
    pub fn has_problem(&mut self, code: &str) {
        *self.problems.entry(code.to_owned()).or_default() += 1;
    }

    /// How often pages were told of this problem.
    pub fn problems(&self, code: &str) -> u64 {
        self.problems.get(code).copied().unwrap_or_default()
    }

    /// How many accepted logins haven't come through yet.
    pub fn outstanding(&self) -> usize {
        self.logins.values().filter(|login| login.accepted.is_some() && !login.came_through()).count()
    }

    /// Within which time 99 of 100 pages heard of a login that was scanned in this time, if they did.
    pub fn p99(&self, scanned: Range<Instant>) -> Duration {
        let logins = self.logins.values().filter_map(Login::took);
        let took = logins.filter(|(at, _)| scanned.contains(at)).map(|(_, took)| took).collect();
        tally::quantile(took, 99)
    }

    /// The sums. A login that its page heard of later than this after its phone is late.
    pub fn tally(&self, late_after: Duration) -> Tally {
        Tally::of(self, late_after)
    }

    fn login(&mut self, scene: SceneId) -> &mut Login {
        self.logins.entry(scene).or_default()
    }
}

impl Login {
    /// When it was scanned, and how long it took until its page heard of it.
    fn took(&self) -> Option<(Instant, Duration)> {
        let (_, scanned) = self.scanned.as_ref()?;
        Some((*scanned, self.heard_after(*scanned)?))
    }

    /// How long after this moment its page heard of it, the time that it was away not counted.
    fn heard_after(&self, moment: Instant) -> Option<Duration> {
        let could_hear = self.back.map_or(moment, |back| back.max(moment));
        Some(self.heard?.saturating_duration_since(could_hear))
    }

    /// Somebody scanned it, and its page was there since.
    fn was_waited_for(&self) -> bool {
        self.scanned.as_ref().is_some_and(|(_, scanned)| self.back.is_none_or(|back| back < *scanned))
    }

    /// Its page has heard of it, and the site knows who it is.
    fn came_through(&self) -> bool {
        self.heard.is_some() && !self.redeemed.is_empty()
    }
}
