//! All codes that can be scanned: QR codes of Official Accounts, and codes of mini programs' pages.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use scenecast_scene::AccountName;
use sha2::{Digest, Sha256};

use super::{
    page_code::{MiniProgramVersion, PageCodeRequest},
    qr::QrRequest,
};

/// For this long an expired code is told apart from an unknown one.
const REMEMBERED: Duration = Duration::from_secs(600);

#[derive(Debug, Clone)]
pub(crate) struct ScanCode {
    pub(crate) account: AccountName,
    pub(crate) scene: String,
    pub(crate) target: CodeTarget,
    until: Option<Instant>,
}

/// What a code opens when it is scanned.
#[derive(Debug, Clone)]
pub(crate) enum CodeTarget {
    /// The chat with an Official Account. The API identifies the code by its ticket.
    Chat {
        ticket: String,
    },
    Page {
        path: String,
        version: MiniProgramVersion,
    },
}

/// Why a code can't be scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodeLookupError {
    #[error("no such code")]
    Unknown,
    #[error("the code has expired")]
    Expired,
}

/// All codes that can be scanned, and those that expired a short time ago.
#[derive(Debug, Default)]
pub(crate) struct ScanCodes {
    by_id: HashMap<String, ScanCode>,
    by_ticket: HashMap<String, String>,
    sweep_at: usize,
}

impl ScanCodes {
    /// Adds a QR code. Answers its id, which is the end of its address, and its ticket.
    pub(crate) fn add_qr(&mut self, account: AccountName, request: QrRequest, now: Instant) -> (String, String) {
        self.sweep(now);
        let id = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        // Base64 with `_` and `==` as WeChat uses it, so callers have to escape it in a query.
        let ticket = format!("gQ{}", URL_SAFE.encode(rand::random::<[u8; 64]>()));
        let target = CodeTarget::Chat { ticket: ticket.clone() };
        let until = request.life.map(|life| now + life);
        self.by_ticket.insert(ticket.clone(), id.clone());
        self.by_id.insert(id.clone(), ScanCode { account, scene: request.scene, target, until });
        (id, ticket)
    }

    /// Adds the code of a page, and answers its id. The same request gives the same code, which never expires.
    pub(crate) fn add_page(&mut self, account: AccountName, request: PageCodeRequest) -> String {
        let PageCodeRequest { scene, page: path, version, .. } = request;
        let identity = format!("{account}\n{path}\n{version:?}\n{scene}");
        let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(identity)[..16]);
        let code = ScanCode { account, scene, target: CodeTarget::Page { path, version }, until: None };
        self.by_id.insert(id.clone(), code);
        id
    }

    /// The code with this id, if it can be scanned.
    pub(crate) fn find(&self, id: &str, now: Instant) -> Result<ScanCode, CodeLookupError> {
        match self.by_id.get(id) {
            Some(code) if code.until.is_none_or(|until| now < until) => Ok(code.clone()),
            Some(_) => Err(CodeLookupError::Expired),
            None => Err(CodeLookupError::Unknown),
        }
    }

    /// The id of the code with this ticket, if it can be scanned.
    pub(crate) fn id_of(&self, ticket: &str, now: Instant) -> Option<&str> {
        let id = self.by_ticket.get(ticket)?;
        self.find(id, now).ok().map(|_| id.as_str())
    }

    /// Removes old codes each time the number of codes has doubled, so that adding a code stays cheap.
    fn sweep(&mut self, now: Instant) {
        if self.by_id.len() < self.sweep_at {
            return;
        }
        self.by_id.retain(|_, code| code.until.is_none_or(|until| now < until + REMEMBERED));
        let by_id = &self.by_id;
        self.by_ticket.retain(|_, id| by_id.contains_key(id));
        self.sweep_at = (self.by_id.len() * 2).max(1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add_qr(codes: &mut ScanCodes, now: Instant) -> (String, String) {
        let wanted = QrRequest { scene: "abc".to_owned(), life: Some(Duration::from_secs(60)) };
        codes.add_qr("demo".parse().unwrap(), wanted, now)
    }

    #[test]
    fn a_qr_code_can_be_scanned_until_it_expires() {
        let mut codes = ScanCodes::default();
        let now = Instant::now();
        let (id, ticket) = add_qr(&mut codes, now);
        assert_eq!(codes.find(&id, now).unwrap().scene, "abc");
        assert_eq!(codes.id_of(&ticket, now), Some(id.as_str()));
        let end = now + Duration::from_secs(60);
        assert_eq!(codes.find(&id, end).unwrap_err(), CodeLookupError::Expired);
        assert_eq!(codes.id_of(&ticket, end), None);
        assert_eq!(codes.find("made-up", now).unwrap_err(), CodeLookupError::Unknown);
    }

    #[test]
    fn old_codes_do_not_pile_up() {
        let mut codes = ScanCodes::default();
        let start = Instant::now();
        for n in 0..10_000 {
            add_qr(&mut codes, start + Duration::from_secs(n));
        }
        assert!(codes.by_id.len() <= 2048, "{}", codes.by_id.len());
        assert_eq!(codes.by_id.len(), codes.by_ticket.len());
    }

    #[test]
    fn a_pages_code_is_the_same_for_the_same_request_and_never_expires() {
        let mut codes = ScanCodes::default();
        let now = Instant::now();
        let mut make = |scene: &str| {
            let body = format!(r#"{{"scene":"{scene}","page":"pages/a"}}"#);
            let wanted = PageCodeRequest::parse(body.as_bytes(), &["pages/a".to_owned()]).unwrap();
            codes.add_page("mini".parse().unwrap(), wanted)
        };
        let [one, again, other] = [make("a"), make("a"), make("b")];
        assert_eq!(one, again);
        assert_ne!(one, other);
        assert_eq!(codes.find(&one, now + Duration::from_secs(10 * 365 * 24 * 3600)).unwrap().scene, "a");
    }
}
