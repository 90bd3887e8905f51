//! Reads samples from Prometheus's text format.

use std::{fmt::Debug, str::FromStr};

/// The value of one sample in `text`. `name` is the whole name of the metric, such as `scenecast_scenes_total`; `labels`
/// are all labels of the sample, in any order. `None` if there is no such sample.
///
/// Panics if the value isn't a number. A label's value must not contain a comma.
pub fn metric_value(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let mut wanted: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    wanted.sort_unstable();
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (series_name, series_labels) = match series.split_once('{') {
            Some((series_name, rest)) => (series_name, rest.strip_suffix('}')?),
            None => (series, ""),
        };
        let mut found: Vec<_> = series_labels.split(',').filter(|label| !label.is_empty()).collect();
        found.sort_unstable();
        (series_name == name && found == wanted).then(|| value.parse().expect("a sample's value is a number"))
    })
}

/// The value of one sample in `text`, by its name and labels as the text writes them, such as
/// `scenecast_scenes_total{stage="opened"}`. `None` if there is no such sample.
///
/// Panics if the value isn't of type `T`.
pub fn series_value<T: FromStr<Err: Debug>>(text: &str, series: &str) -> Option<T> {
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(value.parse().expect("a sample's value is of the asked type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP a_total A.\n# TYPE a_total counter\na_total 3\na_total_other 4\n\
                        b{kind=\"x\",why=\"y\"} 0.5\nb{kind=\"x\"} 7\nc{quantile=\"+Inf\"} 1e3\n";

    #[test]
    fn a_sample_is_found_as_the_text_writes_it() {
        assert_eq!(series_value(TEXT, "a_total"), Some(3_u64));
        assert_eq!(series_value(TEXT, "b{kind=\"x\",why=\"y\"}"), Some(0.5));
        assert_eq!(series_value::<u64>(TEXT, "b"), None);
    }

    #[test]
    fn a_sample_is_found_by_its_name_and_all_of_its_labels() {
        for (name, labels, value) in [
            ("a_total", &[][..], Some(3.0)),
            ("b", &[("kind", "x")], Some(7.0)),
            ("b", &[("why", "y"), ("kind", "x")], Some(0.5)),
            ("c", &[("quantile", "+Inf")], Some(1000.0)),
            ("b", &[], None),
            ("b", &[("kind", "y")], None),
            ("a", &[], None),
            ("a_total", &[("kind", "x")], None),
        ] {
            assert_eq!(metric_value(TEXT, name, labels), value, "{name} {labels:?}");
        }
    }
}
