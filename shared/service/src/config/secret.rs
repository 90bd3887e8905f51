//! Rules for the secrets that an operator chooses: none is weak, and none serves two purposes. No I/O.
//!
//! See docs/decisions/056-a-setting-is-refused-or-warned-of.md.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use scenecast_scene::{Rotating, Secret};
use serde::{Deserialize, de};

use super::error::{ConfigError, ConfigWarning};

/// Shorter secrets can be guessed.
const MIN_BYTES: usize = 16;
/// A random secret of the shortest length has more different characters than this, but for one in a million.
const MIN_DIFFERENT_BYTES: usize = 6;

/// Deserializes a secret that the operator chose, with its previous value while it is changed. Refuses fewer than 16
/// bytes, and fewer than 6 different ones, because such secrets can be guessed.
pub fn strong_secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Rotating, D::Error> {
    let secret: Rotating = Rotating::deserialize(from)?;
    if secret.any(|secret| secret.bytes().len() < MIN_BYTES) {
        return Err(de::Error::custom("a secret must have at least 16 characters"));
    }
    let different = |secret: &Secret| secret.bytes().iter().collect::<BTreeSet<_>>().len();
    if secret.any(|secret| different(secret) < MIN_DIFFERENT_BYTES) {
        return Err(de::Error::custom("a secret must have at least 6 different characters; take a random one"));
    }
    Ok(secret)
}

/// The secrets of a configuration with the places where they are set. Who knows a secret that serves two purposes can
/// do both, and it can't be changed for one alone.
#[derive(Debug, Default)]
pub struct SecretUses<'a>(Vec<SecretUse<'a>>);

#[derive(Debug)]
struct SecretUse<'a> {
    place: String,
    secret: &'a Secret,
    /// Two such uses may share a secret. The operator is warned.
    may_be_shared: bool,
    is_previous: bool,
}

/// Two uses of the same secret.
struct SharedSecret<'a> {
    first: &'a SecretUse<'a>,
    second: &'a SecretUse<'a>,
}

impl<'a> SecretUses<'a> {
    /// Adds a secret that no other use may have.
    pub fn add(&mut self, place: impl Display, secrets: &'a Rotating) {
        self.add_rotating(place, secrets, false);
    }

    /// Adds a secret that other uses which are added in this way may have, too.
    pub fn add_shareable(&mut self, place: impl Display, secrets: &'a Rotating) {
        self.add_rotating(place, secrets, true);
    }

    /// Adds a secret that isn't rotated, as [`Self::add_shareable`] does.
    pub fn add_fixed(&mut self, place: impl Display, secret: &'a Secret) {
        self.0.push(SecretUse { place: place.to_string(), secret, may_be_shared: true, is_previous: false });
    }

    fn add_rotating(&mut self, place: impl Display, secrets: &'a Rotating, may_be_shared: bool) {
        let previous = secrets.previous.as_ref().map(|secret| (secret, true));
        for (secret, is_previous) in std::iter::once((&secrets.current, false)).chain(previous) {
            self.0.push(SecretUse { place: place.to_string(), secret, may_be_shared, is_previous });
        }
    }

    /// Refuses each secret that is used twice. What is being rotated away is allowed, because that is how two uses
    /// get secrets of their own without downtime.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refused = self.shared().filter(SharedSecret::is_refused);
        ConfigError::all(refused.map(|shared| Err(ConfigError::at(&shared.second.place, shared.problem()))))
    }

    /// Refuses the setting at `place` if it `holds` any of these secrets. One that is rotated away is allowed.
    pub fn check_not_in(&self, place: impl Display, holds: impl Fn(&Secret) -> bool) -> Result<(), ConfigError> {
        let held = self.0.iter().filter(|it| !it.is_previous && holds(it.secret));
        ConfigError::all(held.map(|it| {
            Err(ConfigError::at(&place, format_args!("has the secret of {}, too; each needs its own", it.place)))
        }))
    }

    /// The secrets that are used twice and not refused.
    pub fn warnings(&self) -> Vec<ConfigWarning> {
        let tolerated = self.shared().filter(|shared| !shared.is_refused());
        tolerated.map(|shared| ConfigWarning::at(&shared.second.place, shared.problem())).collect()
    }

    /// Each use of a secret that was used before. The current secrets come first.
    fn shared(&self) -> impl Iterator<Item = SharedSecret<'_>> {
        let current = self.0.iter().filter(|it| !it.is_previous);
        let previous = self.0.iter().filter(|it| it.is_previous);
        let mut seen = BTreeMap::new();
        current.chain(previous).filter_map(move |second| {
            let first = *seen.entry(second.secret.bytes()).or_insert(second);
            (!std::ptr::eq(first, second)).then_some(SharedSecret { first, second })
        })
    }
}

impl SharedSecret<'_> {
    fn is_refused(&self) -> bool {
        let is_rotated_away = self.first.is_previous || self.second.is_previous;
        let may_be_shared = self.first.may_be_shared && self.second.may_be_shared;
        !is_rotated_away && !may_be_shared
    }

    fn problem(&self) -> String {
        let Self { first, second } = self;
        match (second.is_previous, first.place == second.place) {
            (true, true) => "the previous secret is the current one, so nothing is rotated".to_owned(),
            (true, false) => format!("the previous secret is one of {}, too; remove it soon", first.place),
            (false, _) => format!("is the secret of {}, too; each needs its own", first.place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotating(current: &str, previous: Option<&str>) -> Rotating {
        Rotating { current: current.into(), previous: previous.map(Into::into) }
    }

    /// What is refused, and what is warned of.
    fn checked(uses: &SecretUses<'_>) -> (Option<String>, Vec<String>) {
        let refused = uses.check().err().map(|error| error.to_string());
        (refused, uses.warnings().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_secret_that_serves_two_purposes_is_refused() {
        let (one, other) = (rotating("one", Some("older")), rotating("other", None));
        let mut uses = SecretUses::default();
        uses.add("key_secret", &one);
        uses.add("internal_secret", &other);
        assert_eq!(checked(&uses), (None, vec![]));
        uses.add("api_keys.shop.key", &one);
        let refused = uses.check().unwrap_err().to_string();
        assert_eq!(refused, "api_keys.shop.key: is the secret of key_secret, too; each needs its own");
    }

    #[test]
    fn each_secret_that_serves_two_purposes_is_named() {
        let (one, other) = (rotating("one", None), rotating("other", None));
        let mut uses = SecretUses::default();
        for (place, secret) in [("a", &one), ("b", &other), ("c", &one), ("d", &other), ("e", &one)] {
            uses.add(place, secret);
        }
        let texts = |checked: Result<(), ConfigError>| checked.unwrap_err().texts();
        let own = |place: &str, other: &str| format!("{place}: is the secret of {other}, too; each needs its own");
        assert_eq!(texts(uses.check()), [own("c", "a"), own("d", "b"), own("e", "a")]);
        let held = texts(uses.check_not_in("bus.url", |secret| secret.text() == "other"));
        assert!(
            matches!(&*held, [b, d] if b.contains("the secret of b,") && d.contains("the secret of d,")),
            "{held:?}"
        );
    }

    #[test]
    fn a_secret_that_is_rotated_away_is_warned_of() {
        let (one, other) = (rotating("new", Some("old")), rotating("old", None));
        let mut uses = SecretUses::default();
        uses.add("key_secret", &one);
        uses.add("internal_secret", &other);
        let warning = "key_secret: the previous secret is one of internal_secret, too; remove it soon";
        assert_eq!(checked(&uses), (None, vec![warning.to_owned()]));
    }

    #[test]
    fn a_rotation_to_the_same_secret_is_warned_of() {
        let same = rotating("same", Some("same"));
        let mut uses = SecretUses::default();
        uses.add("key_secret", &same);
        let warning = "key_secret: the previous secret is the current one, so nothing is rotated";
        assert_eq!(checked(&uses), (None, vec![warning.to_owned()]));
    }

    #[test]
    fn accounts_may_share_what_wechat_lets_them_share_and_nothing_else() {
        let (token, key, secret) = (rotating("token", None), rotating("key", None), Secret::from("secret"));
        let mut uses = SecretUses::default();
        uses.add("api_keys.shop.key", &key);
        uses.add_fixed("accounts.a.secret", &secret);
        uses.add_shareable("accounts.a.token", &token);
        uses.add_shareable("accounts.b.token", &token);
        let warning = "accounts.b.token: is the secret of accounts.a.token, too; each needs its own";
        assert_eq!(checked(&uses), (None, vec![warning.to_owned()]));
        let key = Secret::from("key");
        uses.add_fixed("accounts.b.secret", &key);
        assert!(uses.check().unwrap_err().to_string().starts_with("accounts.b.secret: is the secret of api_keys.shop"));
    }

    #[test]
    fn a_secret_within_another_setting_is_refused_unless_it_is_rotated_away() {
        let one = rotating("new", Some("old"));
        let mut uses = SecretUses::default();
        uses.add("key_secret", &one);
        let check = |password: &str| uses.check_not_in("bus.url", |secret| secret.text() == password);
        let refused = check("new").unwrap_err().to_string();
        assert_eq!(refused, "bus.url: has the secret of key_secret, too; each needs its own");
        assert!(check("old").is_ok() && check("other").is_ok());
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused() {
        let read = |text: &str| strong_secret(de::value::StrDeserializer::<de::value::Error>::new(text));
        for text in ["", "too short", "0000000000000000", "abababababababababab", "hush-hush-hush-hush"] {
            assert!(read(text).is_err(), "{text}");
        }
        for text in ["0123456789abcdef", "api-key-of-the-shop"] {
            assert!(read(text).is_ok(), "{text}");
        }
    }
}
