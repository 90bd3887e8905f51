//! Numbers with units. Times are in milliseconds, sizes in bytes.

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Milliseconds.
    Time,
    /// Bytes.
    Size,
    /// Anything else: a count, a rate, a ratio.
    Count,
}

/// The units that may be written, and what one is.
const UNITS: [(&str, Quantity, f64); 9] = [
    ("us", Quantity::Time, 1e-3),
    ("µs", Quantity::Time, 1e-3),
    ("ms", Quantity::Time, 1.0),
    ("s", Quantity::Time, 1e3),
    ("KB", Quantity::Size, 1e3),
    ("MB", Quantity::Size, 1e6),
    ("GB", Quantity::Size, 1e9),
    ("B", Quantity::Size, 1.0),
    ("%", Quantity::Count, 0.01),
];

impl Quantity {
    /// What its units are, for an error.
    pub(super) fn units(self) -> &'static str {
        match self {
            Self::Time => "us, ms or s",
            Self::Size => "B, KB, MB or GB",
            Self::Count => "no unit, or %",
        }
    }
}

/// Reads a number with a unit, such as `50ms` or `0.1%`.
pub(super) fn read(text: &str) -> Option<(f64, Quantity)> {
    let with_unit = UNITS.iter().find_map(|(unit, quantity, one)| Some((text.strip_suffix(unit)?, *quantity, *one)));
    let (number, quantity, one) = with_unit.unwrap_or((text, Quantity::Count, 1.0));
    let number: f64 = number.trim_end().parse().ok()?;
    number.is_finite().then_some((number * one, quantity))
}
