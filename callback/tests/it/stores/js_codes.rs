//! Who sent which `js_code`.

use scenecast_callback::stores::JsCodes;
use scenecast_scene::DeliveryId;
use scenecast_wechat::JsCodeSession;

use super::{Pods, ann, over_every_backend};

over_every_backend! { the_sender_of_a_js_code_is_known_to_all_pods }

async fn the_sender_of_a_js_code_is_known_to_all_pods(pods: Pods) {
    let (here, there) = (JsCodes::new(pods.here.clone()), JsCodes::new(pods.there.clone()));
    let [anns, bos] = ["ann's", "bo's"].map(|js_code| DeliveryId::of(&[js_code]));
    let session = JsCodeSession { openid: ann(), unionid: Some("oUnion".to_owned()) };
    here.remember(anns, &session).await.unwrap();
    let recalled = there.recall(anns).await.unwrap().unwrap();
    assert_eq!((recalled.openid, recalled.unionid), (session.openid, session.unionid));
    assert!(there.recall(bos).await.unwrap().is_none());
    if let Some(life) = pods.life(&format!("js-code:{anns}")).await {
        assert!((290..=300).contains(&life), "{life}");
    }
}
