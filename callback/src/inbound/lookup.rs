//! What Redis is asked for a message. This decides when WeChat gets no answer while Redis is away: for every message
//! for which Redis is asked anything, before or while it is acted upon.
//!
//! | purpose | asked before | asked while acting | while Redis is away WeChat gets |
//! |---|---|---|---|
//! | a scan or a code; the account asks people | record, question | scene, codes, question | no answer; at last "again" |
//! | the same; a scan is the login | record | scene, codes, record, outbox | no answer; at last "again" |
//! | an answer | record, question | scene, record, outbox | no answer; at last "again" |
//! | a follow, an unfollow | nothing | record, outbox | no answer; at last "welcome", or an acknowledgement |
//! | any other message, any other event | nothing | nothing | its usual answer |
//!
//! The record of a person who probably has none isn't read before, but looked at in the step that settles the scene.
//! The outbox is asked only if the site has webhooks. "At last" is WeChat's last attempt (see `arrival`). The last
//! reply of a scanned code is an acknowledgement, since it may be one of the account's other codes. The scene of the
//! question before is read while a scan is settled, and isn't needed: it may be at a server that is away. In plain mode the
//! replay guard asks Redis for every message, so that WeChat gets no answer to any message while Redis is away.

use super::{
    delivery::{Delivery, StoredFacts, UnfinishedDelivery},
    purpose::Purpose,
};
use crate::stores::StoredUser;

/// Reads what acting upon this message needs.
pub(super) async fn look_up(delivery: &Delivery<'_>) -> Result<StoredFacts, UnfinishedDelivery> {
    let services = delivery.services;
    let account = &delivery.account.name;
    let openid = delivery.openid();
    let user = async || {
        let found = delivery.ask_store(|| services.users.find(account, openid)).await;
        found.map(|found| StoredUser::read(found.flatten()))
    };
    let question = async || delivery.ask_store(|| services.questions.get(account, openid)).await.map(Option::flatten);
    // The same delivery answers the same question each time.
    let answered = async || {
        let answered = delivery.ask_store(|| services.questions.answered_by(account, openid, delivery.id()));
        answered.await.map(Option::flatten)
    };
    match delivery.purpose {
        Purpose::Answer { scene: None, .. } => {
            let (user, question) = tokio::try_join!(user(), answered())?;
            Ok(StoredFacts { user, question })
        }
        Purpose::Scan(_) | Purpose::ScanCode(_) | Purpose::Code(_) if !delivery.asks_for_confirmation() => {
            let user = if delivery.may_guess_no_record() { StoredUser::guessed_none() } else { user().await? };
            Ok(StoredFacts { user, question: None })
        }
        Purpose::Scan(_) | Purpose::ScanCode(_) | Purpose::Code(_) | Purpose::Answer { .. } => {
            let (user, question) = tokio::try_join!(user(), question())?;
            Ok(StoredFacts { user, question })
        }
        Purpose::Follow | Purpose::Unfollow | Purpose::Write | Purpose::Event => Ok(StoredFacts::default()),
    }
}
