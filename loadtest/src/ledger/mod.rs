//! The record of every login from its scan to its redemption: what each phone was told, and what became of it. No I/O.
//!
//! | module | what it is for |
//! |---|---|
//! | `login_record` | one login |
//! | `tally` | the sums over all logins |
//! | `burst_rate` | how evenly pages reconnect |

mod burst_rate;
mod login_record;
mod tally;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    ops::Range,
    time::{Duration, Instant},
};

use scenecast_scene::{OpenId, SceneId};

pub use burst_rate::BurstRate;
pub use tally::Tally;

use login_record::LoginRecord;

/// How many different problems are told apart, and the longest code of one, in bytes.
const MOST_CODES: usize = 100;
const LONGEST_CODE: usize = 100;
/// What further problems are counted as.
const OTHER_PROBLEMS: &str = "other problems";

/// Everything that happened to the logins of a load. Events may be noted in any order.
#[derive(Debug, Default)]
pub struct Ledger {
    logins: HashMap<SceneId, LoginRecord>,
    reconnects: Vec<Instant>,
    moves: Vec<PageMove>,
    problems: BTreeMap<String, u64>,
    data_lost_by: Option<Instant>,
    /// The sums over the logins that were closed.
    closed: Tally,
}

/// A draining gateway sent a page to another gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageMove {
    /// When the gateway closed the connection.
    pub at: Instant,
    /// The gateway.
    pub from: SocketAddr,
    /// The delay after which the page has to reconnect.
    pub delay: Duration,
    /// Whether the scene was scanned, so that its user was about to confirm.
    pub scanned: bool,
}

/// What a phone was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneResult {
    /// The user is logged in. This is the promise that must be kept.
    Accepted,
    /// Another text of the account, such as “please scan again”.
    Refused,
    /// No text of the account: nothing, or WeChat's own notice.
    Nothing,
}

/// What became of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redemption {
    /// The callback answered with this user.
    Of(OpenId),
    /// The callback refused it for good, with this code.
    Refused(String),
}

impl Ledger {
    /// Somebody scanned this scene's code. Only the first scan counts.
    pub fn scanned(&mut self, scene: SceneId, who: OpenId, at: Instant) {
        self.login(scene).scanned.get_or_insert((who, at));
    }

    pub fn phone_told(&mut self, scene: SceneId, result: PhoneResult, at: Instant) {
        let login = self.login(scene);
        match result {
            PhoneResult::Accepted => _ = login.accepted.get_or_insert(at),
            PhoneResult::Refused => login.refused += 1,
            PhoneResult::Nothing => login.not_told += 1,
        }
    }

    /// The scene's page had left on its own, and is back. It could not learn anything while it was away.
    pub fn page_returned(&mut self, scene: SceneId, at: Instant) {
        self.login(scene).page_returned = Some(at);
    }

    /// The message that decides this login was planned for this moment. Lateness counts from then on, and otherwise from when
    /// its phone was told.
    pub fn planned(&mut self, scene: SceneId, at: Instant) {
        self.login(scene).planned = Some(at);
    }

    /// The scene's page learned once more that it is logged in.
    pub fn page_told_again(&mut self, scene: SceneId) {
        self.login(scene).page_told_again = true;
    }

    /// The scene's page learned that it is logged in.
    pub fn page_told(&mut self, scene: SceneId, at: Instant) {
        self.login(scene).page_told.get_or_insert(at);
    }

    /// The site redeemed a grant of this scene, or tried to, as a new login. Repeats under the same idempotency key
    /// are not noted.
    pub fn redeemed(&mut self, scene: SceneId, redemption: Redemption) {
        let login = self.login(scene);
        match redemption {
            Redemption::Of(who) => login.redeemed.push(who),
            Redemption::Refused(code) => login.redeem_refusal = Some(code),
        }
    }

    /// Nothing more can come of this login: its sums are kept, and its record is not, so that a long load needs little
    /// memory. Its times are not in the quantiles and gaps of the tally.
    pub fn close(&mut self, scene: SceneId, late_after: Duration) {
        if let Some(login) = self.logins.remove(&scene) {
            self.closed.add(&login, late_after, self.data_lost_by);
        }
    }

    /// Nothing more is waited for of this login, and its record is kept: it may be redeemed again.
    pub fn over(&mut self, scene: SceneId) {
        self.login(scene).is_over = true;
    }

    /// Whether something is known of this login, and it isn't closed.
    pub fn knows(&self, scene: SceneId) -> bool {
        self.logins.contains_key(&scene)
    }

    /// Redis has lost every copy of its data, and is back without it.
    pub fn data_lost(&mut self, by: Instant) {
        self.data_lost_by = Some(by);
    }

    /// A page that lost its connection reconnects.
    pub fn reconnected(&mut self, at: Instant) {
        self.reconnects.push(at);
    }

    /// A draining gateway sent a page to another gateway.
    pub fn moved(&mut self, page: PageMove) {
        self.moves.push(page);
    }

    /// The pages that this gateway has sent to others since then.
    pub fn moves_from(&self, from: SocketAddr, since: Instant) -> Vec<PageMove> {
        self.moves.iter().copied().filter(|page| page.from == from && page.at >= since).collect()
    }

    /// A page met the problem with this code. A server that makes up a new one each time fills no memory: of long codes the
    /// beginning counts, and from some number on new ones are counted as other problems.
    pub fn count_problem(&mut self, code: &str) {
        let code = &code[..code.floor_char_boundary(LONGEST_CODE)];
        let is_new = !self.problems.contains_key(code);
        let code = if is_new && self.problems.len() >= MOST_CODES { OTHER_PROBLEMS } else { code };
        *self.problems.entry(code.to_owned()).or_default() += 1;
    }

    /// How often pages met the problem with this code.
    pub fn problems(&self, code: &str) -> u64 {
        self.problems.get(code).copied().unwrap_or_default()
    }

    /// The number of accepted logins that are not delivered yet, and may still be.
    pub fn outstanding(&self) -> usize {
        let ended = |login: &LoginRecord| self.data_lost_by.is_some_and(|lost_by| login.ended_with_the_data(lost_by));
        let waits = |login: &&LoginRecord| login.accepted.is_some() && !login.is_delivered() && !ended(login);
        self.logins.values().filter(waits).count()
    }

    /// The 99th percentile of the time from scan to page, over the delivered logins that were scanned in this period.
    pub fn p99(&self, scanned: Range<Instant>) -> Duration {
        let logins = self.logins.values().filter_map(LoginRecord::scan_to_page);
        let took = logins.filter(|(at, _)| scanned.contains(at)).map(|(_, took)| took).collect();
        tally::quantile(took, 99)
    }

    /// The sums. A login is late if its page learned of it more than `late_after` after it was planned, or else after its phone
    /// was told.
    pub fn tally(&self, late_after: Duration) -> Tally {
        let mut tally = Tally::of(self.logins.values(), late_after, self.data_lost_by);
        tally.add_closed(&self.closed);
        tally.reconnects = BurstRate::of(&self.reconnects);
        tally.problems = self.problems.clone();
        tally
    }

    /// The sums over the logins of which nothing more is waited for. Those under way are in none of them, neither as
    /// delivered nor as lost.
    pub fn closed_tally(&self, late_after: Duration) -> Tally {
        let mut tally = Tally { problems: self.problems.clone(), ..self.closed.clone() };
        for login in self.logins.values().filter(|login| login.is_over) {
            tally.add(login, late_after, self.data_lost_by);
        }
        tally
    }

    fn login(&mut self, scene: SceneId) -> &mut LoginRecord {
        self.logins.entry(scene).or_default()
    }
}
