//! One login attempt (a scene): its ids, its secrets, its transitions, and the calls between gateway and callback about
//! it. No I/O.
//!
//! | module | what it is for |
//! |---|---|
//! | `id`, `page`, `numbers` | ids, what is known of a page, number matching |
//! | `secret`, `key` | secrets, grants, and the page's key for its scene |
//! | `transition`, `lifecycle`, `event` | which changes are allowed, how a scene is changed, what its page is told |
//! | [`internal`] | the calls from gateway to callback, and their signatures |
//! | [`time`] | the clock, and durations as numbers |
//! | `testing` | who logs in, and how, for tests (feature `testing`) |

mod event;
mod id;
pub mod internal;
mod key;
mod lifecycle;
mod numbers;
mod page;
mod secret;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
mod transition;

pub use event::{Event, EventKind, Login, Person, Profile, Scan};
pub use id::{AccountName, DeliveryId, IdError, OpenId, SceneId};
pub use key::{Claims, Key, KeyError, KeyRing};
pub use lifecycle::{Cause, NewScene, Scene, SceneSnapshot, SettleRefusal, Settled, TOMBSTONE_MS};
pub use numbers::{Number, NumberChallenge};
pub use page::{ChosenId, Language, PageInfo};
pub use secret::{Binding, Grant, GrantDigest, GrantSecrets, Rotating, Secret, constant_time_eq};
pub use transition::{Acceptance, OnlyTry, SceneField, SceneState, Step, Transition};
