//! One login attempt: its names, its secrets and its transitions, and what gateway and callback say to each
//! other about it. No I/O.
//!
//! | module | what it is for |
//! |---|---|
//! | `id`, `page`, `numbers` | names that are safe to show, and what is known of a page |
//! | `secret`, `key` | secrets, grants, and the page's key |
//! | `transition`, `lifecycle`, `event` | what may happen to a scene, how it is carried out, what the page is told |
//! | [`internal`] | the calls from gateway to callback, and their signature |
//! | [`time`] | the time of day, and durations as numbers |

mod event;
mod id;
pub mod internal;
mod key;
mod lifecycle;
mod numbers;
mod page;
mod secret;
pub mod time;
mod transition;

pub use event::{Event, EventKind, Login, Person, Profile, Scan};
pub use id::{AccountName, DeliveryId, IdError, OpenId, SceneId};
pub use key::{Claims, Key, KeyError, KeyRing};
pub use lifecycle::{Cause, Opening, Scene, SceneSnapshot, SettleRefusal, Settled, TOMBSTONE_MS};
pub use numbers::{Number, NumberChallenge};
pub use page::{ChosenId, Language, PageInfo};
pub use secret::{Binding, Grant, GrantDigest, GrantSecrets, Rotating, Secret, same};
pub use transition::{Acceptance, SceneField, SceneState, Step, Transition};
