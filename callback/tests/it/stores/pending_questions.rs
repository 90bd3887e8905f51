//! About which scene a person was asked last.

use scenecast_callback::stores::{PendingQuestion, PendingQuestions};

use super::{Pods, account, ann, bo, other, over_every_backend, scene};
use crate::world::LIFE;

over_every_backend! {
    a_question_replaces_the_persons_earlier_question
    a_question_expires
}

fn about(n: u128, typed: bool) -> PendingQuestion {
    PendingQuestion { scene: scene(n), typed, since: 1_800_000_000 }
}

async fn a_question_replaces_the_persons_earlier_question(pods: Pods) {
    let (here, there) = (PendingQuestions::new(pods.here), PendingQuestions::new(pods.there));
    assert_eq!(there.get(&account(), &ann()).await, Ok(None));
    here.put(&account(), &ann(), about(1, false), LIFE).await.unwrap();
    here.put(&account(), &ann(), about(2, true), LIFE).await.unwrap();
    assert_eq!(there.get(&account(), &ann()).await, Ok(Some(about(2, true))));
    assert_eq!(there.get(&account(), &bo()).await, Ok(None));
    assert_eq!(there.get(&other(), &ann()).await, Ok(None));
}

async fn a_question_expires(pods: Pods) {
    let pending = PendingQuestions::new(pods.here.clone());
    pending.put(&account(), &ann(), about(1, false), LIFE).await.unwrap();
    pods.pass(LIFE, "pending:demo:oAnn").await;
    assert_eq!(pending.get(&account(), &ann()).await, Ok(None));
}
