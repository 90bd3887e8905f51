//! The callback as others meet it: over HTTP, with the simulator as WeChat, over the memory bus and
//! a real Redis.

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod bad_messages;
mod confirm;
mod crowded;
mod encrypted;
mod handles;
mod hostile;
mod hostile_mini_program;
mod independent;
mod late_redis;
mod logs;
mod lost_login;
mod mini_program;
mod mini_program_page;
mod news;
mod open;
mod pick_number;
mod process;
mod redeem;
mod refusals;
mod reload;
mod replies;
mod scan;
mod sealing;
mod site;
mod slow_redis;
mod sources;
mod token;
mod typed_codes;
mod users;
mod verification;
mod webhooks;
mod webhooks_of_bad_sites;
mod world;
