//! The scene about which a person was asked on the phone last, for people who type their answer.
//!
//! See docs/decisions/018-a-question-stays-after-its-answer.md.

use std::{cmp::Ordering, time::Duration};

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
    /// Whether the person had been asked about another scene before, and hadn't answered.
    #[serde(default)]
    pub replaces_another: bool,
}

/// Whether a typed answer is about a question. Their times count seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerMatch {
    /// It is.
    Certain,
    /// It is of the same second, so it may be about the question before this one.
    InDoubt,
    /// It is older than the question: WeChat delivers it again.
    TooOld,
}

impl PendingQuestion {
    /// Whether an answer with this `CreateTime`, in unix seconds, is about this question.
    pub fn matches(&self, created: u64) -> AnswerMatch {
        match created.cmp(&self.since) {
            Ordering::Less => AnswerMatch::TooOld,
            Ordering::Equal if self.replaces_another => AnswerMatch::InDoubt,
            Ordering::Equal | Ordering::Greater => AnswerMatch::Certain,
        }
    }
}

/// A question that is being put to a person.
#[derive(Debug, Clone, Copy)]
pub struct NewQuestion {
    pub question: PendingQuestion,
    /// Whether the scan that led to it was delivered before.
    pub is_repeated: bool,
    /// The question before it, as it was just read.
    pub before: Option<PendingQuestion>,
    /// Whether the person has answered that one.
    pub before_is_answered: bool,
}

impl NewQuestion {
    /// What is stored when this question comes: itself, unless a later one is stored. A scan that WeChat delivers again
    /// must not replace the question of a later scan, which may be of the same second.
    fn replacing(self, stored: Option<PendingQuestion>) -> PendingQuestion {
        let Some(stored) = stored else { return self.question };
        let PendingQuestion { scene, since, .. } = self.question;
        if stored.since > since || (self.is_repeated && stored.since == since) {
            return stored;
        }
        let is_answered = self.before_is_answered && self.before.is_some_and(|before| before.scene == stored.scene);
        let replaces_stored = stored.scene != scene && !is_answered;
        let replaces_earlier = stored.replaces_another && stored.since == since;
        PendingQuestion { replaces_another: replaces_stored || replaces_earlier, ..self.question }
    }
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

    /// Remembers for `life` about which scene this person was asked, in place of an earlier question. That takes one round
    /// trip, if the question before is still the stored one.
    pub async fn put(
        &self,
        account: &AccountName,
        openid: &OpenId,
        new: NewQuestion,
        life: Duration,
    ) -> Result<(), StoreError> {
        let change = |stored: Option<&str>| (Some(to_text(&new.replacing(stored.and_then(from_text)))), ());
        self.0.update_from(&key(account, openid), new.before.as_ref().map(to_text), Some(life), change).await
    }

    /// The question to this person. A value that can't be read counts as no question. `None` isn't final: nobody may be
    /// told that there was no question.
    pub async fn get(&self, account: &AccountName, openid: &OpenId) -> Result<Option<PendingQuestion>, StoreError> {
        Ok(self.0.get(&key(account, openid)).await?.as_deref().and_then(from_text))
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
        Ok(text.as_deref().and_then(from_text))
    }
}

fn from_text(stored: &str) -> Option<PendingQuestion> {
    serde_json::from_str(stored).ok()
}

fn to_text(question: &PendingQuestion) -> String {
    serde_json::to_string(question).expect("a question has string keys only")
}

fn key(account: &AccountName, openid: &OpenId) -> String {
    format!("pending:{account}:{openid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(scene: char, since: u64) -> PendingQuestion {
        let scene = format!("{scene}{}", "A".repeat(21)).parse().unwrap();
        PendingQuestion { scene, typed: false, since, replaces_another: false }
    }

    fn asked(question: PendingQuestion, before: PendingQuestion) -> NewQuestion {
        NewQuestion { question, is_repeated: false, before: Some(before), before_is_answered: false }
    }

    #[test]
    fn an_answer_of_the_same_second_is_in_doubt_if_another_question_waits_for_one() {
        let first = question('A', 100);
        let alone = NewQuestion { before: None, ..asked(first, first) };
        assert_eq!(alone.replacing(None), first);
        let second = asked(question('B', 105), first).replacing(Some(first));
        let after_an_answer = NewQuestion { before_is_answered: true, ..asked(question('B', 105), first) };
        for (question, created, expected) in [
            (first, 99, AnswerMatch::TooOld),
            (first, 100, AnswerMatch::Certain),
            (first, 101, AnswerMatch::Certain),
            (second, 104, AnswerMatch::TooOld),
            (second, 105, AnswerMatch::InDoubt),
            (second, 106, AnswerMatch::Certain),
            (after_an_answer.replacing(Some(first)), 105, AnswerMatch::Certain),
            (after_an_answer.replacing(Some(question('C', 105))), 105, AnswerMatch::InDoubt),
        ] {
            assert_eq!(question.matches(created), expected, "{created} {question:?}");
        }
    }

    #[test]
    fn a_question_replaces_those_that_are_not_later() {
        let first = question('A', 100);
        let second = asked(question('B', 100), first).replacing(Some(first));
        assert!(second.replaces_another);
        let repeated = NewQuestion { is_repeated: true, ..asked(first, second) };
        assert_eq!(repeated.replacing(Some(second)), second, "the first scan is delivered again");
        assert_eq!(asked(question('A', 99), second).replacing(Some(second)), second, "it overtook the first");
        for (scene, since, replaces_another) in [('B', 100, true), ('B', 101, false), ('C', 101, true)] {
            let again = asked(question(scene, since), second).replacing(Some(second));
            assert_eq!((again.since, again.replaces_another), (since, replaces_another), "{scene}");
        }
    }

    #[test]
    fn a_question_of_an_older_version_replaced_none_as_far_as_it_says() {
        let text = to_text(&question('A', 100)).replace(",\"replaces_another\":false", "");
        assert!(!text.contains("replaces"), "{text}");
        assert_eq!(from_text(&text), Some(question('A', 100)));
    }
}
