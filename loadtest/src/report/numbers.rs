//! Numbers as people read them.

use time::{OffsetDateTime, macros::format_description};

pub(crate) use crate::units::to_f64 as float;

/// A number rounded to three digits, without zeros at its end, and with a comma at every thousand: `1,234`, `0.81`.
pub(crate) fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.0995 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { with_commas(text) }
}

/// A count with a comma at every thousand.
pub(crate) fn count(value: u64) -> String {
    with_commas(&value.to_string())
}

fn with_commas(number: &str) -> String {
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, rest)| (whole, Some(rest)));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut text = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    fraction.map_or(text.clone(), |fraction| format!("{text}.{fraction}"))
}

/// A rate, or another count that may have a fraction: `2,000`, `1,999.6`.
pub(crate) fn rate(value: f64) -> String {
    let text = format!("{value:.1}");
    if value < 10.0 { digits(value) } else { with_commas(text.strip_suffix(".0").unwrap_or(&text)) }
}

/// Milliseconds: `0.81 ms`, `48.1 ms`, `1.23 s`.
pub(crate) fn millis(value: f64) -> String {
    if value >= 1000.0 { format!("{} s", digits(value / 1000.0)) } else { format!("{} ms", digits(value)) }
}

/// A measured value of a threshold: in milliseconds, if its text names a time.
pub(crate) fn measured(value: Option<f64>, threshold: &str) -> String {
    let limit = threshold.rsplit(['<', '>', '=']).next().unwrap_or_default().trim();
    let is_time = limit.starts_with(|first: char| first.is_ascii_digit()) && limit.ends_with('s');
    match value {
        None => "nothing".to_owned(),
        Some(value) if is_time => millis(value),
        Some(value) => digits(value),
    }
}

/// Microseconds: `464 µs`, `1.2 ms`.
pub(crate) fn micros(value: f64) -> String {
    if value >= 1000.0 { millis(value / 1000.0) } else { format!("{} µs", digits(value)) }
}

/// A part of a whole, from 0 to 1: `99.98 %`. It is `100 %` only where nothing is missing.
pub(crate) fn share(value: f64) -> String {
    let percent = value * 100.0;
    let rounded = format!("{percent:.2}");
    match rounded.as_str() {
        "100.00" if value < 1.0 => "over 99.99 %".to_owned(),
        "0.00" if value > 0.0 => "under 0.01 %".to_owned(),
        _ => format!("{} %", rounded.trim_end_matches('0').trim_end_matches('.')),
    }
}

/// Bytes, in units of 1,024: `5.9 KiB`.
pub(crate) fn bytes(value: f64) -> String {
    let mut amount = value;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if amount.abs() < 1023.5 {
            break;
        }
        amount /= 1024.0;
        unit = larger;
    }
    format!("{} {unit}", digits(amount))
}

/// How long something took: `8.5 s`, `1 min 30 s`, `2 h 5 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{} s", digits(seconds));
    }
    let minutes = (seconds / 60.0).floor();
    let (whole, rest, units) = if minutes < 60.0 {
        (minutes, (seconds - minutes * 60.0).floor(), ["min", "s"])
    } else {
        ((minutes / 60.0).floor(), minutes % 60.0, ["h", "min"])
    };
    let first = format!("{} {}", digits(whole), units[0]);
    if rest == 0.0 { first } else { format!("{first} {rest:.0} {}", units[1]) }
}

/// A moment in UTC: `2026-11-30 13:53 UTC`. A moment that no calendar has is `at an unknown time`.
pub(crate) fn moment(unix_ms: u64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let seconds = i64::try_from(unix_ms / 1000).unwrap_or(i64::MAX);
    let moment = OffsetDateTime::from_unix_timestamp(seconds).ok().filter(|_| unix_ms > 0);
    moment.and_then(|moment| moment.format(format).ok()).unwrap_or_else(|| "at an unknown time".to_owned())
}

/// The word for one or for several, with its number: `1 login`, `2 logins`.
pub(crate) fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_a_unit_that_fits() {
        let times = [0.0, 0.0042, 0.812, 7.624, 48.13, 99.96, 999.4, 1000.0, 12_345.0];
        let texts = times.map(millis);
        let expected = ["0 ms", "0.004 ms", "0.81 ms", "7.62 ms", "48.1 ms", "100 ms", "999 ms", "1 s", "12.3 s"];
        assert_eq!(texts, expected);
        assert_eq!([464.0, 1234.0].map(micros), ["464 µs", "1.23 ms"]);
    }

    #[test]
    fn the_measured_value_of_a_threshold_has_its_unit() {
        for (threshold, is) in [
            ("response.p99 < 50ms", "4.52 ms"),
            ("open.max<=2 s", "4.52 ms"),
            ("lost == 0", "4.52"),
            ("logins", "4.52"),
        ] {
            assert_eq!(measured(Some(4.52), threshold), is, "{threshold}");
        }
        assert_eq!(measured(None, "lost == 0"), "nothing");
    }

    #[test]
    fn counts_and_rates_have_commas() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, 0.05, 9.96, 2000.0, 1999.64, -1234.0].map(rate)[..5],
            ["0", "0.05", "9.96", "2,000", "1,999.6"]
        );
        assert_eq!([-1234.0, -0.0001].map(digits), ["-1,234", "0"]);
        assert_eq!([1, 2].map(|number| counted(number, "login", "logins")), ["1 login", "2 logins"]);
    }

    #[test]
    fn a_share_is_everything_only_where_nothing_is_missing() {
        assert_eq!(
            [0.0, 1e-9, 0.5, 0.9998, 1.0 - 1e-9, 1.0].map(share),
            ["0 %", "under 0.01 %", "50 %", "99.98 %", "over 99.99 %", "100 %"]
        );
    }

    #[test]
    fn amounts_and_times_take_the_largest_unit_that_fits() {
        assert_eq!([0.0, 1000.0, 1023.9, 6042.0, 3.2e9].map(bytes), ["0 B", "1,000 B", "1 KiB", "5.9 KiB", "2.98 GiB"]);
        assert_eq!(
            [8.54, 60.0, 90.9, 3600.0, 7500.0].map(duration),
            ["8.54 s", "1 min", "1 min 30 s", "1 h", "2 h 5 min"]
        );
    }

    #[test]
    fn a_moment_is_in_utc_and_nonsense_breaks_nothing() {
        assert_eq!(moment(1_796_046_819_000), "2026-11-30 13:53 UTC");
        assert_eq!([0, u64::MAX].map(moment), ["at an unknown time", "at an unknown time"]);
    }
}
