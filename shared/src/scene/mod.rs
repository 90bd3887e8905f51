//! One login attempt: its names, its secrets and its transitions. No I/O.

mod event;
mod id;
mod key;
mod lifecycle;
mod numbers;
mod page;
mod secret;
mod transition;

pub use event::{Event, Happening, Login, Person, Profile, Scan};
pub use id::{AccountName, BadId, DeliveryId, OpenId, SceneId};
pub use key::{BadKey, Claims, Key, KeyRing};
pub use lifecycle::{Cause, Opening, Refusal, Scene, Settled, Standing};
pub use numbers::{Number, Numbers};
pub use page::{ChosenId, Language, Page};
pub use secret::{Binding, Grant, GrantDigest, GrantSecrets, Rotating, Secret, same};
pub use transition::{Acceptance, Field, State, Step, Transition};

/// How long a scene is remembered after it ended, so that a late scan is told "expired" and
/// not "unknown". Milliseconds.
pub const TOMBSTONE_MS: u64 = 10 * 60 * 1000;
