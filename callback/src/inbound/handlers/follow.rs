//! A person follows or unfollows: it is stored and told to the site, before WeChat is answered. If that fails, WeChat
//! delivers the message again, and the event has the same id.

use scenecast_scene::{PageInfo, SceneId};
use scenecast_wechat::MessageKind;

use super::scan::{ScanOutcome, scan};
use crate::{
    inbound::delivery::{Delivery, HandlerResult, UnfinishedDelivery},
    login::scene_name,
    phone::{Phrase, Reply},
    stores::{User, WebhookEventKind},
    webhooks::UserEvent,
};

/// The sender follows, without a login.
pub(super) async fn follow(delivery: &Delivery<'_>) -> HandlerResult {
    let user = store_follow(delivery).await?;
    publish(delivery, WebhookEventKind::Followed, &user, None).await?;
    Ok(delivery.reply(Phrase::Welcome))
}

/// The sender scanned this scene. A sender who didn't follow before does now.
pub(super) async fn scan_or_follow(delivery: &Delivery<'_>, scene: SceneId) -> HandlerResult {
    match delivery.message.kind {
        MessageKind::Subscribe(_) => follow_by_scan(delivery, scene).await,
        _ => scan(delivery, scene, false).await.map(|scanned| scanned.reply),
    }
}

async fn follow_by_scan(delivery: &Delivery<'_>, scene: SceneId) -> HandlerResult {
    // At the same time, because what WeChat tells about a person is kept only for people who follow.
    let (followed, scanned) = tokio::join!(store_follow(delivery), scan(delivery, scene, false));
    let ScanOutcome { reply, page } = scanned?;
    let published = async { publish(delivery, WebhookEventKind::Followed, &followed?, Some((scene, &page))).await };
    match published.await {
        Ok(()) => Ok(reply),
        Err(unfinished) => Err(UnfinishedDelivery { reply, ..unfinished }),
    }
}

async fn store_follow(delivery: &Delivery<'_>) -> Result<User, UnfinishedDelivery> {
    let created = delivery.message.created;
    change_user(delivery, |user| user.set_followed(created)).await
}

/// The sender doesn't follow any more. WeChat's terms ask us then to delete what it told about the person.
pub(super) async fn unfollow(delivery: &Delivery<'_>) -> HandlerResult {
    let created = delivery.message.created;
    let user = change_user(delivery, |user| user.set_unfollowed(created)).await?;
    publish(delivery, WebhookEventKind::Unfollowed, &user, None).await?;
    Ok(Reply::Acknowledge)
}

/// Changes the sender's record, and answers the changed record. A record that can't be read stays as it is.
pub(super) async fn change_user(
    delivery: &Delivery<'_>,
    change: impl Fn(&mut User) + Copy + Send,
) -> Result<User, UnfinishedDelivery> {
    let now = delivery.arrival.unix_ms;
    let stored = delivery.stored.user.user();
    let users = &delivery.services.users;
    let changed = delivery
        .ask_store(|| users.upsert_from(&delivery.account.name, delivery.openid(), stored, now, change))
        .await?;
    Ok(changed.map_or_else(|| User::first_seen(now), |(user, ())| user))
}

/// Puts an event about the sender into the outbox.
pub(super) async fn publish(
    delivery: &Delivery<'_>,
    kind: WebhookEventKind,
    user: &User,
    scanned: Option<(SceneId, &PageInfo)>,
) -> Result<(), UnfinishedDelivery> {
    let scene = scanned.map(|(scene, page)| scene_name(scene, page));
    let event = UserEvent { kind, delivery: delivery.id(), openid: delivery.openid(), user, scene: scene.as_deref() };
    delivery.ask_store(|| delivery.account.webhooks.publish(event)).await?;
    Ok(())
}
