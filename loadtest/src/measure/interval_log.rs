//! The standard log of histograms (`HdrHistogram`'s interval log, version 1.3). Its values are nanoseconds, as its readers
//! expect, and the column of the longest time is in milliseconds.

use std::{
    io,
    time::{Duration, SystemTime},
};

use hdrhistogram::serialization::{V2DeflateSerializer, interval_log};

use super::latency::Latency;

/// One line of the log.
#[derive(Debug, Clone, Copy)]
pub struct IntervalEntry<'a> {
    /// What was timed, such as `response`. Without commas, blanks and line breaks.
    pub tag: &'a str,
    /// When the interval began, since the run's start.
    pub start: Duration,
    pub length: Duration,
    pub times: &'a Latency,
}

/// Writes the log of a run that began at this time.
pub fn write_interval_log<'a>(
    to: &mut impl io::Write,
    began: SystemTime,
    entries: impl IntoIterator<Item = IntervalEntry<'a>>,
) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut log = interval_log::IntervalLogWriterBuilder::new();
    log.add_comment("[Logged with scenecast-loadtest]").with_start_time(began).with_max_value_divisor(1e6);
    let mut log = log.begin_log_with(to, &mut serializer)?;
    for IntervalEntry { tag, start, length, times } in entries {
        let tag = interval_log::Tag::new(tag);
        log.write_histogram(times.histogram(), start, length, tag).map_err(io::Error::other)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;

    #[test]
    fn other_readers_of_the_format_read_what_we_write() {
        let mut response = Latency::default();
        response.record(Duration::from_millis(12));
        let entry = |start| IntervalEntry {
            tag: "response",
            start: Duration::from_secs(start),
            length: Duration::from_secs(1),
            times: &response,
        };
        let mut log = vec![];
        write_interval_log(&mut log, SystemTime::UNIX_EPOCH, [entry(0), entry(1)]).unwrap();
        let mut intervals = vec![];
        for line in IntervalLogIterator::new(&log) {
            if let LogEntry::Interval(interval) = line.unwrap() {
                let times = Latency::decode(interval.encoded_histogram()).unwrap();
                assert_eq!((times.count(), interval.tag().unwrap().as_str()), (1, "response"));
                assert!((interval.max() - 12.0).abs() < 0.1, "milliseconds: {}", interval.max());
                intervals.push(interval.start_timestamp().as_secs());
            }
        }
        assert_eq!(intervals, [0, 1]);
    }
}
