//! Number matching: the page shows a number, and the person picks it among three on the phone.

use std::{fmt, str::FromStr};

use rand::{rng, seq::IndexedRandom, seq::SliceRandom};
use serde::{Deserialize, Serialize};

use crate::id::IdError;

/// A number from 10 to 99.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Number(u8);

impl TryFrom<u8> for Number {
    type Error = IdError;

    fn try_from(number: u8) -> Result<Self, IdError> {
        if (10..=99).contains(&number) { Ok(Self(number)) } else { Err(IdError("a number of two digits")) }
    }
}

impl From<Number> for u8 {
    fn from(number: Number) -> Self {
        number.0
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Number {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse::<u8>().map_err(|_| IdError("a number of two digits"))?.try_into()
    }
}

/// A number to match, and the choices for the phone, in the order in which they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberChallenge {
    /// The number that the page shows.
    pub right: Number,
    /// Three different numbers; `right` is one of them.
    pub choices: [Number; 3],
}

impl NumberChallenge {
    /// Three random numbers, one of them right.
    pub fn random() -> Self {
        let mut rng = rng();
        let all: Vec<u8> = (10..=99).collect();
        let mut choices = [0; 3];
        for (choice, number) in choices.iter_mut().zip(all.sample(&mut rng, 3)) {
            *choice = *number;
        }
        let right = Number(choices[0]);
        choices.shuffle(&mut rng);
        Self { right, choices: choices.map(Number) }
    }

    /// The choices, as they are stored.
    pub(crate) fn choices_text(&self) -> String {
        self.choices.map(|choice| choice.to_string()).join(",")
    }

    /// Reads stored choices.
    pub(crate) fn parse_choices(text: &str) -> Option<[Number; 3]> {
        let choices: Vec<Number> = text.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
        choices.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_challenge_has_three_different_numbers_and_one_is_right() {
        let mut positions = BTreeSet::new();
        for _ in 0..1000 {
            let NumberChallenge { right, choices } = NumberChallenge::random();
            let different: BTreeSet<u8> = choices.iter().map(|choice| choice.0).collect();
            assert_eq!(different.len(), 3);
            assert!(different.iter().all(|number| (10..=99).contains(number)));
            positions.insert(choices.iter().position(|choice| *choice == right).unwrap());
        }
        assert_eq!(positions.len(), 3, "the right number can be at any position");
    }

    #[test]
    fn choices_read_back() {
        let numbers = NumberChallenge::random();
        assert_eq!(NumberChallenge::parse_choices(&numbers.choices_text()), Some(numbers.choices));
        for bad in ["", "12,34", "12,34,5", "12,34,56,78", "12,34,x"] {
            assert_eq!(NumberChallenge::parse_choices(bad), None, "{bad}");
        }
    }
}
