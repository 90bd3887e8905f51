//! Webhooks: what we tell the site's backend without being asked (a person followed, unfollowed, logged in).
//!
//! ```text
//! publish ──▶ outbox (stores) ──▶ worker ──▶ request, signature ──▶ sender ──▶ the site
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | `settings` | `[accounts.<name>.webhooks]`: where to, in which form, signed with what |
//! | `publisher` | puts an event into the outbox |
//! | `worker` | claims the events of one account and delivers them until the site has them |
//! | `request` | an event as an HTTP request |
//! | `signature` | the signature of Standard Webhooks |
//! | `sender` | makes one attempt |
//!
//! Old and new pods work on one outbox during a rollout, so an old pod may claim an event of a kind that it doesn't
//! know. It leaves such an event for the newer pods. A deploy therefore needs no special order, if all pods are
//! replaced within an hour. After a rollback, events of the newer kinds become dead letters after that hour (cause
//! `unreadable`).

mod publisher;
mod request;
mod sender;
mod settings;
mod signature;
mod worker;

pub use publisher::{UserEvent, WebhookPublisher};
pub use sender::WebhookSender;
pub use settings::{Endpoint, WebhookSettings, WebhookTarget};
pub use signature::{WebhookSecretError, WebhookSigner};
