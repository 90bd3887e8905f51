//! Codes that people type to an account where it has no QR codes: as short as can be typed, and long
//! enough that guessing is of no use.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use futures_util::future::try_join_all;

use super::{Store, StoreError};
use crate::{
    scene::{AccountName, BadId, SceneId, TOMBSTONE_MS},
    time::unix_now,
};

/// A code has at least this many digits.
const SHORTEST: u32 = 8;
/// Longer than any that is issued.
const LONGEST: u32 = 18;
/// Of so many numbers of a code's length one is a code at most.
const NUMBERS_PER_CODE: u64 = 1_000_000;
/// Open codes are counted by the minute.
const MINUTE: Duration = Duration::from_secs(60);
/// Numbers that are tried for a code. One of them is taken about once in 100,000 times.
const DRAWN: usize = 8;

/// A code, as somebody may type it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Code(Arc<str>);

impl FromStr for Code {
    type Err = BadId;

    /// Reads 8 to 18 digits as people type them: with spaces and hyphens, and in full width
    /// (“１２３４ ５６７８”).
    fn from_str(typed: &str) -> Result<Self, BadId> {
        let bad = BadId("a code (8 to 18 digits)");
        let mut digits = String::new();
        for character in typed.chars().filter(|character| !separates(*character)) {
            let digit = match character {
                '０'..='９' => char::from_digit(u32::from(character) - u32::from('０'), 10),
                other => other.is_ascii_digit().then_some(other),
            };
            digits.push(digit.filter(|_| digits.len() < LONGEST as usize).ok_or(bad)?);
        }
        if digits.len() < SHORTEST as usize { Err(bad) } else { Ok(Self(digits.into())) }
    }
}

fn separates(character: char) -> bool {
    character.is_whitespace() || matches!(character, '-' | '－' | '‐'..='—')
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<code of {} digits>", self.0.len())
    }
}

impl Code {
    /// Any number of so many digits.
    fn draw(digits: u32) -> Self {
        let number = rand::random_range(0..10_u64.pow(digits));
        Self(format!("{number:0width$}", width = digits as usize).into())
    }
}

/// How many digits a code needs while so many are open.
fn digits(open: u64) -> u32 {
    let space = u128::from(open) * u128::from(NUMBERS_PER_CODE);
    (SHORTEST..LONGEST).find(|digits| 10_u128.pow(*digits) >= space).unwrap_or(LONGEST)
}

/// The minutes since 1970 in which a code is open that is issued now.
fn minutes(now: Duration, life: Duration) -> impl Iterator<Item = u64> {
    let minute = |at: Duration| at.as_secs() / MINUTE.as_secs();
    minute(now)..=minute(now + life)
}

/// The codes of all accounts. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct Codes(Store);

impl Codes {
    /// In this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// A new code for this scene, to be typed within `life` (some minutes). It is remembered for ten
    /// minutes more, so that who is late is told so, and isn't another scene's until then.
    pub async fn issue(&self, account: &AccountName, scene: SceneId, life: Duration) -> Result<Code, StoreError> {
        let remembered = life + Duration::from_millis(TOMBSTONE_MS);
        // Each code is counted in every minute that it is open in, so the count of this minute is
        // what a guess may find.
        let counts = minutes(unix_now(), life)
            .map(|minute| async move { self.0.count(&format!("codes-open:{account}:{minute}"), remembered).await });
        let open = try_join_all(counts).await?.first().copied().unwrap_or(1);
        for _ in 0..DRAWN {
            let code = Code::draw(digits(open));
            if self.0.claim(&name(account, &code), &scene.to_string(), remembered).await?.is_none() {
                return Ok(code);
            }
        }
        Err(StoreError::Undecided("every number that was drawn is a code already".to_owned()))
    }

    /// The scene that this code is for, also for ten minutes after its life.
    pub async fn find(&self, account: &AccountName, code: &Code) -> Result<Option<SceneId>, StoreError> {
        let scene = self.0.get(&name(account, code)).await?;
        Ok(scene.and_then(|scene| scene.parse().ok()))
    }
}

fn name(account: &AccountName, code: &Code) -> String {
    format!("code:{account}:{code}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        for typed in [
            "12345678",
            " 1234 5678\n",
            "1234-5678",
            "１２３４　５６７８",
            "1234–5678",
            "１２３４－５６７８",
            "12 34 56 78",
        ] {
            assert_eq!(typed.parse::<Code>().unwrap().to_string(), "12345678", "{typed:?}");
        }
        assert_eq!("0000 0000".parse::<Code>().unwrap().to_string(), "00000000", "zeros in front count");
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for typed in ["", "1234567", "1234567a", "+12345678", "١٢٣٤٥٦٧٨", "²2345678", "12345678\u{0}", "登录12345678"]
        {
            assert!(typed.parse::<Code>().is_err(), "{typed:?}");
        }
        assert!("1".repeat(18).parse::<Code>().is_ok());
        assert!("1".repeat(19).parse::<Code>().is_err());
        assert!("1".repeat(60_000).parse::<Code>().is_err());
    }

    #[test]
    fn a_code_is_not_printed_by_accident() {
        assert_eq!(format!("{:?}", "12345678".parse::<Code>().unwrap()), "<code of 8 digits>");
    }

    #[test]
    fn of_a_million_numbers_at_most_one_is_a_code() {
        for (open, expected) in
            [(0, 8), (1, 8), (100, 8), (101, 9), (1_000, 9), (1_001, 10), (1_000_000, 12), (u64::MAX, 18)]
        {
            assert_eq!(digits(open), expected, "{open}");
        }
    }

    #[test]
    fn a_code_is_counted_in_each_minute_in_which_it_may_be_open() {
        let secs = Duration::from_secs;
        assert_eq!(minutes(secs(600), secs(120)).collect::<Vec<_>>(), [10, 11, 12]);
        assert_eq!(minutes(secs(659), secs(1)).collect::<Vec<_>>(), [10, 11]);
        assert_eq!(minutes(secs(600), secs(59)).collect::<Vec<_>>(), [10]);
    }

    #[test]
    fn codes_are_drawn_from_all_numbers_of_their_length() {
        let drawn: Vec<_> = (0..1000).map(|_| Code::draw(8).to_string()).collect();
        assert!(drawn.iter().all(|code| code.len() == 8));
        for digit in '0'..='9' {
            assert!(drawn.iter().any(|code| code.starts_with(digit)), "none of a thousand begins with {digit}");
        }
    }
}
