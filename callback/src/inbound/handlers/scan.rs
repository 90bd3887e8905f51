//! A person brings a page's scene: by scanning its QR code, or by typing its code. If the account asks for no
//! confirmation, that is the login. Otherwise the person is asked.

use std::{convert::Infallible, future::pending, time::Duration};

use scenecast_scene::{
    Acceptance, AccountName, OpenId, PageInfo, Person, SceneId, SceneSnapshot, SceneState, SettleRefusal, Settled,
    Transition,
};

use super::logged_in::logged_in;
use crate::{
    inbound::delivery::{Delivery, UnfinishedDelivery},
    login,
    phone::{Phrase, Reply},
    stores::{NewQuestion, PendingQuestion},
};

/// How long after the scene's end a typed answer still gets the reply that it is late.
const LATE_ANSWERS: Duration = Duration::from_secs(60);

/// What came of a scan.
pub(super) struct ScanOutcome {
    pub(super) reply: Reply,
    /// What is known about the page.
    pub(super) page: PageInfo,
}

/// The sender scanned this scene, or typed its code.
pub(super) async fn scan(
    delivery: &Delivery<'_>,
    scene: SceneId,
    typed: bool,
) -> Result<ScanOutcome, UnfinishedDelivery> {
    delivery.is_about(scene);
    let scanned = settle_scan(delivery, scene, typed).await;
    let did = if typed { "typed a code" } else { "scanned" };
    delivery.log(did, scene, scanned.as_ref().map(|scanned| &scanned.reply));
    scanned
}

async fn settle_scan(delivery: &Delivery<'_>, scene: SceneId, typed: bool) -> Result<ScanOutcome, UnfinishedDelivery> {
    let asks = delivery.asks_for_confirmation();
    let (settled, counted, before_is_answered) = if asks {
        let (person, told) = delivery.person().await;
        delivery.keep_later(told);
        let transition = transition(delivery, scene, person, typed);
        let (settled, before_is_answered) = settle_and_look_back(delivery, scene, &transition).await?;
        (settled, None, before_is_answered)
    } else {
        let log_in = |person| transition(delivery, scene, person, typed);
        let (settled, counted) = delivery.settle_login(scene, log_in).await?;
        (settled, counted, false)
    };
    login::count_stage(&delivery.services.stages, &settled);
    let next = next_step(&settled, asks, &delivery.account.name, delivery.openid());
    let is_repeated = matches!(settled, Settled::Repeated(_));
    let snapshot = match settled {
        Settled::Applied(snapshot) | Settled::Repeated(snapshot) | Settled::Refused(_, snapshot) => Some(snapshot),
        Settled::Unknown => None,
    };
    let reply = match (next, &snapshot) {
        (NextStep::LogIn, Some(snapshot)) => logged_in(delivery, scene, snapshot, counted).await?,
        (NextStep::Ask, Some(snapshot)) => {
            let since = delivery.message.created;
            let question = PendingQuestion { scene, typed, since, replaces_another: false };
            let before = delivery.stored.question;
            ask(delivery, NewQuestion { question, is_repeated, before, before_is_answered }, snapshot).await?
        }
        // A scene that isn't this account's is not told about, not even by its language.
        (NextStep::Say(phrase), Some(snapshot)) if phrase != Phrase::QrUnknown => {
            delivery.reply_about(phrase, scene, snapshot)
        }
        (NextStep::Say(phrase), _) => delivery.reply(phrase),
        (NextStep::LogIn | NextStep::Ask, None) => delivery.reply(Phrase::QrUnknown),
    };
    Ok(ScanOutcome { reply, page: snapshot.map(|snapshot| snapshot.page()).unwrap_or_default() })
}

/// What the scan asks for.
fn transition(delivery: &Delivery<'_>, scene: SceneId, person: Person, typed: bool) -> Transition {
    let acceptance = acceptance(delivery, scene, person, typed);
    login::transition_of_scan(delivery.account.settings.confirmation, delivery.account.name.clone(), acceptance)
}

/// The sender's consent to a login.
pub(super) fn acceptance(delivery: &Delivery<'_>, scene: SceneId, person: Person, typed: bool) -> Acceptance {
    let settings = &delivery.account.settings;
    let grant = login::grant(&delivery.services.secret, &settings.secret, scene, &person.openid);
    login::acceptance(grant, person, settings.grant_life, typed, delivery.stored.user.user())
}

/// Settles the scan, and looks meanwhile whether the sender has answered the question before. That question's scene may
/// be at another Redis server, perhaps one that is away: so looking costs no time, and is tried once. If the answer isn't
/// known when the scan is settled, there is none.
async fn settle_and_look_back(
    delivery: &Delivery<'_>,
    scene: SceneId,
    transition: &Transition,
) -> Result<(Settled, bool), UnfinishedDelivery> {
    let looking = async {
        match delivery.stored.question {
            Some(before) if before.scene != scene => is_answered(delivery, before.scene).await,
            _ => false,
        }
    };
    let (settled, before_is_answered) = with_aside(delivery.settle(scene, transition), looking).await;
    Ok((settled?, before_is_answered.unwrap_or_default()))
}

/// Waits for `main`, and for nothing else. Answers what has come of `aside` by then.
async fn with_aside<M, A>(main: impl Future<Output = M>, aside: impl Future<Output = A>) -> (M, Option<A>) {
    let mut known = None;
    let asking = async {
        known = Some(aside.await);
        pending::<Infallible>().await
    };
    let done = tokio::select! {
        biased;
        never = asking => match never {},
        done = main => done,
    };
    (done, known)
}

/// Whether somebody is known to have answered about this scene. One that has ended without an answer may still get one,
/// too late.
async fn is_answered(delivery: &Delivery<'_>, scene: SceneId) -> bool {
    // Boxed, because otherwise the future of each delivery would hold all of this one's memory.
    let read = Box::pin(delivery.services.bus.snapshot(scene)).await;
    let state = read.ok().flatten().map(|snapshot| snapshot.state);
    matches!(state, Some(SceneState::Confirmed | SceneState::Redeemed | SceneState::Declined))
}

/// Asks the sender whether they want to log in, and stores the question, so that a typed answer finds its scene.
async fn ask(delivery: &Delivery<'_>, new: NewQuestion, snapshot: &SceneSnapshot) -> Result<Reply, UnfinishedDelivery> {
    if snapshot.state == SceneState::Scanned {
        let life = snapshot.remaining + LATE_ANSWERS;
        let Delivery { services, account, .. } = delivery;
        let put = || services.questions.put(&account.name, delivery.openid(), new, life);
        delivery.ask_store(put).await?;
    }
    Ok(question_text(delivery, new.question.scene, snapshot))
}

/// The question, as this scene asks it.
pub(super) fn question_text(delivery: &Delivery<'_>, scene: SceneId, snapshot: &SceneSnapshot) -> Reply {
    let phrase = if snapshot.choices().is_some() { Phrase::PickNumber } else { Phrase::Confirm };
    delivery.reply_about(phrase, scene, snapshot)
}

/// What follows from a scan.
#[derive(Debug, PartialEq, Eq)]
enum NextStep {
    /// The scan was the login.
    LogIn,
    /// The person is asked.
    Ask,
    /// The person is told why it is neither.
    Say(Phrase),
}

/// What follows from a scan that was settled so. A scan that WeChat delivers again gets the same reply, because the
/// first reply may not have arrived.
fn next_step(settled: &Settled, asks: bool, account: &AccountName, openid: &OpenId) -> NextStep {
    match settled {
        Settled::Applied(snapshot) | Settled::Repeated(snapshot) => {
            if asks || snapshot.state == SceneState::Scanned {
                NextStep::Ask
            } else {
                NextStep::LogIn
            }
        }
        // The scene is another account's.
        Settled::Refused(_, snapshot) if snapshot.account().as_ref() != Some(account) => {
            NextStep::Say(Phrase::QrUnknown)
        }
        Settled::Refused(SettleRefusal::State(state), snapshot) => {
            match (state, snapshot.who().as_ref() == Some(openid)) {
                (SceneState::Expired | SceneState::Cancelled | SceneState::Declined, _) => {
                    NextStep::Say(Phrase::Expired)
                }
                (SceneState::Scanned, true) => NextStep::Ask,
                (_, true) => NextStep::Say(Phrase::AlreadyLoggedIn),
                (_, false) => NextStep::Say(Phrase::Taken),
            }
        }
        Settled::Refused(SettleRefusal::Guard(_), _) | Settled::Unknown => NextStep::Say(Phrase::QrUnknown),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use scenecast_scene::SceneField;

    use super::*;

    fn snapshot(state: SceneState, account: &str, who: &str) -> SceneSnapshot {
        let facts = [(SceneField::Account, account.to_owned()), (SceneField::Who, who.to_owned())];
        SceneSnapshot { state, remaining: Duration::ZERO, fields: BTreeMap::from(facts) }
    }

    #[tokio::test]
    async fn what_is_asked_aside_is_never_waited_for() {
        assert_eq!(with_aside(async { 1 }, async { 2 }).await, (1, Some(2)));
        assert_eq!(with_aside(async { 1 }, pending::<u8>()).await, (1, None));
        let later = async { tokio::task::yield_now().await };
        assert_eq!(with_aside(later, async { 2 }).await, ((), Some(2)));
    }

    #[test]
    fn each_phone_is_told_the_outcome_of_its_scan() {
        let of = |state, who| snapshot(state, "demo", who);
        let refused = |state, who| Settled::Refused(SettleRefusal::State(state), of(state, who));
        let elsewhere =
            Settled::Refused(SettleRefusal::Guard(SceneField::Account), snapshot(SceneState::Open, "other", ""));
        let ended =
            Settled::Refused(SettleRefusal::State(SceneState::Expired), snapshot(SceneState::Expired, "other", "oAnn"));
        for (settled, without, with) in [
            (Settled::Applied(of(SceneState::Confirmed, "oAnn")), NextStep::LogIn, NextStep::Ask),
            (Settled::Repeated(of(SceneState::Redeemed, "oAnn")), NextStep::LogIn, NextStep::Ask),
            (Settled::Applied(of(SceneState::Scanned, "oAnn")), NextStep::Ask, NextStep::Ask),
            (Settled::Repeated(of(SceneState::Declined, "oAnn")), NextStep::LogIn, NextStep::Ask),
            (refused(SceneState::Scanned, "oAnn"), NextStep::Ask, NextStep::Ask),
        ] {
            assert_eq!(
                next_step(&settled, false, &"demo".parse().unwrap(), &"oAnn".parse().unwrap()),
                without,
                "{settled:?}"
            );
            assert_eq!(
                next_step(&settled, true, &"demo".parse().unwrap(), &"oAnn".parse().unwrap()),
                with,
                "{settled:?}"
            );
        }
        for (settled, phrase) in [
            (refused(SceneState::Confirmed, "oAnn"), Phrase::AlreadyLoggedIn),
            (refused(SceneState::Redeemed, "oAnn"), Phrase::AlreadyLoggedIn),
            (refused(SceneState::Confirmed, "oBob"), Phrase::Taken),
            (refused(SceneState::Redeemed, "oBob"), Phrase::Taken),
            (refused(SceneState::Scanned, "oBob"), Phrase::Taken),
            (refused(SceneState::Expired, ""), Phrase::Expired),
            (refused(SceneState::Expired, "oBob"), Phrase::Expired),
            (refused(SceneState::Declined, "oAnn"), Phrase::Expired),
            (refused(SceneState::Cancelled, ""), Phrase::Expired),
            (elsewhere, Phrase::QrUnknown),
            (ended, Phrase::QrUnknown),
            (Settled::Unknown, Phrase::QrUnknown),
        ] {
            for asks in [false, true] {
                let next = next_step(&settled, asks, &"demo".parse().unwrap(), &"oAnn".parse().unwrap());
                assert_eq!(next, NextStep::Say(phrase), "{settled:?}");
            }
        }
    }
}
