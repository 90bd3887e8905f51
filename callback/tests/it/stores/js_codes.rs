//! Who sent which `js_code`.

use std::time::Duration;

use scenecast_callback::stores::{JsCodeLookup, JsCodeSender, JsCodes, SessionRefusal};
use scenecast_scene::DeliveryId;
use scenecast_wechat::JsCodeSession;

use super::{Pods, ann, over_every_backend};

over_every_backend! {
    the_sender_of_a_js_code_is_known_to_all_pods
    an_invalid_js_code_is_known_to_all_pods_and_replaces_no_sender
    one_of_equal_calls_asks_wechat_and_the_others_get_its_answer
}

async fn the_sender_of_a_js_code_is_known_to_all_pods(pods: Pods) {
    let (here, there) = (JsCodes::new(pods.here.clone()), JsCodes::new(pods.there.clone()));
    let [anns, bos] = ["ann's", "bo's"].map(|js_code| DeliveryId::of(&[js_code]));
    let session = JsCodeSession { openid: ann(), unionid: Some("oUnion".to_owned()) };
    here.remember(anns, &session).await.unwrap();
    let Some(JsCodeSender::Known(recalled)) = there.recall(anns).await.unwrap() else { panic!("not known") };
    assert_eq!((recalled.openid, recalled.unionid), (session.openid, session.unionid));
    assert!(there.recall(bos).await.unwrap().is_none());
    if let Some(life) = pods.life(&format!("js-code:{anns}")).await {
        assert!((290..=300).contains(&life), "{life}");
    }
}

async fn an_invalid_js_code_is_known_to_all_pods_and_replaces_no_sender(pods: Pods) {
    let (here, there) = (JsCodes::new(pods.here.clone()), JsCodes::new(pods.there.clone()));
    let [made_up, anns] = ["made up", "ann's"].map(|js_code| DeliveryId::of(&[js_code]));
    here.remember_invalid(made_up).await.unwrap();
    assert!(matches!(there.recall(made_up).await, Ok(Some(JsCodeSender::Unknown { .. }))));
    there.remember(anns, &JsCodeSession { openid: ann(), unionid: None }).await.unwrap();
    here.remember_invalid(anns).await.unwrap();
    assert!(matches!(there.recall(anns).await, Ok(Some(JsCodeSender::Known(_)))));
}

async fn one_of_equal_calls_asks_wechat_and_the_others_get_its_answer(pods: Pods) {
    let (here, there) = (JsCodes::new(pods.here.clone()), JsCodes::new(pods.there.clone()));
    let [anns, made_up, refused] = ["ann's", "made up", "refused"].map(|js_code| DeliveryId::of(&[js_code]));
    for js_code in [anns, made_up, refused] {
        assert!(matches!(here.find_or_lease(js_code).await, Ok(JsCodeLookup::Missing)));
        assert!(matches!(there.find_or_lease(js_code).await, Ok(JsCodeLookup::BeingAsked)));
        assert!(matches!(there.recall(js_code).await, Ok(None)));
    }
    here.remember(anns, &JsCodeSession { openid: ann(), unionid: None }).await.unwrap();
    here.remember_invalid(made_up).await.unwrap();
    here.remember_refusal(refused, SessionRefusal::MinuteQuota).await.unwrap();
    // A call that took too long doesn't replace a sender either.
    there.remember_refusal(anns, SessionRefusal::Unavailable).await.unwrap();
    let answer = async |js_code| match there.find_or_lease(js_code).await.unwrap() {
        JsCodeLookup::Answered(sender) => sender,
        JsCodeLookup::BeingAsked | JsCodeLookup::Missing => panic!("no answer"),
    };
    assert!(matches!(answer(anns).await, JsCodeSender::Known(_)));
    assert!(matches!(answer(made_up).await, JsCodeSender::Unknown { .. }));
    assert!(matches!(answer(refused).await, JsCodeSender::Untold { refusal: SessionRefusal::MinuteQuota }));
    pods.pass(Duration::from_secs(3), &format!("js-code:{refused}")).await;
    assert!(matches!(there.find_or_lease(refused).await, Ok(JsCodeLookup::Missing)), "WeChat is asked again");
}
