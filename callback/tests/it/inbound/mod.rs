//! The messages that WeChat delivers.

mod bad_messages;
mod clocks;
mod confirm;
mod encryption;
mod follow;
mod overload;
mod pick_number;
mod proxy;
mod redis_outages;
mod replies;
mod scan;
mod source_addresses;
mod typed_codes;
mod unreadable;
mod verification;
