//! A person's phone: what it posts to the callbacks, and what it is told.

use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use scenecast_scene::{AccountName, SceneId};
use scenecast_simulator::{HeldDelivery, MenuLink, PhoneAction, PhoneScreen, Simulator, WeChatUser};

use super::delivery_pool::DeliveryPool;
use crate::{
    crowd::{ReplyMeaning, ReplyPhrases},
    ledger::PhoneResult,
    plan::{PhoneSteps, ThinkTime},
    targets::{page_news::PageNews, target::Triggered, timer::PreciseTimer},
};

/// WeChat tries "three times in total".
const MAX_ATTEMPTS: u32 = 3;

/// Which simulated WeChat makes the codes on the pages: the one that callbacks call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeMaker {
    /// The one whose phones scan them.
    ThisSimulator,
    /// One in another process: that of the coordinator of a run with workers.
    AnotherSimulator,
}

/// All people of a run.
#[derive(Debug)]
pub(super) struct PhoneUsers {
    pub(super) simulator: Simulator,
    pub(super) account: AccountName,
    pub(super) phrases: ReplyPhrases,
    pub(super) steps: PhoneSteps,
    pub(super) think_time: ThinkTime,
    pub(super) timer: PreciseTimer,
    /// Their numbers. After the last one the first one logs in again.
    pub(super) numbers: RangeInclusive<u64>,
    pub(super) codes: CodeMaker,
    pub(super) next: AtomicU64,
    pub(super) pool: DeliveryPool,
}

impl PhoneUsers {
    /// Lets the next person scan this code and log in. `None` if WeChat itself knows no such code any more.
    pub(super) async fn log_in(
        &self,
        url: &str,
        scene: SceneId,
        planned: Instant,
        news: &PageNews,
    ) -> Option<Triggered> {
        let person = self.next_person();
        let who = self.simulator.openid(&person, &self.account).ok()?;
        let scan = match self.codes {
            CodeMaker::ThisSimulator => self.simulator.hold_scan(&person, url),
            CodeMaker::AnotherSimulator => self.simulator.hold_scan_of_scene(&person, &self.account, scene.to_string()),
        };
        let scan = scan.ok()?;
        let sent = Instant::now();
        let mut meaning = self.deliver(scan).await;
        let mut triggered = Triggered { who, planned, sent, told: PhoneResult::Nothing, answered: Instant::now() };
        if let (ReplyMeaning::Question(links), true) = (&meaning, self.steps != PhoneSteps::None) {
            let think = self.think();
            triggered.planned = planned + think;
            self.timer.sleep_until(triggered.planned).await;
            let link = self.choose(links, news).await?;
            let MenuLink { content, id, .. } = link.clone();
            let tap = self.simulator.hold(&person, &self.account, PhoneAction::Tap { content, id }).ok()?;
            triggered.sent = Instant::now();
            meaning = self.deliver(tap).await;
        }
        triggered.answered = Instant::now();
        triggered.told = match meaning {
            ReplyMeaning::Accepted => PhoneResult::Accepted,
            // A question that the plan didn't expect: the account's `confirmation` is another one.
            ReplyMeaning::Again | ReplyMeaning::Refused | ReplyMeaning::Question(_) => PhoneResult::Refused,
            ReplyMeaning::Nothing => PhoneResult::Nothing,
        };
        Some(triggered)
    }

    fn next_person(&self) -> WeChatUser {
        let all = self.numbers.end() - self.numbers.start() + 1;
        WeChatUser::nth(self.numbers.start() + self.next.fetch_add(1, Ordering::Relaxed) % all)
    }

    fn think(&self) -> Duration {
        let ThinkTime { from, to } = self.think_time;
        Duration::from_secs_f64(if to > from { rand::random_range(from..to) } else { from })
    }

    /// The link that says yes: the first one, or the one with the number that the page shows.
    async fn choose<'a>(&self, links: &'a [MenuLink], news: &PageNews) -> Option<&'a MenuLink> {
        if self.steps != PhoneSteps::Number {
            return links.first();
        }
        let number = news.number().await?.to_string();
        links.iter().find(|link| link.label == number)
    }

    /// Posts a message, again if nothing is answered, as WeChat does.
    async fn deliver(&self, message: HeldDelivery) -> ReplyMeaning {
        let Some(sealed) = message.seal() else { return ReplyMeaning::Nothing };
        for _ in 0..MAX_ATTEMPTS {
            if let Ok((status, body)) = self.pool.post(&sealed.url, &sealed.body).await {
                return self.phrases.understand(&sealed.screen(status, &body));
            }
        }
        self.phrases.understand(&PhoneScreen::Nothing)
    }
}
