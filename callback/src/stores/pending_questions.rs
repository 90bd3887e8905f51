//! The scene about which a person was asked on the phone last, for people who type their answer.
//!
//! See docs/decisions/018-a-question-stays-after-its-answer.md.

use std::time::Duration;

use scenecast_bus::{Store, StoreError};
use scenecast_scene::{AccountName, DeliveryId, OpenId, SceneId};
use serde::{Deserialize, Serialize};

/// How long it is remembered which question an answer was about: longer than a signature is accepted. So a replay is about
/// that question, too.
const ANSWER_LIFE: Duration = Duration::from_secs(700);

/// A question to one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingQuestion {
    /// The scene that the person may confirm or decline.
    pub scene: SceneId,
    /// Whether the person typed the scene's code. Otherwise they scanned its QR code.
    pub typed: bool,
    /// The `CreateTime`, in unix seconds, of the message that led to the question. Every answer is newer.
    pub since: u64,
}

/// The questions, one for each person. A question stays after its answer, so that an answer that WeChat delivers again
/// is still an answer. Clones share the questions.
#[derive(Debug, Clone)]
pub struct PendingQuestions(Store);

impl PendingQuestions {
    /// The questions in this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Remembers for `life` about which scene this person was asked, in place of an earlier question.
    pub async fn put(
        &self,
        account: &AccountName,
        openid: &OpenId,
        question: PendingQuestion,
        life: Duration,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(&question).expect("a question has string keys only");
        self.0.put(&key(account, openid), text, life).await
    }

    /// The question to this person. A value that can't be read counts as no question. `None` isn't final: nobody may be
    /// told that there was no question.
    pub async fn get(&self, account: &AccountName, openid: &OpenId) -> Result<Option<PendingQuestion>, StoreError> {
        let text = self.0.get(&key(account, openid)).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// The question that a typed answer of this person is about: the present one, unless the same delivery came before.
    /// Then it is what it was then, whatever the person was asked since. `None` is final.
    pub async fn answered_by(
        &self,
        account: &AccountName,
        openid: &OpenId,
        answer: DeliveryId,
    ) -> Result<Option<PendingQuestion>, StoreError> {
        let text = self.0.get_once(&key(account, openid), &answer.to_string(), ANSWER_LIFE).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }
}

fn key(account: &AccountName, openid: &OpenId) -> String {
    format!("pending:{account}:{openid}")
}
