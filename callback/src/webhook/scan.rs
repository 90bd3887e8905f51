//! Somebody brings a page's scene: by scanning its QR code, or by typing its code. Where the account
//! asks for no confirmation that is the login; otherwise they are asked.

use std::time::Duration;

use scenecast_shared::{
    scene::{Acceptance, AccountName, OpenId, Page, Person, Refusal, SceneId, Settled, Standing, State, Transition},
    store::Asked,
    telemetry::Stage,
};
use tracing::{Span, field::display};

use super::{
    delivery::{Delivery, Unfinished},
    reply::Reply,
};
use crate::{login, phrase::Phrase};

/// How long after a scene's end a typed answer is still told that it is late.
const LATE: Duration = Duration::from_secs(60);

/// What came of a scan.
pub(super) struct Scanned {
    pub(super) reply: Reply,
    /// What is known of the page.
    pub(super) page: Page,
}

impl Delivery<'_> {
    /// They scanned this scene, or typed its code.
    pub(super) async fn scan(&self, scene: SceneId, typed: bool) -> Result<Scanned, Unfinished> {
        Span::current().record("scene", display(scene));
        let scanned = self.bring(scene, typed).await;
        self.log(if typed { "typed a code" } else { "scanned" }, scene, scanned.as_ref().map(|scanned| &scanned.reply));
        scanned
    }

    async fn bring(&self, scene: SceneId, typed: bool) -> Result<Scanned, Unfinished> {
        let settled = self.settle(scene, &self.wish(scene, self.person().await, typed)).await?;
        let asks = self.asks();
        if matches!(settled, Settled::Applied(_)) {
            self.app.counts.stages.count(if asks { Stage::Scanned } else { Stage::Confirmed });
        }
        let next = next(&settled, asks, &self.account.name, self.openid());
        let standing = match settled {
            Settled::Applied(standing) | Settled::Repeated(standing) | Settled::Refused(_, standing) => Some(standing),
            Settled::Unknown => None,
        };
        let reply = match (next, &standing) {
            (Next::LogIn, Some(standing)) => self.logged_in(scene, standing).await?,
            (Next::Ask, Some(standing)) => self.ask_about(scene, typed, standing).await?,
            // What isn't this account's isn't told of, not even in its language.
            (Next::Say(phrase), Some(standing)) if phrase != Phrase::QrUnknown => {
                self.say_about(phrase, scene, standing)
            }
            (Next::Say(phrase), _) => self.say(phrase),
            (Next::LogIn | Next::Ask, None) => self.say(Phrase::QrUnknown),
        };
        Ok(Scanned { reply, page: standing.map(|standing| standing.page()).unwrap_or_default() })
    }

    fn asks(&self) -> bool {
        self.account.settings.confirmation.asks()
    }

    fn wish(&self, scene: SceneId, person: Person, typed: bool) -> Transition {
        let login = self.acceptance(scene, person, typed);
        login::wish(self.account.settings.confirmation, self.account.name.clone(), login)
    }

    /// Their consent to a login.
    pub(super) fn acceptance(&self, scene: SceneId, person: Person, typed: bool) -> Acceptance {
        let settings = &self.account.settings;
        let grant = self.app.grant(&settings.secret, scene, &person.openid);
        login::acceptance(grant, person, settings.grant_life, typed, self.user.as_ref())
    }

    /// Asks whether it is they who log in, and remembers about what, for those who type their answer.
    async fn ask_about(&self, scene: SceneId, typed: bool, standing: &Standing) -> Result<Reply, Unfinished> {
        let asked = Asked { scene, typed, since: self.message.created };
        // A scan that is delivered again doesn't take the typed answers from a later one.
        let is_latest = self.asked.is_none_or(|latest| latest.since <= asked.since);
        if standing.state == State::Scanned && is_latest {
            let life = standing.remaining + LATE;
            self.ask(|| self.app.pending.put(&self.account.name, self.openid(), asked, life)).await?;
        }
        Ok(self.question(scene, standing))
    }

    /// The question, as this scene asks it.
    pub(super) fn question(&self, scene: SceneId, standing: &Standing) -> Reply {
        let phrase = if standing.choices().is_some() { Phrase::PickNumber } else { Phrase::Confirm };
        self.say_about(phrase, scene, standing)
    }
}

/// What follows from a scan.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// It was the login.
    LogIn,
    /// They are asked.
    Ask,
    /// It was neither, and this is why.
    Say(Phrase),
}

/// What follows from a scan that was settled so. A redelivery is answered like the delivery, whose
/// answer may not have arrived.
fn next(settled: &Settled, asks: bool, account: &AccountName, openid: &OpenId) -> Next {
    match settled {
        Settled::Applied(standing) | Settled::Repeated(standing) => {
            if asks || standing.state == State::Scanned {
                Next::Ask
            } else {
                Next::LogIn
            }
        }
        // The code of another account is none of this one's.
        Settled::Refused(_, standing) if standing.account().as_ref() != Some(account) => Next::Say(Phrase::QrUnknown),
        Settled::Refused(Refusal::State(state), standing) => match (state, standing.who().as_ref() == Some(openid)) {
            (State::Expired | State::Cancelled | State::Declined, _) => Next::Say(Phrase::Expired),
            (State::Scanned, true) => Next::Ask,
            (_, true) => Next::Say(Phrase::AlreadyLoggedIn),
            (_, false) => Next::Say(Phrase::Taken),
        },
        Settled::Refused(Refusal::Guard(_), _) | Settled::Unknown => Next::Say(Phrase::QrUnknown),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use scenecast_shared::scene::Field;

    use super::*;

    fn standing(state: State, account: &str, who: &str) -> Standing {
        let facts = [(Field::Account, account.to_owned()), (Field::Who, who.to_owned())];
        Standing { state, remaining: Duration::ZERO, facts: BTreeMap::from(facts) }
    }

    #[test]
    fn each_phone_is_told_what_became_of_its_scan() {
        let of = |state, who| standing(state, "demo", who);
        let refused = |state, who| Settled::Refused(Refusal::State(state), of(state, who));
        let elsewhere = Settled::Refused(Refusal::Guard(Field::Account), standing(State::Open, "other", ""));
        let ended = Settled::Refused(Refusal::State(State::Expired), standing(State::Expired, "other", "oAnn"));
        for (settled, without, with) in [
            (Settled::Applied(of(State::Confirmed, "oAnn")), Next::LogIn, Next::Ask),
            (Settled::Repeated(of(State::Redeemed, "oAnn")), Next::LogIn, Next::Ask),
            (Settled::Applied(of(State::Scanned, "oAnn")), Next::Ask, Next::Ask),
            (Settled::Repeated(of(State::Declined, "oAnn")), Next::LogIn, Next::Ask),
            (refused(State::Scanned, "oAnn"), Next::Ask, Next::Ask),
        ] {
            assert_eq!(
                next(&settled, false, &"demo".parse().unwrap(), &"oAnn".parse().unwrap()),
                without,
                "{settled:?}"
            );
            assert_eq!(next(&settled, true, &"demo".parse().unwrap(), &"oAnn".parse().unwrap()), with, "{settled:?}");
        }
        for (settled, phrase) in [
            (refused(State::Confirmed, "oAnn"), Phrase::AlreadyLoggedIn),
            (refused(State::Redeemed, "oAnn"), Phrase::AlreadyLoggedIn),
            (refused(State::Confirmed, "oBob"), Phrase::Taken),
            (refused(State::Redeemed, "oBob"), Phrase::Taken),
            (refused(State::Scanned, "oBob"), Phrase::Taken),
            (refused(State::Expired, ""), Phrase::Expired),
            (refused(State::Expired, "oBob"), Phrase::Expired),
            (refused(State::Declined, "oAnn"), Phrase::Expired),
            (refused(State::Cancelled, ""), Phrase::Expired),
            (elsewhere, Phrase::QrUnknown),
            (ended, Phrase::QrUnknown),
            (Settled::Unknown, Phrase::QrUnknown),
        ] {
            for asks in [false, true] {
                let next = next(&settled, asks, &"demo".parse().unwrap(), &"oAnn".parse().unwrap());
                assert_eq!(next, Next::Say(phrase), "{settled:?}");
            }
        }
    }
}
