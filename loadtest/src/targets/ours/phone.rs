//! A person's phone: what it posts to the callbacks, and what it is told.

use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use scenecast_scene::{AccountName, SceneId};
use scenecast_simulator::{HeldDelivery, MenuLink, PhoneAction, PhoneScreen, Simulator, WeChatUser};
use tokio::time::{sleep, timeout};

use super::delivery_pool::{DeliveryPool, XML};
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
/// How often a person does the same again, if the phone asks for it or says nothing.
pub(super) const MAX_TRIES: usize = 3;
/// The pause before that.
pub(super) const TRIES_AFTER: Duration = Duration::from_secs(1);

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

/// What a person does with a page's code.
#[derive(Debug)]
pub(crate) enum PhoneInput {
    /// Scans a QR code with this content.
    Scan(Box<str>),
    /// Scans the QR code of this scene, which a WeChat in another process has made.
    ScanOfScene(SceneId),
    /// Types this text to the account.
    Text(Box<str>),
    /// Opens the mini program by a code with this content.
    MiniProgram(Box<str>),
}

impl PhoneUsers {
    /// Lets the next person scan or type this code and log in. `None` if WeChat itself knows no such code any more, or if it
    /// is a mini program's.
    pub(super) async fn log_in(&self, input: &PhoneInput, planned: Instant, news: &PageNews) -> Option<Triggered> {
        let person = self.next_person();
        let who = self.simulator.openid(&person, &self.account).ok()?;
        let mut told_before = vec![];
        let scanned = self.act(|| self.first_message(&person, input), &mut told_before).await?;
        let Delivered { mut meaning, sent, problem } = scanned;
        let (told, answered) = (PhoneResult::Nothing, Instant::now());
        let mut triggered = Triggered { who, planned, due: planned, sent, told_before, told, answered, problem };
        if let (ReplyMeaning::Question(links), true) = (&meaning, self.steps != PhoneSteps::None) {
            triggered.planned = planned + self.think();
            self.timer.sleep_until(triggered.planned).await;
            match choose(self.steps, links, news).await {
                Ok(Choice { link, ready }) => {
                    let MenuLink { content, id, .. } = link.clone();
                    let ready = ready.unwrap_or(triggered.answered);
                    triggered.due = triggered.planned.max(ready);
                    let tap = || {
                        let action = PhoneAction::Tap { content: content.clone(), id: id.clone() };
                        self.simulator.hold(&person, &self.account, action).ok()
                    };
                    let confirmed = self.act(tap, &mut triggered.told_before).await?;
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

    /// The message by which a person begins; `None` if WeChat itself refuses it.
    fn first_message(&self, person: &WeChatUser, input: &PhoneInput) -> Option<HeldDelivery> {
        match input {
            PhoneInput::Scan(url) => self.simulator.hold_scan(person, url).ok(),
            PhoneInput::ScanOfScene(scene) => {
                self.simulator.hold_scan_of_scene(person, &self.account, scene.to_string()).ok()
            }
            PhoneInput::Text(text) => {
                // Only who follows an account can write to it. These people began long ago, so their message is gone.
                let _ = self.simulator.hold(person, &self.account, PhoneAction::Follow { event_key: None });
                self.simulator.hold(person, &self.account, PhoneAction::Say(text.to_string())).ok()
            }
            PhoneInput::MiniProgram(_) => None,
        }
    }

    pub(super) fn next_person(&self) -> WeChatUser {
        let all = self.numbers.end() - self.numbers.start() + 1;
        WeChatUser::nth(self.numbers.start() + self.next.fetch_add(1, Ordering::Relaxed) % all)
    }

    pub(super) fn think(&self) -> Duration {
        let ThinkTime { from, to } = self.think_time;
        Duration::from_secs_f64(if to > from { rand::random_range(from..to) } else { from })
    }

    /// Does what makes this message, and the same again if the phone asks for it or says nothing. What was told before is
    /// added to `told_before`. `None` if WeChat itself refuses it.
    async fn act(
        &self,
        message: impl Fn() -> Option<HeldDelivery>,
        told_before: &mut Vec<PhoneResult>,
    ) -> Option<Delivered> {
        let mut delivered = self.deliver(&message()?).await;
        while let Some(told) = has_to_try_again(&delivered.meaning, told_before) {
            told_before.push(told);
            sleep(TRIES_AFTER).await;
            // WeChat itself refuses a code that has expired meanwhile. The account doesn't learn of it.
            let Some(again) = message() else { break };
            let again = self.deliver(&again).await;
            delivered.meaning = again.meaning;
            delivered.problem = delivered.problem.or(again.problem);
        }
        Some(delivered)
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
            match self.pool.post(&sealed.url, XML, &sealed.body).await {
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

/// What the phone was told, if its person now does the same again.
fn has_to_try_again(meaning: &ReplyMeaning, told_before: &[PhoneResult]) -> Option<PhoneResult> {
    match meaning {
        _ if told_before.len() + 1 >= MAX_TRIES => None,
        ReplyMeaning::Again => Some(PhoneResult::Refused),
        ReplyMeaning::Nothing => Some(PhoneResult::Nothing),
        ReplyMeaning::Accepted | ReplyMeaning::Question(_) | ReplyMeaning::Refused => None,
    }
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

    #[test]
    fn a_person_tries_three_times_in_all_if_the_phone_asks_for_it_or_says_nothing() {
        for (meaning, told) in [
            (ReplyMeaning::Again, Some(PhoneResult::Refused)),
            (ReplyMeaning::Nothing, Some(PhoneResult::Nothing)),
            (ReplyMeaning::Accepted, None),
            (ReplyMeaning::Refused, None),
            (ReplyMeaning::Question(vec![]), None),
        ] {
            assert_eq!(has_to_try_again(&meaning, &[]), told);
            assert_eq!(has_to_try_again(&meaning, &[PhoneResult::Nothing]), told);
            assert_eq!(has_to_try_again(&meaning, &[PhoneResult::Nothing; 2]), None);
        }
    }
}
