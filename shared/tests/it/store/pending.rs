//! Which scene somebody is asked about.

use scenecast_shared::store::{Asked, Pending};

use super::{Pods, ann, bo, other, over_every_backend};
use crate::fixtures::{LIFE, account, scene};

over_every_backend! {
    somebody_is_asked_about_one_scene_the_latest
    who_does_not_answer_in_time_is_not_asked_any_more
}

fn about(n: u128, typed: bool) -> Asked {
    Asked { scene: scene(n), typed, since: 1_800_000_000 }
}

async fn somebody_is_asked_about_one_scene_the_latest(pods: Pods) {
    let (here, there) = (Pending::new(pods.here), Pending::new(pods.there));
    assert_eq!(there.get(&account(), &ann()).await, Ok(None));
    here.put(&account(), &ann(), about(1, false), LIFE).await.unwrap();
    here.put(&account(), &ann(), about(2, true), LIFE).await.unwrap();
    assert_eq!(there.get(&account(), &ann()).await, Ok(Some(about(2, true))));
    assert_eq!(there.get(&account(), &bo()).await, Ok(None));
    assert_eq!(there.get(&other(), &ann()).await, Ok(None));
}

async fn who_does_not_answer_in_time_is_not_asked_any_more(pods: Pods) {
    let pending = Pending::new(pods.here.clone());
    pending.put(&account(), &ann(), about(1, false), LIFE).await.unwrap();
    pods.pass(LIFE, "pending:demo:oAnn").await;
    assert_eq!(pending.get(&account(), &ann()).await, Ok(None));
}
