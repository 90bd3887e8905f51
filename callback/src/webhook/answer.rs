//! Whoever scanned says whether it is they who log in. The scene itself knows who that is and which
//! number its page shows, so the answer is settled in one step, whichever pod gets it.

use scenecast_shared::{
    scene::{AccountName, Field, Number, OpenId, Refusal, SceneId, Settled, Standing, State, Transition},
    telemetry::Stage,
};
use tracing::{Span, field::display};

use super::{
    delivery::{Delivery, Outcome},
    reply::Reply,
};
use crate::{menu::Answer, phrase::Phrase};

impl Delivery<'_> {
    /// They answer, about the scene that their link says, or else about the one that they are asked
    /// about; where there is neither, it is a text like any other.
    pub(super) async fn answer(&self, answer: Answer, about: Option<SceneId>) -> Outcome {
        // An answer from before the question, delivered again after it, is an answer to another.
        let asked = self.asked.filter(|asked| asked.since <= self.message.created);
        let Some(scene) = about.or_else(|| Some(asked?.scene)) else {
            return Ok(self.say(Phrase::AutoReply));
        };
        Span::current().record("scene", display(scene));
        let outcome = match answer {
            Answer::Yes => self.confirm(scene, None).await,
            Answer::Pick(number) => self.confirm(scene, Some(number)).await,
            Answer::No => self.decline(scene, Phrase::Declined).await,
        };
        self.log("answered", scene, outcome.as_ref());
        outcome
    }

    async fn confirm(&self, scene: SceneId, picked: Option<Number>) -> Outcome {
        // Of a scene that isn't what they are asked about (any more), it isn't known how they came to it: the
        // page makes sure.
        let typed = self.asked.is_none_or(|asked| asked.typed || asked.scene != scene);
        let login = self.acceptance(scene, self.person().await, typed);
        let confirm = Transition::Confirm { account: self.account.name.clone(), login, picked };
        let settled = self.settle(scene, &confirm).await?;
        if matches!(settled, Settled::Applied(_)) {
            self.app.counts.stages.count(Stage::Confirmed);
        }
        match settled {
            // This same answer was the wrong number before.
            Settled::Repeated(standing) if standing.state == State::Declined => {
                Ok(self.say_about(Phrase::WrongNumber, scene, &standing))
            }
            Settled::Applied(standing) | Settled::Repeated(standing) => self.logged_in(scene, &standing).await,
            Settled::Refused(Refusal::Guard(Field::Number), standing) => match picked.and(standing.choices()) {
                // There is one pick, or three would be enough for a stranger.
                Some(_) => self.decline(scene, Phrase::WrongNumber).await,
                None => Ok(self.question(scene, &standing)),
            },
            Settled::Refused(refusal, standing) => Ok(self.refused(refusal, scene, &standing)),
            Settled::Unknown => Ok(self.say(Phrase::QrUnknown)),
        }
    }

    async fn decline(&self, scene: SceneId, phrase: Phrase) -> Outcome {
        let (account, who) = (self.account.name.clone(), self.openid().clone());
        let settled = self.settle(scene, &Transition::Decline { account, who }).await?;
        if matches!(settled, Settled::Applied(_)) {
            self.app.counts.stages.count(Stage::Declined);
        }
        Ok(match settled {
            Settled::Applied(standing) | Settled::Repeated(standing) => self.say_about(phrase, scene, &standing),
            Settled::Refused(refusal, standing) => self.refused(refusal, scene, &standing),
            Settled::Unknown => self.say(Phrase::QrUnknown),
        })
    }

    fn refused(&self, refusal: Refusal, scene: SceneId, standing: &Standing) -> Reply {
        match refused(refusal, standing, &self.account.name, self.openid()) {
            phrase @ (Phrase::QrUnknown | Phrase::ScanAgain) => self.say(phrase),
            phrase => self.say_about(phrase, scene, standing),
        }
    }
}

/// Why this answer changed nothing. Who didn't scan the scene is told nothing of it.
fn refused(refusal: Refusal, standing: &Standing, account: &AccountName, openid: &OpenId) -> Phrase {
    let is_theirs = standing.account().as_ref() == Some(account) && standing.who().as_ref() == Some(openid);
    match refusal {
        // Redis lost it, and the page had it opened again.
        Refusal::State(State::Open) => Phrase::ScanAgain,
        Refusal::State(State::Declined) if is_theirs => Phrase::Declined,
        Refusal::State(State::Confirmed | State::Redeemed) if is_theirs => Phrase::AlreadyLoggedIn,
        Refusal::State(State::Expired | State::Cancelled) if is_theirs => Phrase::Expired,
        Refusal::State(_) | Refusal::Guard(_) => Phrase::QrUnknown,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;

    fn told(refusal: Refusal, account: &str, who: &str) -> Phrase {
        let facts = [(Field::Account, account.to_owned()), (Field::Who, who.to_owned())];
        let standing = Standing { state: State::Scanned, remaining: Duration::ZERO, facts: BTreeMap::from(facts) };
        refused(refusal, &standing, &"demo".parse().unwrap(), &"oAnn".parse().unwrap())
    }

    #[test]
    fn an_answer_that_comes_too_late_is_told_to_what() {
        for (state, phrase) in [
            (State::Declined, Phrase::Declined),
            (State::Confirmed, Phrase::AlreadyLoggedIn),
            (State::Redeemed, Phrase::AlreadyLoggedIn),
            (State::Expired, Phrase::Expired),
            (State::Cancelled, Phrase::Expired),
        ] {
            assert_eq!(told(Refusal::State(state), "demo", "oAnn"), phrase);
            assert_eq!(told(Refusal::State(state), "demo", "oBob"), Phrase::QrUnknown, "{state:?}");
            assert_eq!(told(Refusal::State(state), "other", "oAnn"), Phrase::QrUnknown, "{state:?}");
        }
        assert_eq!(told(Refusal::State(State::Open), "demo", ""), Phrase::ScanAgain);
        assert_eq!(told(Refusal::Guard(Field::Who), "demo", "oBob"), Phrase::QrUnknown);
        assert_eq!(told(Refusal::Guard(Field::Account), "other", "oAnn"), Phrase::QrUnknown);
    }
}
