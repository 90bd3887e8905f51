//! Which format a scraper wants, by its `Accept` header.

/// A format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus's text format 0.0.4.
    Text,
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
    /// The same as 0.0.1, which is what old scrapers call it.
    OpenMetricsBefore1,
    /// Prometheus's protobuf, each family after its length.
    Protobuf,
}

impl Format {
    /// The format that is wanted most, or the first of those; text if the header names none of ours. A scraper that can't
    /// read what it gets says so better than we could.
    pub(crate) fn negotiate(accept: &str) -> Self {
        let ranges = accept.split(',').filter_map(MediaRange::parse);
        let wanted =
            ranges.filter(|range| range.quality > 0.0).filter_map(|range| Some((range.format()?, range.quality)));
        let best = wanted.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map_or(Self::Text, |(format, _)| format)
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::OpenMetricsBefore1 => "application/openmetrics-text; version=0.0.1; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }
}

/// One of the things in an `Accept` header.
struct MediaRange<'a> {
    media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    /// 0 to 1.
    quality: f64,
}

impl<'a> MediaRange<'a> {
    /// `None` if its `q` is none.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let named = |part: &'a str| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim(), value.trim().trim_matches('"')))
        };
        let parameters: Vec<_> = parts.filter_map(named).collect();
        let quality = parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case("q"));
        let quality = quality.map_or(Some(1.0), |(_, value)| value.parse().ok())?;
        (0.0..=1.0).contains(&quality).then_some(Self { media_type, parameters, quality })
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// Ours that it stands for. How names are escaped doesn't matter: ours need no escapes.
    fn format(&self) -> Option<Format> {
        match self.media_type.to_ascii_lowercase().as_str() {
            "application/openmetrics-text" => match self.parameter("version") {
                None | Some("1.0.0") => Some(Format::OpenMetrics),
                Some("0.0.1") => Some(Format::OpenMetricsBefore1),
                Some(_) => None,
            },
            "application/vnd.google.protobuf" => {
                let is_ours = self.parameter("proto") == Some("io.prometheus.client.MetricFamily")
                    && self.parameter("encoding") == Some("delimited");
                is_ours.then_some(Format::Protobuf)
            }
            "text/plain" => matches!(self.parameter("version"), None | Some("0.0.4" | "1.0.0")).then_some(Format::Text),
            "text/*" | "*/*" => Some(Format::Text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

    #[test]
    fn a_scraper_gets_what_it_wants_most() {
        let with_protobuf = format!(
            "{PROTOBUF};q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
             text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        );
        for (accept, format) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", Format::Text),
            ("text/plain;version=0.0.4", Format::Text),
            // Prometheus 2.42, then 3.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (&with_protobuf, Format::Protobuf),
            ("application/openmetrics-text; version=0.0.1", Format::OpenMetricsBefore1),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.9, text/plain;q=0.8", Format::OpenMetrics),
            // What we don't have.
            ("application/openmetrics-text;version=2.0.0,text/plain;q=0.5", Format::Text),
            ("application/json", Format::Text),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", Format::Text),
            ("application/vnd.google.protobuf;encoding=delimited", Format::Text),
            // Equal wishes: the first one.
            ("text/plain,application/openmetrics-text", Format::Text),
            ("application/openmetrics-text,text/plain", Format::OpenMetrics),
            // Not wanted, or no number.
            ("application/openmetrics-text;q=0,text/plain;q=0.1", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text;q=nan,text/plain", Format::Text),
            ("application/openmetrics-text;q=-1", Format::Text),
            ("application/openmetrics-text;q=7", Format::Text),
            (",,;;=,q=,;q=1,=;=", Format::Text),
        ] {
            assert_eq!(Format::negotiate(accept), format, "{accept}");
        }
        let huge = "application/openmetrics-text;q=0.5,".repeat(10_000);
        assert_eq!(Format::negotiate(&huge), Format::OpenMetrics);
    }
}
