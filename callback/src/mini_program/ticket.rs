//! A ticket ties the answer to the scan: the phone gets it with the scan and sends it with the answer. It has the
//! scene, the mini program, its expiry, and a MAC that also covers the person, who isn't in the ticket. Any pod checks
//! it, once it knows from the scene who the person is. No I/O.

use std::{fmt, str::FromStr, time::Duration};

use scenecast_scene::{AccountName, OpenId, Rotating, SceneId, Secret, constant_time_eq};

/// The text isn't a ticket of ours, or the ticket is another person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this ticket was not issued here, or it was issued to another person")]
pub(super) struct TicketError;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) mini_program: AccountName,
    pub(super) scene: SceneId,
    /// In unix seconds.
    expires: u64,
    mac: String,
}

impl Ticket {
    /// Issues a ticket to the person who has just scanned this scene. `expires` is a unix time.
    pub(super) fn issue(
        secrets: &Rotating,
        mini_program: &AccountName,
        scene: SceneId,
        who: &OpenId,
        expires: Duration,
    ) -> Self {
        let expires = expires.as_secs();
        let mac = mac(&secrets.current, mini_program, scene, expires, who);
        Self { mini_program: mini_program.clone(), scene, expires, mac }
    }

    /// Checks that the ticket was issued here, to this person.
    pub(super) fn check(&self, secrets: &Rotating, who: &OpenId) -> Result<(), TicketError> {
        let issued = |secret: &Secret| {
            let mac = mac(secret, &self.mini_program, self.scene, self.expires, who);
            constant_time_eq(mac.as_bytes(), self.mac.as_bytes())
        };
        if secrets.any(issued) { Ok(()) } else { Err(TicketError) }
    }

    /// Whether the ticket has expired at this unix time.
    pub(super) fn has_expired(&self, now: Duration) -> bool {
        now.as_secs() >= self.expires
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mini_program, scene, expires, mac } = self;
        write!(f, "{mini_program}.{scene}.{expires}.{mac}")
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        let mut parts = text.splitn(4, '.');
        let mut part = || parts.next().ok_or(TicketError);
        Ok(Self {
            mini_program: part()?.parse().map_err(|_| TicketError)?,
            scene: part()?.parse().map_err(|_| TicketError)?,
            expires: part()?.parse().map_err(|_| TicketError)?,
            mac: part()?.to_owned(),
        })
    }
}

fn mac(secret: &Secret, mini_program: &AccountName, scene: SceneId, expires: u64, who: &OpenId) -> String {
    let scene = scene.to_string();
    let expires = expires.to_be_bytes();
    let parts =
        [b"miniapp ticket", mini_program.as_str().as_bytes(), scene.as_bytes(), &expires, who.as_str().as_bytes()];
    hex::encode(secret.mac(&parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: Duration = Duration::from_secs(1_800_000_000);

    fn who(name: &str) -> OpenId {
        name.parse().unwrap()
    }

    fn anns() -> Ticket {
        let scene = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        Ticket::issue(
            &Rotating::fixed("secret"),
            &"mini".parse().unwrap(),
            scene,
            &who("oAnn-with-a-long-openid"),
            ENDS,
        )
    }

    fn check(ticket: &Ticket, secret: &str, name: &str) -> Result<(), TicketError> {
        ticket.check(&Rotating { current: "new".into(), previous: Some(secret.into()) }, &who(name))
    }

    #[test]
    fn a_ticket_is_read_back_and_valid_for_its_person_also_after_a_rotation() {
        let read: Ticket = anns().to_string().parse().unwrap();
        assert_eq!(check(&read, "secret", "oAnn-with-a-long-openid"), Ok(()));
        assert_eq!(check(&read, "secret", "oBob"), Err(TicketError));
        assert_eq!(check(&read, "another", "oAnn-with-a-long-openid"), Err(TicketError));
    }

    #[test]
    fn a_ticket_does_not_contain_the_openid() {
        assert!(!anns().to_string().contains("oAnn"));
    }

    #[test]
    fn a_changed_ticket_is_refused() {
        for (from, to) in
            [("mini.", "other."), (".AAAA", ".AQAA"), ("1800000000", "1800000001"), ("1800000000", "01800000000")]
        {
            let text = anns().to_string();
            assert!(text.contains(from));
            let changed: Ticket = text.replacen(from, to, 1).parse().unwrap();
            let same = changed == anns();
            assert_eq!(check(&changed, "secret", "oAnn-with-a-long-openid").is_ok(), same, "{to}");
        }
    }

    #[test]
    fn a_ticket_expires() {
        assert!(!anns().has_expired(ENDS.saturating_sub(Duration::from_millis(1))));
        assert!(anns().has_expired(ENDS));
    }

    #[test]
    fn a_text_of_another_form_is_no_ticket() {
        for text in ["", "mini", "...", "mini.AAAAAAAAAAAAAAAAAAAAAA.1800000000", "Mini.AAAAAAAAAAAAAAAAAAAAAA.1.x"] {
            assert!(text.parse::<Ticket>().is_err(), "{text}");
        }
    }
}
