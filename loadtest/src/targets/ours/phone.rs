//! A person's phone: what it posts to the callbacks, and what it is told.

use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use scenecast_scene::AccountName;
use tokio::time::sleep;

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
/// How often a person does the same again, if the phone asks for it or says nothing.
pub(super) const MAX_TRIES: usize = 3;
/// The pause before that.
pub(super) const TRIES_AFTER: Duration = Duration::from_secs(1);

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
        let message = || self.first_message(&person, input);
        let first = message()?;
        let sent = Instant::now();
        let mut told_before = vec![];
        let mut meaning = self.deliver(first).await;
        while let Some(told) = has_to_try_again(&meaning, &told_before) {
            told_before.push(told);
            sleep(TRIES_AFTER).await;
            // WeChat itself refuses a code that has expired meanwhile. The account doesn't learn of it.
            let Some(again) = message() else { break };
            meaning = self.deliver(again).await;
        }
        let answered = Instant::now();
        let mut triggered = Triggered { who, planned, sent, told_before, told: PhoneResult::Nothing, answered };
        if let (ReplyMeaning::Question(links), true) = (&meaning, self.steps != PhoneSteps::None) {
            let think = self.think();
            triggered.planned = planned + think;
            self.timer.sleep_until(triggered.planned).await;
            let link = self.choose(links, news).await?;
            let MenuLink { content, id, .. } = link.clone();
            let tap = || {
                let action = PhoneAction::Tap { content: content.clone(), id: id.clone() };
                self.simulator.hold(&person, &self.account, action).ok()
            };
            triggered.sent = Instant::now();
            meaning = self.deliver(tap()?).await;
            while let Some(told) = has_to_try_again(&meaning, &triggered.told_before) {
                triggered.told_before.push(told);
                sleep(TRIES_AFTER).await;
                meaning = self.deliver(tap()?).await;
            }
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

    /// The message by which a person begins; `None` if WeChat itself refuses it.
    fn first_message(&self, person: &WeChatUser, input: &PhoneInput) -> Option<HeldDelivery> {
        match input {
            PhoneInput::Scan(url) => self.simulator.hold_scan(person, url).ok(),
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

    /// The link that says yes: the first one, or the one with the number that the page shows.
    async fn choose<'a>(&self, links: &'a [MenuLink], news: &PageNews) -> Option<&'a MenuLink> {
        if self.steps != PhoneSteps::Number {
            return links.first();
        }
        let number = news.number().await?.to_string();
        links.iter().find(|link| link.label == number)
    }

    /// Posts a message, again if nothing is answered, as WeChat does: each time signed anew, to the next callback.
    async fn deliver(&self, message: HeldDelivery) -> ReplyMeaning {
        for _ in 0..MAX_ATTEMPTS {
            let Some(sealed) = message.seal() else { return ReplyMeaning::Nothing };
            if let Ok((status, body)) = self.pool.post(&sealed.url, "text/xml", &sealed.body).await {
                return self.phrases.understand(&sealed.screen(status, &body));
            }
        }
        self.phrases.understand(&PhoneScreen::Nothing)
    }
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
