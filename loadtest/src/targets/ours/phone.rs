//! A person's phone: what it posts to the callbacks, and what it is told.

use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use scenecast_scene::AccountName;
use scenecast_simulator::{HeldDelivery, MenuLink, PhoneAction, PhoneScreen, Simulator, WeChatUser};

use tokio::time::timeout;

use super::delivery_pool::DeliveryPool;
use crate::{
    crowd::{ReplyMeaning, ReplyPhrases},
    ledger::PhoneResult,
    plan::{PhoneSteps, ThinkTime},
    targets::{
        page_news::PageNews,
        target::{PageError, Triggered},
        timer::PreciseTimer,
    },
};

/// WeChat tries "three times in total".
const MAX_ATTEMPTS: u32 = 3;
/// A person who sees no number on the page for so long gives up.
const NUMBER_WITHIN: Duration = Duration::from_secs(10);

/// A message that was posted.
struct Delivered {
    meaning: ReplyMeaning,
    /// Just before the first byte.
    sent: Instant,
    /// Why a callback didn't answer, if one didn't. It may have answered when WeChat tried again.
    problem: Option<PageError>,
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
    pub(super) next: AtomicU64,
    pub(super) pool: DeliveryPool,
}

impl PhoneUsers {
    /// Lets the next person scan this code and log in. `None` if WeChat itself knows no such code any more.
    pub(super) async fn log_in(&self, url: &str, planned: Instant, news: &PageNews) -> Option<Triggered> {
        let person = self.next_person();
        let who = self.simulator.openid(&person, &self.account).ok()?;
        let scan = self.simulator.hold_scan(&person, url).ok()?;
        let Delivered { mut meaning, sent, problem } = self.deliver(&scan).await;
        let told = PhoneResult::Nothing;
        let mut triggered = Triggered { who, planned, due: planned, sent, told, answered: Instant::now(), problem };
        if let (ReplyMeaning::Question(links), true) = (&meaning, self.steps != PhoneSteps::None) {
            triggered.planned = planned + self.think();
            self.timer.sleep_until(triggered.planned).await;
            match choose(self.steps, links, news).await {
                Ok(Choice { link, ready }) => {
                    let MenuLink { content, id, .. } = link.clone();
                    let ready = ready.unwrap_or(triggered.answered);
                    triggered.due = triggered.planned.max(ready);
                    let tap = self.simulator.hold(&person, &self.account, PhoneAction::Tap { content, id }).ok()?;
                    let confirmed = self.deliver(&tap).await;
                    (meaning, triggered.sent) = (confirmed.meaning, confirmed.sent);
                    triggered.problem = triggered.problem.or(confirmed.problem);
                }
                Err(why) => triggered.problem = Some(PageError::Protocol(why.to_owned())),
            }
        }
        triggered.answered = Instant::now();
        triggered.told = match meaning {
            ReplyMeaning::Accepted => PhoneResult::Accepted,
            // A question that the plan didn't expect (the account's `confirmation` is another one), or one that couldn't be
            // answered.
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

    /// Posts a message, again if nothing is answered, as WeChat does: each time to the next callback, and signed anew.
    async fn deliver(&self, message: &HeldDelivery) -> Delivered {
        let mut delivered =
            Delivered { meaning: self.phrases.understand(&PhoneScreen::Nothing), sent: Instant::now(), problem: None };
        for attempt in 0..MAX_ATTEMPTS {
            let Some(sealed) = message.seal() else { return delivered };
            if attempt == 0 {
                delivered.sent = Instant::now();
            }
            match self.pool.post(&sealed.url, &sealed.body).await {
                Ok((status, body)) => {
                    delivered.meaning = self.phrases.understand(&sealed.screen(status, &body));
                    return delivered;
                }
                Err(error) => delivered.problem = delivered.problem.or(Some(error.into())),
            }
        }
        delivered
    }
}

/// The answer that a person picks.
#[derive(Debug, PartialEq)]
struct Choice<'a> {
    link: &'a MenuLink,
    /// When the page showed what to pick, if the person had to wait for it.
    ready: Option<Instant>,
}

/// The link that says yes: the first one, or the one with the number that the page shows.
async fn choose<'a>(steps: PhoneSteps, links: &'a [MenuLink], news: &PageNews) -> Result<Choice<'a>, &'static str> {
    if steps != PhoneSteps::Number {
        return Ok(Choice { link: links.first().ok_or("the question has no answer")?, ready: None });
    }
    let (number, ready) = match news.number().now_or_never() {
        Some(number) => (number, None),
        None => (timeout(NUMBER_WITHIN, news.number()).await.unwrap_or_default(), Some(Instant::now())),
    };
    let number = number.ok_or("the page showed no number")?.to_string();
    let link = links.iter().find(|link| link.label == number);
    Ok(Choice { link: link.ok_or("the page showed a number that the question hasn't")?, ready })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> [MenuLink; 2] {
        ["17", "42"].map(|label| MenuLink { content: label.to_owned(), id: label.to_owned(), label: label.to_owned() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_picks_what_the_page_shows_and_does_not_wait_for_it_forever() {
        let (links, news) = (links(), PageNews::default());
        assert_eq!(choose(PhoneSteps::Tap, &links, &news).await, Ok(Choice { link: &links[0], ready: None }));
        assert_eq!(choose(PhoneSteps::Tap, &[], &news).await, Err("the question has no answer"));
        assert_eq!(choose(PhoneSteps::Number, &links, &news).await, Err("the page showed no number"));
        let waited = choose(PhoneSteps::Number, &links, &news);
        let (choice, ()) = tokio::join!(waited, async { news.scanned(42) });
        assert!(choice.is_ok_and(|choice| choice.link == &links[1] && choice.ready.is_some()));
        assert_eq!(choose(PhoneSteps::Number, &links, &news).await.map(|choice| choice.ready), Ok(None));
        let other = choose(PhoneSteps::Number, &links[..1], &news).await;
        assert_eq!(other, Err("the page showed a number that the question hasn't"));
    }
}
