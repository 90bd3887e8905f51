//! A person types a code. A wrong code, an expired code and a code that was typed too fast get the same reply, so that
//! guessing teaches nothing. A person may also scan a QR code that has a code: only the account's owner makes its QR
//! codes, so a scan is no guess.

use scenecast_scene::time::unix_now;
use scenecast_wechat::MessageKind;

use super::{
    follow::{follow, scan_or_follow},
    scan::{ScanOutcome, scan},
};
use crate::{
    inbound::delivery::{Delivery, HandlerResult},
    phone::{Phrase, Reply},
    stores::{GuessVerdict, TypedCode},
};

/// What became of a typed code.
struct TypedCodeOutcome {
    /// Its word in metrics.
    word: &'static str,
    result: HandlerResult,
}

/// The sender typed this code.
pub(super) async fn type_code(delivery: &Delivery<'_>, code: &TypedCode) -> HandlerResult {
    let TypedCodeOutcome { word, result } = find(delivery, code).await;
    delivery.services.typed_codes.with_label_values(&[word]).inc();
    result
}

/// The sender scanned a QR code that has this number: a page's code, or another number of the account.
pub(super) async fn scan_code(delivery: &Delivery<'_>, code: &TypedCode) -> HandlerResult {
    let found = delivery.ask_store(|| delivery.services.codes.find(&delivery.account.name, code)).await?;
    match (found.flatten(), &delivery.message.kind) {
        (Some(scene), _) => scan_or_follow(delivery, scene).await,
        (None, MessageKind::Subscribe(_)) => follow(delivery).await,
        (None, _) => Ok(Reply::Acknowledge),
    }
}

async fn find(delivery: &Delivery<'_>, code: &TypedCode) -> TypedCodeOutcome {
    let outcome = |word, result| TypedCodeOutcome { word, result };
    let unknown = || Ok(delivery.reply(Phrase::CodeUnknown));
    let services = delivery.services;
    let account = &delivery.account.name;
    let openid = delivery.openid();
    let guess = delivery.ask_store(|| services.guesses.check(account, openid, delivery.id(), unix_now()));
    let scene = delivery.ask_store(|| services.codes.find(account, code));
    let (guess, scene) = match tokio::try_join!(guess, scene) {
        Ok((guess, scene)) => (guess, scene.flatten()),
        Err(unfinished) => return outcome("undecided", Err(unfinished)),
    };
    let scanned = match (guess, scene) {
        (Some(GuessVerdict::SlowDown(_)), _) => return outcome("slowed", unknown()),
        (_, None) => return outcome("unknown", unknown()),
        (_, Some(scene)) => scan(delivery, scene, true).await,
    };
    match scanned {
        Ok(ScanOutcome { reply, .. }) if is_theirs(&reply) => {
            // If this fails, the guess stays counted as a wrong one, and the person may have to wait a little.
            let _ = delivery.ask_store(|| services.guesses.take_back(account, openid, delivery.id())).await;
            outcome("found", Ok(reply))
        }
        Ok(_) => outcome("unknown", unknown()),
        Err(unfinished) => outcome("undecided", Err(unfinished)),
    }
}

/// Whether the reply is about a scene of the sender. A reply that another person was faster, or that the scene has
/// expired, would tell a guesser that the code was a real one.
fn is_theirs(reply: &Reply) -> bool {
    use Phrase::{AlreadyLoggedIn, Confirm, LoggedIn, PickNumber};
    matches!(reply, Reply::Say { phrase: LoggedIn | AlreadyLoggedIn | Confirm | PickNumber, .. })
}
