//! What the callback pods share in Redis, beside the scenes. Each store stands on the values and streams of the shared
//! [`Store`](scenecast_bus::Store), and so works over memory and over every Redis layout.
//!
//! | module | what it stores |
//! |---|---|
//! | `access_tokens` | WeChat's access tokens, and which pod refreshes one |
//! | `daily_quota` | how much of a day's quota at WeChat is used |
//! | `kept_codes` | the codes that pages show |
//! | `js_codes` | who sent which `js_code` |
//! | `replay_guard` | with which content a plain-mode signature came |
//! | `users` | the records of people |
//! | `record_forecast` | whether the people who log in now have one; in this pod only |
//! | `pending_questions` | about which scene a person was asked last |
//! | `typed_codes`, `guess_limiter` | codes that people type, and how fast a person may guess them |
//! | `outbox`, `retry_backoff` | webhook events until the sites have them, and the pauses between attempts |

mod access_tokens;
mod daily_quota;
mod guess_limiter;
mod js_codes;
mod kept_codes;
mod outbox;
mod pending_questions;
mod record_forecast;
mod replay_guard;
mod retry_backoff;
mod typed_codes;
mod users;

use scenecast_bus::StoredNames;

pub use access_tokens::{RefreshLease, StoredToken, TokenStore};
pub use daily_quota::{CALLS_IN_BATCH, DailyQuota};
pub use guess_limiter::{GuessLimiter, GuessVerdict};
pub use js_codes::{JsCodeLookup, JsCodeSender, JsCodes, SessionRefusal};
pub use kept_codes::{KeptCode, KeptCodes, MakingLease};
pub use outbox::{
    ClaimedEvent, Outbox, OutboxCapacity, PutOutcome, ROLLOUT, SweepCursor, WebhookEvent, WebhookEventKind,
};
pub use pending_questions::{AnswerMatch, NewQuestion, PendingQuestion, PendingQuestions};
pub use record_forecast::RecordForecast;
pub use replay_guard::{ReplayGuard, ReplayVerdict, SignedContent};
pub use retry_backoff::RetryBackoff;
pub use typed_codes::{IssueCodeError, TypedCode, TypedCodeError, TypedCodes};
pub use users::{FollowState, StoredUser, User, Users, WechatProfile};

/// What is before the first colon in the names of all that callbacks keep in Redis. Each has to be in
/// `deploy/redis/users.acl`.
pub const STORED_NAMES: StoredNames<'static> = StoredNames {
    values: &[
        "token",
        "token-lease",
        "replay",
        "budget",
        "js-code",
        "kept-code",
        "user",
        "pending",
        "code",
        "codes-open",
        "guess",
    ],
    streams: &["outbox", "outbox-dead"],
};
