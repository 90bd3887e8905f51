//! Who sent which `js_code`.

use scenecast_callback::stores::{JsCodeSender, JsCodes};
use scenecast_scene::DeliveryId;
use scenecast_wechat::JsCodeSession;

use super::{Pods, ann, over_every_backend};

over_every_backend! {
    the_sender_of_a_js_code_is_known_to_all_pods
    an_invalid_js_code_is_known_to_all_pods_and_replaces_no_sender
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
