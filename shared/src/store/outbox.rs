//! Letters to the sites, kept until they are delivered: each is given to one pod at a time, and to
//! another when that one fails or dies. So each is delivered at least once, and those who get
//! one twice know it by its id.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Pauses, Store, StoreError};
use crate::{
    redis::Entry,
    scene::{AccountName, DeliveryId},
};

/// How many letters that are out are looked at in one step of a sweep.
const PAGE: usize = 500;

/// What a site's backend is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The account that it is about.
    pub account: AccountName,
    /// What happened.
    pub kind: LetterKind,
    /// The delivery that caused it.
    pub delivery: DeliveryId,
    /// When it was written, in unix milliseconds.
    pub created: u64,
    /// What there is to tell. Whoever writes a letter and whoever delivers it agree on what is in it.
    pub body: serde_json::Value,
}

impl Letter {
    /// The same for the same letter, however often it is written or delivered. Not the delivery's id
    /// alone: one delivery may be a follow and a login.
    pub fn id(&self) -> String {
        format!("{}-{}", self.kind.word(), self.delivery)
    }
}

/// Shows nothing of the body, which is about a person.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} of {}>", self.id(), self.account)
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterKind {
    /// Somebody began to follow the account.
    Followed,
    /// Somebody stopped following it.
    Unfollowed,
    /// Somebody logged in with it.
    LoggedIn,
}

impl LetterKind {
    /// Its word in ids, logs and on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Followed => "followed",
            Self::Unfollowed => "unfollowed",
            Self::LoggedIn => "logged_in",
        }
    }
}

/// How many letters of an account there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Letters that wait, beyond which new ones are dead at once: a site that is slower than what
    /// happens must not fill Redis.
    pub waiting: usize,
    /// Dead letters, about; the oldest go first.
    pub dead: usize,
}

impl Default for Room {
    /// Half an hour in which 50 people a second log in and no letter is taken: about 100 MB.
    fn default() -> Self {
        Self { waiting: 100_000, dead: 10_000 }
    }
}

/// What became of a letter that was put into the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// It waits to be delivered.
    Waits,
    /// There was no room: it is a dead letter.
    Dead,
}

/// A letter that was taken to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The letter.
    pub letter: Letter,
    /// Its id in the outbox.
    entry: String,
}

/// How far a sweep has come through the letters that are out.
#[derive(Debug, Clone, Default)]
pub struct Sweep {
    after: Option<String>,
}

/// The letters of all accounts. Clones are the same outbox.
#[derive(Debug, Clone)]
pub struct Outbox {
    store: Store,
    room: Room,
}

impl Outbox {
    /// In this store.
    pub fn new(store: Store, room: Room) -> Self {
        Self { store, room }
    }

    /// Puts a letter into the outbox; once this is done, no pod's death loses it. The same letter put
    /// twice is delivered twice.
    pub async fn put(&self, letter: &Letter) -> Result<Posted, StoreError> {
        let text = serde_json::to_string(letter).expect("a letter has string keys only");
        if self.store.append_if_room(&waiting(&letter.account), text.clone(), self.room.waiting).await? {
            return Ok(Posted::Waits);
        }
        self.store.append(&dead(&letter.account), &text, self.room.dead).await?;
        Ok(Posted::Dead)
    }

    /// Takes letters for their first attempt.
    pub async fn take_new(&self, account: &AccountName, at_most: usize) -> Result<Vec<Taken>, StoreError> {
        let entries = self.store.give_new(&waiting(account), at_most).await?;
        self.opened(account, entries).await
    }

    /// Takes letters again whose pause is over: those that failed, and those of pods that died. Goes one
    /// step of the sweep, which costs the same however many letters are out.
    pub async fn take_due(
        &self,
        account: &AccountName,
        at_most: usize,
        pauses: Pauses,
        sweep: &mut Sweep,
    ) -> Result<Vec<Taken>, StoreError> {
        let page = self.store.out(&waiting(account), sweep.after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        let mut overdue = vec![];
        let mut after = None;
        for out in page {
            let pause = pauses.after(out.times, &out.id);
            if out.idle >= pause {
                if overdue.len() == at_most {
                    break;
                }
                overdue.push((out.id.clone(), pause));
            }
            after = Some(out.id);
        }
        sweep.after = after.filter(|_| !is_last || overdue.len() == at_most);
        let entries = self.store.give_again(&waiting(account), &overdue).await?;
        self.opened(account, entries).await
    }

    /// It was delivered. One that isn't done is taken again when its pause is over.
    pub async fn done(&self, taken: &Taken) -> Result<(), StoreError> {
        self.store.remove(&waiting(&taken.letter.account), &taken.entry).await
    }

    /// It is given up: from now on it is a dead letter.
    pub async fn bury(&self, taken: &Taken) -> Result<(), StoreError> {
        let text = serde_json::to_string(&taken.letter).expect("a letter has string keys only");
        self.store.append(&dead(&taken.letter.account), &text, self.room.dead).await?;
        self.done(taken).await
    }

    /// How many letters wait, taken or not.
    pub async fn waiting(&self, account: &AccountName) -> Result<u64, StoreError> {
        self.store.length(&waiting(account)).await
    }

    /// How many dead letters there are.
    pub async fn dead(&self, account: &AccountName) -> Result<u64, StoreError> {
        self.store.length(&dead(account)).await
    }

    /// Reads letters; what isn't one is dead.
    async fn opened(&self, account: &AccountName, entries: Vec<Entry>) -> Result<Vec<Taken>, StoreError> {
        let mut taken = vec![];
        for Entry { id, text } in entries {
            match serde_json::from_str(&text) {
                Ok(letter) => taken.push(Taken { letter, entry: id }),
                Err(error) => {
                    tracing::error!(%account, entry = id, line = error.line(), "what is in the outbox is no letter");
                    self.store.append(&dead(account), &text, self.room.dead).await?;
                    self.store.remove(&waiting(account), &id).await?;
                }
            }
        }
        Ok(taken)
    }
}

fn waiting(account: &AccountName) -> String {
    format!("outbox:{account}")
}

fn dead(account: &AccountName) -> String {
    format!("outbox-dead:{account}")
}
