//! What comes after a login, whichever message it was: the login is counted and the site is told, before WeChat is
//! answered. If that fails, WeChat delivers the message again, and the event has the same id.

use scenecast_scene::{Person, SceneId, SceneSnapshot};
use scenecast_wechat::MessageKind;

use crate::{
    inbound::delivery::{Delivery, HandlerResult, UnfinishedDelivery},
    login::CompletedLogin,
    phone::{Phrase, ReplyFacts},
    stores::User,
};

/// The sender is logged in on this scene. `counted` is how many logins that makes, if the login is counted already.
pub(super) async fn logged_in(
    delivery: &Delivery<'_>,
    scene: SceneId,
    snapshot: &SceneSnapshot,
    counted: Option<u64>,
) -> HandlerResult {
    let reply = |logins| delivery.reply_with(Phrase::LoggedIn, &ReplyFacts { scene: Some((scene, snapshot)), logins });
    let page = snapshot.page();
    let user = user_who_follows(delivery);
    let person = snapshot.person().unwrap_or_else(|| Person {
        account: delivery.account.name.clone(),
        openid: delivery.openid().clone(),
        unionid: None,
        profile: delivery.stored_profile(),
    });
    let login = CompletedLogin {
        person: &person,
        webhooks: &delivery.account.webhooks,
        delivery: delivery.id(),
        received_at: delivery.arrival.unix_ms,
        scene,
        page: &page,
        user: user.as_ref(),
        counted,
    };
    match login.record(&delivery.services.users, delivery.arrival.decide_by()).await {
        Ok(logins) => Ok(reply(logins)),
        // The page has its login, so the last attempt says so, whatever became of the record.
        Err(error) => Err(UnfinishedDelivery { reply: reply(None), ..delivery.unfinished(true, &error) }),
    }
}

/// The sender's record, with the follow that this message also says.
fn user_who_follows(delivery: &Delivery<'_>) -> Option<User> {
    let stored = delivery.stored.user.user().cloned();
    let MessageKind::Subscribe(_) = delivery.message.kind else { return stored };
    let mut user = stored.unwrap_or_else(|| User::first_seen(delivery.arrival.unix_ms));
    user.set_followed(delivery.message.created);
    Some(user)
}
