//! Which scene somebody has yet to answer for.

use scenecast_shared::store::Pending;

use super::{Pods, ann, bo, other, over_every_backend};
use crate::fixtures::{LIFE, account, scene};

over_every_backend! {
    somebody_is_asked_about_one_scene_the_latest
    what_was_answered_is_not_asked_again_and_what_came_later_still_is
    who_does_not_answer_in_time_is_not_asked_any_more
}

async fn somebody_is_asked_about_one_scene_the_latest(pods: Pods) {
    let (here, there) = (Pending::new(pods.here), Pending::new(pods.there));
    assert_eq!(there.get(&account(), &ann()).await, Ok(None));
    here.put(&account(), &ann(), scene(1), LIFE).await.unwrap();
    here.put(&account(), &ann(), scene(2), LIFE).await.unwrap();
    assert_eq!(there.get(&account(), &ann()).await, Ok(Some(scene(2))));
    assert_eq!(there.get(&account(), &bo()).await, Ok(None));
    assert_eq!(there.get(&other(), &ann()).await, Ok(None));
}

async fn what_was_answered_is_not_asked_again_and_what_came_later_still_is(pods: Pods) {
    let (here, there) = (Pending::new(pods.here), Pending::new(pods.there));
    here.put(&account(), &ann(), scene(1), LIFE).await.unwrap();
    here.put(&account(), &ann(), scene(2), LIFE).await.unwrap();
    there.clear(&account(), &ann(), scene(1)).await.unwrap();
    assert_eq!(here.get(&account(), &ann()).await, Ok(Some(scene(2))));
    there.clear(&account(), &ann(), scene(2)).await.unwrap();
    assert_eq!(here.get(&account(), &ann()).await, Ok(None));
    there.clear(&account(), &ann(), scene(2)).await.unwrap();
}

async fn who_does_not_answer_in_time_is_not_asked_any_more(pods: Pods) {
    let pending = Pending::new(pods.here.clone());
    pending.put(&account(), &ann(), scene(1), LIFE).await.unwrap();
    pods.pass(LIFE, "pending:demo:oAnn").await;
    assert_eq!(pending.get(&account(), &ann()).await, Ok(None));
}
