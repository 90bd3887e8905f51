//! Which commands Redis has to allow a callback for its stores.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use scenecast_bus::Store;
use scenecast_callback::stores::{
    CALLS_IN_BATCH, DailyQuota, GuessLimiter, GuessVerdict, JsCodes, KeptCode, KeptCodes, NewQuestion, Outbox,
    OutboxCapacity, PendingQuestion, PendingQuestions, ReplayGuard, ReplayVerdict, RetryBackoff, STORED_NAMES,
    SignedContent, StoredToken, SweepCursor, TokenStore, TypedCodes, Users, WebhookEvent, WebhookEventKind,
};
use scenecast_scene::{DeliveryId, internal::OpenedHandle};
use scenecast_service::admission::ClientPrefix;
use scenecast_testing::{CALLBACK_PASSWORD, RedisServer, acl_rules};
use scenecast_wechat::JsCodeSession;

use super::{account, ann, scene, store};
use crate::world::LIFE;

#[tokio::test]
async fn a_callback_may_do_in_redis_what_its_stores_need() {
    let server = RedisServer::start().await;
    let store = store(&server.url_for("callback", CALLBACK_PASSWORD));
    let tokens = TokenStore::new(store.clone());
    let lease = tokens.lease("wxdemo").await.unwrap().expect("the right");
    tokens.put("wxdemo", &StoredToken { token: "token".to_owned(), expires_at: 0 }, LIFE).await.unwrap();
    tokens.release("wxdemo", lease).await.unwrap();
    assert!(tokens.get("wxdemo").await.unwrap().is_some());
    let claimed = ReplayGuard::new(store.clone())
        .claim("s", crate::world::unix_now().as_secs(), SignedContent::Body(b"body"))
        .await;
    assert_eq!(claimed, Ok(ReplayVerdict::Genuine));
    let (budget, js_codes) = (DailyQuota::new(store.clone(), "qrcode"), JsCodes::new(store.clone()));
    assert_eq!(budget.count_call(&account(), 100, SystemTime::now()).await, Ok(1));
    let client = ClientPrefix::all_of([203, 0, 113, 1].into()).next().unwrap();
    assert_eq!(budget.count_batch(&account(), client, SystemTime::now()).await, Ok(CALLS_IN_BATCH));
    js_codes
        .remember(DeliveryId::of(&["a"]), &JsCodeSession { openid: "oAnn".parse().unwrap(), unionid: None })
        .await
        .unwrap();
    assert!(js_codes.recall(DeliveryId::of(&["a"])).await.unwrap().is_some());
    uses_the_kept_codes(&store).await;
    uses_the_records_of_people(&store).await;
    uses_the_outbox(&store).await;
}

#[test]
fn a_callback_has_rights_for_the_names_of_its_stores_and_for_no_others() {
    let allowed = acl_rules("callback").split(' ').filter_map(|rule| rule.strip_prefix('~')?.strip_suffix(":*"));
    // Scenes, and what the bus writes to ask replicas.
    let allowed: BTreeSet<_> = allowed.filter(|name| !["wx", "fence"].contains(name)).collect();
    let used: BTreeSet<_> = STORED_NAMES.values.iter().chain(STORED_NAMES.streams).copied().collect();
    assert_eq!(used, allowed);
}

async fn uses_the_kept_codes(store: &Store) {
    let shown = KeptCodes::new(store.clone());
    let KeptCode::Missing(lease) = shown.find_or_lease(scene(1)).await.unwrap() else { panic!("nobody made it") };
    assert!(matches!(shown.find_or_lease(scene(1)).await, Ok(KeptCode::BeingMade)));
    shown.give_up(scene(1), lease).await.unwrap();
    let code = OpenedHandle::Typed { code: "12345678".to_owned() };
    shown.put(scene(1), &code, LIFE).await.unwrap();
    assert!(matches!(shown.find_or_lease(scene(1)).await, Ok(KeptCode::Made(OpenedHandle::Typed { .. }))));
}

async fn uses_the_records_of_people(store: &Store) {
    let who = ann();
    let (pending, guesses, codes) =
        (PendingQuestions::new(store.clone()), GuessLimiter::new(store.clone()), TypedCodes::new(store.clone()));
    let met = Users::new(store.clone(), None).upsert(&account(), &who, 0, |user| user.set_registered(true)).await;
    assert!(met.unwrap().0.registered);
    let (asked, delivery) = (
        PendingQuestion { scene: scene(1), typed: false, since: 1, replaces_another: false },
        DeliveryId::of(&["code"]),
    );
    let new = NewQuestion { question: asked, is_repeated: false, before: None, before_is_answered: false };
    pending.put(&account(), &who, new, LIFE).await.unwrap();
    assert_eq!(pending.get(&account(), &who).await, Ok(Some(asked)));
    assert_eq!(guesses.check(&account(), &who, delivery, LIFE).await, Ok(GuessVerdict::Allowed));
    guesses.take_back(&account(), &who, delivery).await.unwrap();
    let code = codes.issue(&account(), scene(1), LIFE).await.unwrap();
    assert_eq!(codes.find(&account(), &code).await, Ok(Some(scene(1))));
}

async fn uses_the_outbox(store: &Store) {
    let outbox = Outbox::new(store.clone(), OutboxCapacity { waiting: 1, dead: 1 });
    let delivery = DeliveryId::of(&["follow"]);
    let event =
        WebhookEvent { account: account(), kind: WebhookEventKind::Followed, delivery, created: 0, body: "x".into() };
    for _ in ["waiting", "dead"] {
        outbox.put(&event).await.unwrap();
    }
    outbox.claim_new(&account(), 1).await.unwrap();
    let at_once = RetryBackoff { first: Duration::ZERO, longest: Duration::ZERO };
    let due = outbox.claim_due(&account(), 1, at_once, &mut SweepCursor::default()).await.unwrap();
    outbox.bury(&due[0]).await.unwrap();
    assert_eq!(outbox.waiting(&account()).await, Ok(0));
    assert!(outbox.dead(&account()).await.unwrap() > 0);
}
