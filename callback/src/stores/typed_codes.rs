//! Codes that people type to an account that has no QR codes: short enough to type, and too long to guess.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use scenecast_bus::{Store, StoreError};
use scenecast_scene::{AccountName, SceneId, TOMBSTONE_MS, time::unix_now};

use crate::visible_text::meant;

const SHORTEST: u32 = 8;
const LONGEST: u32 = 18;
/// At most one in so many numbers of a code's length is a code.
const NUMBERS_PER_CODE: u64 = 1_000_000;
/// Open codes are counted for each minute.
const MINUTE: Duration = Duration::from_secs(60);
/// How many random numbers are tried for one code. A number is taken already about once in a million times.
const ATTEMPTS: usize = 8;

/// A code as people may type it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TypedCode(Arc<str>);

/// The text isn't a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a code (8 to 18 digits)")]
pub struct TypedCodeError;

impl FromStr for TypedCode {
    type Err = TypedCodeError;

    /// Reads 8 to 18 digits as people type them: with spaces and hyphens, in full width (“１２３４ ５６７８”), and with quotes
    /// or the end of a sentence around them.
    fn from_str(typed: &str) -> Result<Self, TypedCodeError> {
        let mut digits = String::new();
        for character in meant(typed).chars().filter(|character| !is_separator(*character)) {
            let digit = match character {
                '０'..='９' => char::from_digit(u32::from(character) - u32::from('０'), 10),
                other => other.is_ascii_digit().then_some(other),
            };
            digits.push(digit.filter(|_| digits.len() < LONGEST as usize).ok_or(TypedCodeError)?);
        }
        if digits.len() < SHORTEST as usize { Err(TypedCodeError) } else { Ok(Self(digits.into())) }
    }
}

fn is_separator(character: char) -> bool {
    character.is_whitespace() || matches!(character, '-' | '－' | '‐'..='—')
}

impl fmt::Display for TypedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TypedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<code of {} digits>", self.0.len())
    }
}

impl TypedCode {
    /// A random number of so many digits.
    fn random(digits: u32) -> Self {
        let number = rand::random_range(0..10_u64.pow(digits));
        Self(format!("{number:0width$}", width = digits as usize).into())
    }
}

/// How many digits a code needs while so many codes are open.
fn digits(open: u64) -> u32 {
    let space = u128::from(open) * u128::from(NUMBERS_PER_CODE);
    (SHORTEST..LONGEST).find(|digits| 10_u128.pow(*digits) >= space).unwrap_or(LONGEST)
}

/// The minutes since 1970 in which a code that is issued now is open.
fn minutes(now: Duration, life: Duration) -> impl Iterator<Item = u64> {
    let minute = |at: Duration| at.as_secs() / MINUTE.as_secs();
    minute(now)..=minute(now + life)
}

/// Why no code was issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueCodeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another code has each of the numbers that were tried. The next attempt tries other numbers.
    #[error("each of {ATTEMPTS} random numbers is a code already")]
    NoFreeNumber,
}

/// The codes of all accounts. Clones share the codes.
#[derive(Debug, Clone)]
pub struct TypedCodes(Store);

impl TypedCodes {
    /// The codes in this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Issues a code for this scene, to be typed within `life` (some minutes). The code is kept for ten minutes more:
    /// until then a person who types it too late gets the reply that it has expired, and no other scene gets the code.
    pub async fn issue(
        &self,
        account: &AccountName,
        scene: SceneId,
        life: Duration,
    ) -> Result<TypedCode, IssueCodeError> {
        let kept = life + Duration::from_millis(TOMBSTONE_MS);
        // A code is counted in every minute in which it is open. So this minute's count is the number of codes that a
        // guess may hit now.
        let counts = minutes(unix_now(), life)
            .map(|minute| async move { self.0.count(&format!("codes-open:{account}:{minute}"), kept).await });
        let open = try_join_all(counts).await?.first().copied().unwrap_or(1);
        for _ in 0..ATTEMPTS {
            let code = TypedCode::random(digits(open));
            if self.0.put_if_absent(&key(account, &code), &scene.to_string(), kept).await?.is_none() {
                return Ok(code);
            }
        }
        Err(IssueCodeError::NoFreeNumber)
    }

    /// Makes sure that a code that was issued for this scene still finds it, for `life` if Redis lost it: it may be at
    /// another server than what its page shows. Returns false if another scene has got it meanwhile.
    pub async fn restore(
        &self,
        account: &AccountName,
        code: &TypedCode,
        scene: SceneId,
        life: Duration,
    ) -> Result<bool, StoreError> {
        let kept = life + Duration::from_millis(TOMBSTONE_MS);
        Ok(self.0.put_if_absent(&key(account, code), &scene.to_string(), kept).await?.is_none())
    }

    /// The scene of this code, also in the ten minutes after the code's life.
    pub async fn find(&self, account: &AccountName, code: &TypedCode) -> Result<Option<SceneId>, StoreError> {
        let scene = self.0.find(&key(account, code)).await?;
        Ok(scene.and_then(|scene| scene.parse().ok()))
    }
}

fn key(account: &AccountName, code: &TypedCode) -> String {
    format!("code:{account}:{code}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_with_spaces_hyphens_and_full_width_digits() {
        for typed in [
            "12345678",
            " 1234 5678\n",
            "1234-5678",
            "１２３４　５６７８",
            "1234–5678",
            "１２３４－５６７８",
            "12 34 56 78",
        ] {
            assert_eq!(typed.parse::<TypedCode>().unwrap().to_string(), "12345678", "{typed:?}");
        }
        assert_eq!("0000 0000".parse::<TypedCode>().unwrap().to_string(), "00000000", "leading zeros count");
    }

    #[test]
    fn a_code_is_read_with_what_a_keyboard_or_a_copy_adds() {
        for typed in
            ["12345678。", "“1234 5678”", "1234\u{200b}5678", "\u{feff}12345678\u{200e}", "『１２３４５６７８』！"]
        {
            assert_eq!(typed.parse::<TypedCode>().unwrap().to_string(), "12345678", "{typed:?}");
        }
        for typed in ["12345678?", "1234。5678", "1,234,567.89", "192.168.1.100", "12345678]]>"] {
            assert!(typed.parse::<TypedCode>().is_err(), "{typed:?}");
        }
    }

    #[test]
    fn a_text_that_is_not_8_to_18_digits_is_no_code() {
        for typed in ["", "1234567", "1234567a", "+12345678", "١٢٣٤٥٦٧٨", "²2345678", "登录12345678"] {
            assert!(typed.parse::<TypedCode>().is_err(), "{typed:?}");
        }
        assert!("1".repeat(18).parse::<TypedCode>().is_ok());
        assert!("1".repeat(19).parse::<TypedCode>().is_err());
        assert!("1".repeat(60_000).parse::<TypedCode>().is_err());
    }

    #[test]
    fn a_code_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", "12345678".parse::<TypedCode>().unwrap()), "<code of 8 digits>");
    }

    #[test]
    fn at_most_one_in_a_million_numbers_is_a_code() {
        for (open, expected) in
            [(0, 8), (1, 8), (100, 8), (101, 9), (1_000, 9), (1_001, 10), (1_000_000, 12), (u64::MAX, 18)]
        {
            assert_eq!(digits(open), expected, "{open}");
        }
    }

    #[test]
    fn a_code_is_counted_in_each_minute_in_which_it_is_open() {
        let secs = Duration::from_secs;
        assert_eq!(minutes(secs(600), secs(120)).collect::<Vec<_>>(), [10, 11, 12]);
        assert_eq!(minutes(secs(659), secs(1)).collect::<Vec<_>>(), [10, 11]);
        assert_eq!(minutes(secs(600), secs(59)).collect::<Vec<_>>(), [10]);
    }

    #[test]
    fn codes_are_random_numbers_of_their_length() {
        let codes: Vec<_> = (0..1000).map(|_| TypedCode::random(8).to_string()).collect();
        assert!(codes.iter().all(|code| code.len() == 8));
        for digit in '0'..='9' {
            assert!(codes.iter().any(|code| code.starts_with(digit)), "none of a thousand begins with {digit}");
        }
    }
}
