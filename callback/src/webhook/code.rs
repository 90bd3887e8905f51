//! Somebody types a code. Whether it is wrong, over, or typed too fast after wrong ones sounds the
//! same, so that guessing teaches nothing. Or they scan it: only whoever has the account makes its QR
//! codes, so that is no guess.

use scenecast_shared::{
    store::{Code, Guess},
    time::unix_now,
    wechat::Kind,
};

use super::{
    delivery::{Delivery, Outcome},
    reply::Reply,
    scan::Scanned,
};
use crate::phrase::Phrase;

impl Delivery<'_> {
    /// They typed this code.
    pub(super) async fn type_code(&self, code: &Code) -> Outcome {
        let (result, outcome) = self.find(code).await;
        self.app.counts.typed_codes.with_label_values(&[result]).inc();
        outcome
    }

    /// They scanned a QR code that says this: a page's code, or one of the account's other numbers.
    pub(super) async fn scan_code(&self, code: &Code) -> Outcome {
        match (self.ask(|| self.app.codes.find(&self.account.name, code)).await?.flatten(), &self.message.kind) {
            (Some(scene), _) => self.scan_or_follow(scene).await,
            (None, Kind::Subscribe(_)) => self.follow().await,
            (None, _) => Ok(Reply::Acknowledge),
        }
    }

    /// What became of it, in a word too.
    async fn find(&self, code: &Code) -> (&'static str, Outcome) {
        let (guesses, account, openid, id) = (&self.app.guesses, &self.account.name, self.openid(), self.id());
        let guess = self.ask(|| guesses.guess(account, openid, id, unix_now()));
        let scene = self.ask(|| self.app.codes.find(account, code));
        let (guess, scene) = match tokio::try_join!(guess, scene) {
            Ok((guess, scene)) => (guess, scene.flatten()),
            Err(unfinished) => return ("undecided", Err(unfinished)),
        };
        let scanned = match (guess, scene) {
            (Some(Guess::SlowDown(_)), _) => return ("slowed", Ok(self.say(Phrase::CodeUnknown))),
            (_, None) => return ("unknown", Ok(self.say(Phrase::CodeUnknown))),
            (_, Some(scene)) => self.scan(scene, true).await,
        };
        match scanned {
            Ok(Scanned { reply, .. }) if is_theirs(&reply) => {
                // At worst it stays counted as a wrong one.
                let _ = self.ask(|| guesses.right(account, openid, id)).await;
                ("found", Ok(reply))
            }
            Ok(_) => ("unknown", Ok(self.say(Phrase::CodeUnknown))),
            Err(unfinished) => ("undecided", Err(unfinished)),
        }
    }
}

/// Whether the code brought them to a scene that is theirs now. That somebody else was faster, or that
/// it is over, would tell who guesses that there was one.
fn is_theirs(reply: &Reply) -> bool {
    use Phrase::{AlreadyLoggedIn, Confirm, LoggedIn, PickNumber};
    matches!(reply, Reply::Say { phrase: LoggedIn | AlreadyLoggedIn | Confirm | PickNumber, .. })
}
