//! One handler for each purpose of a message.
//!
//! | module | purposes |
//! |---|---|
//! | `scan` | a person scans a QR code, or brings a scene by its code |
//! | `typed_code` | a person types a code, or scans a QR code that has one |
//! | `answer` | a person answers whether they want to log in |
//! | `follow` | a person follows or unfollows |
//! | `logged_in` | what comes after the login, whichever message it was |

mod answer;
mod follow;
mod logged_in;
mod scan;
mod typed_code;

use super::{
    delivery::{Delivery, HandlerResult},
    purpose::Purpose,
};
use crate::phone::{Phrase, Reply};

/// Does what the message is for.
pub(super) async fn handle(delivery: &Delivery<'_>) -> HandlerResult {
    match delivery.purpose {
        Purpose::Scan(scene) => follow::scan_or_follow(delivery, *scene).await,
        Purpose::ScanCode(code) => typed_code::scan_code(delivery, code).await,
        Purpose::Code(code) => typed_code::type_code(delivery, code).await,
        Purpose::Answer { answer, scene } => answer::answer(delivery, *answer, *scene).await,
        Purpose::Follow => follow::follow(delivery).await,
        Purpose::Unfollow => follow::unfollow(delivery).await,
        Purpose::Write => Ok(delivery.reply(Phrase::AutoReply)),
        Purpose::Event => Ok(Reply::Acknowledge),
    }
}
