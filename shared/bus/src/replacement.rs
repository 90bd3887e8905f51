//! A stored value that is replaced along with a settle.

use std::time::Duration;

use scenecast_scene::{Settled, time::millis};

/// A new value for a name of the [`Store`](crate::Store), in place of one that was read.
///
/// See docs/decisions/100-a-login-is-counted-in-the-step-that-settles-it.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The value's name.
    pub name: String,
    /// What was read; `None` if there was no value. If there is another one by now, that one stays.
    pub read: Option<String>,
    /// Whether nothing was read, and `read` is only a guess. If it is wrong, the scene isn't settled either.
    pub is_guess: bool,
    pub value: String,
    /// How long the value is kept from now on; `None` for ever.
    pub life: Option<Duration>,
}

impl Replacement {
    /// The arguments of a script that replaces a value, without its name: whether a value was read, which one, the new one,
    /// its life in milliseconds, and whether what was read is a guess.
    pub(crate) fn args(self) -> [String; 5] {
        let was_set = u8::from(self.read.is_some()).to_string();
        let life = self.life.map(|life| millis(life).to_string()).unwrap_or_default();
        [was_set, self.read.unwrap_or_default(), self.value, life, u8::from(self.is_guess).to_string()]
    }
}

/// What came of a settle along with which a value was to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettledAlong {
    /// The scene was settled so.
    Settled {
        /// What came of it.
        settled: Settled,
        /// Whether the value was replaced, too.
        replaced: bool,
    },
    /// Nothing was done: the guess was wrong, and this is stored; `None` if there is no value.
    WrongGuess(Option<String>),
}

impl SettledAlong {
    /// What came of it, in one word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Settled { settled: Settled::Applied(_), .. } => "applied",
            Self::Settled { settled: Settled::Repeated(_), .. } => "repeated",
            Self::Settled { settled: Settled::Refused(..), .. } => "refused",
            Self::Settled { settled: Settled::Unknown, .. } => "unknown",
            Self::WrongGuess(_) => "wrong_guess",
        }
    }
}
