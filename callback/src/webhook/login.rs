//! A scan becomes a login: settled within the time that WeChat waits, and answered in words.

use scenecast_shared::{
    bus::BusError,
    scene::{Acceptance, Cause, Grant, OpenId, Person, Refusal, SceneId, Settled, State, Transition},
    telemetry::{Stage, traceparent},
    wechat::Message,
};
use tracing::{Span, field::display};

use super::Arrival;
use crate::{accounts::Account, app::App, config::Confirmation, phrase::Phrase, profile::profile};

/// Logs whoever sent the message in on this scene. `None`: it couldn't be decided in time.
pub(super) async fn log_in(
    app: &App,
    account: &Account,
    message: &Message,
    scene: SceneId,
    arrival: Arrival,
) -> Option<Phrase> {
    Span::current().record("scene", display(scene));
    let phrase = settle(app, account, message, scene, arrival).await;
    tracing::info!(
        account = %account.name,
        %scene,
        who = message.from.short(),
        outcome = phrase.map_or("undecided", Phrase::word),
        ms = arrival.elapsed_ms(),
        "somebody scanned"
    );
    phrase
}

async fn settle(app: &App, account: &Account, message: &Message, scene: SceneId, arrival: Arrival) -> Option<Phrase> {
    let openid = &message.from;
    let info = account.users.look_up(openid).await;
    let person = Person {
        account: account.name.clone(),
        openid: openid.clone(),
        profile: profile(openid, &info, account.settings.language),
        unionid: info.unionid,
    };
    let cause = Cause {
        delivery: message.delivery(&account.name),
        received_at: arrival.unix_ms,
        traceparent: traceparent(&Span::current()),
    };
    let transition = match account.settings.confirmation {
        Confirmation::None => Transition::LogIn {
            account: account.name.clone(),
            login: Acceptance {
                person,
                grant: Grant::issue(scene),
                life: account.settings.grant_life.duration(),
                typed: false,
                registered: false,
            },
        },
        Confirmation::Tap | Confirmation::Number => unreachable!("the configuration has none of these yet"),
    };
    match app.settle(scene, &cause, &transition, arrival.decide_by()).await {
        Ok(settled) => {
            if matches!(settled, Settled::Applied(_)) {
                app.counts.stages.count(Stage::Confirmed);
            }
            Some(answer(&settled, openid))
        }
        Err(BusError::Undecided(_)) => None,
        Err(error @ BusError::Malformed(_)) => {
            tracing::error!(%scene, %error, "a scan can't be settled");
            Some(Phrase::ScanAgain)
        }
    }
}

/// What somebody is told whose scan was settled so.
fn answer(settled: &Settled, openid: &OpenId) -> Phrase {
    match settled {
        // A redelivery is answered like the delivery, whose answer may not have arrived.
        Settled::Applied(_) | Settled::Repeated(_) => Phrase::LoggedIn,
        Settled::Refused(Refusal::State(State::Expired | State::Cancelled | State::Declined), _) => Phrase::Expired,
        Settled::Refused(Refusal::State(_), standing) if standing.who().as_ref() == Some(openid) => {
            Phrase::AlreadyLoggedIn
        }
        Settled::Refused(Refusal::State(_), _) => Phrase::Taken,
        // The code of another account is none of this one's.
        Settled::Refused(Refusal::Guard(_), _) | Settled::Unknown => Phrase::UnknownCode,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use scenecast_shared::scene::{Field, Standing};

    use super::*;

    fn standing(state: State, who: &str) -> Standing {
        Standing { state, remaining: Duration::ZERO, facts: BTreeMap::from([(Field::Who, who.to_owned())]) }
    }

    #[test]
    fn each_phone_is_told_what_became_of_its_scan() {
        let ann: OpenId = "oAnn".parse().unwrap();
        let refused = |state, who| Settled::Refused(Refusal::State(state), standing(state, who));
        for (settled, phrase) in [
            (Settled::Applied(standing(State::Confirmed, "oAnn")), Phrase::LoggedIn),
            (Settled::Repeated(standing(State::Confirmed, "oAnn")), Phrase::LoggedIn),
            (Settled::Repeated(standing(State::Redeemed, "oAnn")), Phrase::LoggedIn),
            (refused(State::Confirmed, "oAnn"), Phrase::AlreadyLoggedIn),
            (refused(State::Redeemed, "oAnn"), Phrase::AlreadyLoggedIn),
            (refused(State::Confirmed, "oBob"), Phrase::Taken),
            (refused(State::Redeemed, "oBob"), Phrase::Taken),
            (refused(State::Scanned, "oBob"), Phrase::Taken),
            (refused(State::Expired, ""), Phrase::Expired),
            (refused(State::Expired, "oBob"), Phrase::Expired),
            (refused(State::Cancelled, ""), Phrase::Expired),
            (Settled::Refused(Refusal::Guard(Field::Account), standing(State::Open, "")), Phrase::UnknownCode),
            (Settled::Unknown, Phrase::UnknownCode),
        ] {
            assert_eq!(answer(&settled, &ann), phrase, "{settled:?}");
        }
    }
}
