//! A stored value that is replaced along with a settle.

use std::time::Duration;

use scenecast_scene::time::millis;

/// A new value for a name of the [`Store`](crate::Store), in place of one that was read.
///
/// See docs/decisions/100-a-login-is-counted-in-the-step-that-settles-it.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The value's name.
    pub name: String,
    /// What was read; `None` if there was no value. If there is another one by now, that one stays.
    pub read: Option<String>,
    pub value: String,
    /// How long the value is kept from now on; `None` for ever.
    pub life: Option<Duration>,
}

impl Replacement {
    /// The arguments of a script that replaces a value, without its name: whether a value was read, which one, the new one,
    /// and its life in milliseconds.
    pub(crate) fn args(self) -> [String; 4] {
        let was_set = u8::from(self.read.is_some()).to_string();
        let life = self.life.map(|life| millis(life).to_string()).unwrap_or_default();
        [was_set, self.read.unwrap_or_default(), self.value, life]
    }
}
