//! About which scene a person was asked last.

use scenecast_callback::stores::{NewQuestion, PendingQuestion, PendingQuestions};

use scenecast_scene::DeliveryId;

use super::{Pods, account, ann, bo, other, over_every_backend, scene};
use crate::world::LIFE;

over_every_backend! {
    a_question_replaces_the_persons_earlier_question
    a_question_expires
    an_answer_that_is_delivered_again_is_about_the_question_of_its_first_delivery
}

fn question(n: u128, typed: bool) -> PendingQuestion {
    PendingQuestion { scene: scene(n), typed, since: 1_800_000_000, replaces_another: n > 1 }
}

fn about(n: u128, typed: bool) -> NewQuestion {
    NewQuestion { question: question(n, typed), is_repeated: false, before: None, before_is_answered: false }
}

async fn a_question_replaces_the_persons_earlier_question(pods: Pods) {
    let (here, there) = (PendingQuestions::new(pods.here), PendingQuestions::new(pods.there));
    assert_eq!(there.get(&account(), &ann()).await, Ok(None));
    here.put(&account(), &ann(), about(1, false), LIFE).await.unwrap();
    here.put(&account(), &ann(), about(2, true), LIFE).await.unwrap();
    assert_eq!(there.get(&account(), &ann()).await, Ok(Some(question(2, true))));
    assert_eq!(there.get(&account(), &bo()).await, Ok(None));
    assert_eq!(there.get(&other(), &ann()).await, Ok(None));
}

async fn a_question_expires(pods: Pods) {
    let pending = PendingQuestions::new(pods.here.clone());
    pending.put(&account(), &ann(), about(1, false), LIFE).await.unwrap();
    pods.pass(LIFE, "pending:demo:oAnn").await;
    assert_eq!(pending.get(&account(), &ann()).await, Ok(None));
}

async fn an_answer_that_is_delivered_again_is_about_the_question_of_its_first_delivery(pods: Pods) {
    let (here, there) = (PendingQuestions::new(pods.here.clone()), PendingQuestions::new(pods.there.clone()));
    let [early, first, second] = ["early", "first", "second"].map(|answer| DeliveryId::of(&[answer]));
    let answered = async |pod: &PendingQuestions, answer| pod.answered_by(&account(), &ann(), answer).await.unwrap();
    assert_eq!(answered(&here, early).await, None);
    here.put(&account(), &ann(), about(1, false), LIFE).await.unwrap();
    assert_eq!(answered(&here, first).await, Some(question(1, false)));
    there.put(&account(), &ann(), about(2, true), LIFE).await.unwrap();
    for pod in [&here, &there] {
        assert_eq!(answered(pod, early).await, None);
        assert_eq!(answered(pod, first).await, Some(question(1, false)));
        assert_eq!(answered(pod, second).await, Some(question(2, true)), "another answer");
        assert_eq!(pod.answered_by(&account(), &bo(), first).await, Ok(None), "another person's");
        assert_eq!(pod.answered_by(&other(), &ann(), first).await, Ok(None), "another account's");
    }
    let copy = format!("pending:{{pending:demo:oAnn}}:{first}");
    if let Some(life) = pods.life(&copy).await {
        assert!((690..=700).contains(&life), "{life}");
    }
}
