//! A person who was asked answers. The scene itself knows which person that is and which number its page shows, so the
//! answer is settled in one step, whichever pod gets it.

use scenecast_scene::{
    AccountName, Number, OpenId, SceneField, SceneId, SceneSnapshot, SceneState, SettleRefusal, Settled, Transition,
};

use super::{
    logged_in::logged_in,
    scan::{acceptance, question_text},
};
use crate::{
    inbound::delivery::{Delivery, HandlerResult},
    login::count_stage,
    phone::{LoginAnswer, Phrase, Reply},
    stores::AnswerMatch,
};

/// The sender answers: about the scene of the link that they touched, or else about the scene of the last question. If
/// there is neither, the message is a text like any other.
pub(super) async fn answer(
    delivery: &Delivery<'_>,
    answer: LoginAnswer,
    scene_of_link: Option<SceneId>,
) -> HandlerResult {
    let created = delivery.message.created;
    let question = delivery.stored.question.map(|question| (question.scene, question.matches(created)));
    let (scene, matched) = match (scene_of_link, question) {
        (Some(scene), _) => (scene, AnswerMatch::Certain),
        (None, Some((scene, matched))) if matched != AnswerMatch::TooOld => (scene, matched),
        (None, _) => return Ok(delivery.reply(Phrase::AutoReply)),
    };
    delivery.is_about(scene);
    let result = match answer {
        _ if matched == AnswerMatch::InDoubt => ask_again(delivery, scene).await,
        LoginAnswer::Yes => confirm(delivery, scene, None).await,
        LoginAnswer::Pick(number) => confirm(delivery, scene, Some(number)).await,
        LoginAnswer::No => decline(delivery, scene).await,
    };
    delivery.log("answered", scene, result.as_ref());
    result
}

/// Asks once more about this scene: the answer may be meant for the question before it, if its first delivery never
/// arrived.
async fn ask_again(delivery: &Delivery<'_>, scene: SceneId) -> HandlerResult {
    let Some(snapshot) = delivery.snapshot(scene).await? else { return Ok(delivery.reply(Phrase::QrUnknown)) };
    if snapshot.state == SceneState::Scanned && snapshot.who().as_ref() == Some(delivery.openid()) {
        return Ok(question_text(delivery, scene, &snapshot));
    }
    Ok(refused_reply(delivery, SettleRefusal::State(snapshot.state), scene, &snapshot))
}

async fn confirm(delivery: &Delivery<'_>, scene: SceneId, picked: Option<Number>) -> HandlerResult {
    // If the scene isn't that of the last question, we don't know whether the person typed its code. Then we say that
    // they did, and the page makes sure.
    let typed = delivery.stored.question.is_none_or(|question| question.typed || question.scene != scene);
    let confirm = |person| {
        let login = acceptance(delivery, scene, person, typed);
        Transition::Confirm { account: delivery.account.name.clone(), login, picked }
    };
    let (settled, counted) = delivery.settle_login(scene, confirm).await?;
    count_stage(&delivery.services.stages, &settled);
    match settled {
        Settled::Applied(snapshot) | Settled::Repeated(snapshot) if snapshot.state == SceneState::Declined => {
            Ok(delivery.reply_about(Phrase::WrongNumber, scene, &snapshot))
        }
        Settled::Applied(snapshot) | Settled::Repeated(snapshot) => {
            logged_in(delivery, scene, &snapshot, counted).await
        }
        // A number was asked for and none was picked, or the reverse.
        Settled::Refused(SettleRefusal::Guard(SceneField::Number), snapshot) => {
            Ok(question_text(delivery, scene, &snapshot))
        }
        Settled::Refused(refusal, snapshot) => Ok(refused_reply(delivery, refusal, scene, &snapshot)),
        Settled::Unknown => Ok(delivery.reply(Phrase::QrUnknown)),
    }
}

async fn decline(delivery: &Delivery<'_>, scene: SceneId) -> HandlerResult {
    let decline = Transition::Decline { account: delivery.account.name.clone(), who: delivery.openid().clone() };
    let settled = delivery.settle(scene, &decline).await?;
    count_stage(&delivery.services.stages, &settled);
    Ok(match settled {
        Settled::Applied(snapshot) | Settled::Repeated(snapshot) => {
            delivery.reply_about(Phrase::Declined, scene, &snapshot)
        }
        Settled::Refused(refusal, snapshot) => refused_reply(delivery, refusal, scene, &snapshot),
        Settled::Unknown => delivery.reply(Phrase::QrUnknown),
    })
}

fn refused_reply(delivery: &Delivery<'_>, refusal: SettleRefusal, scene: SceneId, snapshot: &SceneSnapshot) -> Reply {
    match refused_phrase(refusal, snapshot, &delivery.account.name, delivery.openid()) {
        phrase @ (Phrase::QrUnknown | Phrase::ScanAgain) => delivery.reply(phrase),
        phrase => delivery.reply_about(phrase, scene, snapshot),
    }
}

/// Why this answer changed nothing. A person who didn't scan the scene learns nothing about it.
fn refused_phrase(refusal: SettleRefusal, snapshot: &SceneSnapshot, account: &AccountName, openid: &OpenId) -> Phrase {
    let is_theirs = snapshot.account().as_ref() == Some(account) && snapshot.who().as_ref() == Some(openid);
    match refusal {
        // Redis lost the scene, and the gateway opened it again.
        SettleRefusal::State(SceneState::Open) => Phrase::ScanAgain,
        SettleRefusal::State(SceneState::Declined) if is_theirs => Phrase::Declined,
        SettleRefusal::State(SceneState::Confirmed | SceneState::Redeemed) if is_theirs => Phrase::AlreadyLoggedIn,
        SettleRefusal::State(SceneState::Expired | SceneState::Cancelled) if is_theirs => Phrase::Expired,
        SettleRefusal::State(_) | SettleRefusal::Guard(_) => Phrase::QrUnknown,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;

    fn phrase(refusal: SettleRefusal, account: &str, who: &str) -> Phrase {
        let facts = [(SceneField::Account, account.to_owned()), (SceneField::Who, who.to_owned())];
        let snapshot =
            SceneSnapshot { state: SceneState::Scanned, remaining: Duration::ZERO, fields: BTreeMap::from(facts) };
        refused_phrase(refusal, &snapshot, &"demo".parse().unwrap(), &"oAnn".parse().unwrap())
    }

    #[test]
    fn a_late_answer_gets_the_reply_that_fits_the_scenes_state() {
        for (state, expected) in [
            (SceneState::Declined, Phrase::Declined),
            (SceneState::Confirmed, Phrase::AlreadyLoggedIn),
            (SceneState::Redeemed, Phrase::AlreadyLoggedIn),
            (SceneState::Expired, Phrase::Expired),
            (SceneState::Cancelled, Phrase::Expired),
        ] {
            assert_eq!(phrase(SettleRefusal::State(state), "demo", "oAnn"), expected);
            assert_eq!(phrase(SettleRefusal::State(state), "demo", "oBob"), Phrase::QrUnknown, "{state:?}");
            assert_eq!(phrase(SettleRefusal::State(state), "other", "oAnn"), Phrase::QrUnknown, "{state:?}");
        }
        assert_eq!(phrase(SettleRefusal::State(SceneState::Open), "demo", ""), Phrase::ScanAgain);
        assert_eq!(phrase(SettleRefusal::Guard(SceneField::Who), "demo", "oBob"), Phrase::QrUnknown);
        assert_eq!(phrase(SettleRefusal::Guard(SceneField::Account), "other", "oAnn"), Phrase::QrUnknown);
    }
}
