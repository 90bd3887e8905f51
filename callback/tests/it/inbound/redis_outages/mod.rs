//! Redis is away, slow, frozen or full.

mod away;
mod emptied;
mod slow;
