//! A comparison as a table in Markdown, with everything that a reader needs to judge or repeat it.

use std::fmt;

use strum::VariantArray;
use time::{OffsetDateTime, macros::format_description};

use super::comparison::{ContestantResult, Figure, PeerComparison, Spread};

/// More than this share of the machine was used by others: its times mean little.
const BUSY_SHARE: f64 = 0.1;

/// Writes a comparison as Markdown.
pub struct Markdown<'a>(pub &'a PeerComparison);

impl fmt::Display for Markdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(comparison) = self;
        write_table(f, comparison)?;
        write_conditions(f, comparison)
    }
}

fn write_table(f: &mut fmt::Formatter<'_>, comparison: &PeerComparison) -> fmt::Result {
    write!(f, "| {} sockets, then {} a second |", comparison.load.sockets, comparison.load.rate)?;
    for figure in Figure::VARIANTS {
        write!(f, " {} |", heading(*figure))?;
    }
    writeln!(f, "\n|---|{}", "---|".repeat(Figure::VARIANTS.len()))?;
    for result in &comparison.contestants {
        write!(f, "| {} |", result.contestant.title())?;
        for figure in Figure::VARIANTS {
            write!(f, " {} |", cell(result, *figure))?;
        }
        writeln!(f)?;
    }
    write!(f, "| Scenecast ÷ the best peer |")?;
    for figure in Figure::VARIANTS {
        match comparison.ratio_to_best_peer(*figure) {
            Some(ratio) => write!(f, " {ratio:.2} × |")?,
            None => write!(f, " – |")?,
        }
    }
    writeln!(f)
}

fn write_conditions(f: &mut fmt::Formatter<'_>, comparison: &PeerComparison) -> fmt::Result {
    let PeerComparison { tool, host, load, .. } = comparison;
    writeln!(f, "\n{}\n", comparison.fairness)?;
    if !comparison.is_complete {
        writeln!(f, "- **Incomplete: it was interrupted.**")?;
    }
    writeln!(
        f,
        "- Measured on {} by scenecast-loadtest {} ({}), on {}: {}, {} cores{}.",
        date(comparison.began_unix_ms),
        tool.version,
        tool.build,
        host.system,
        if host.cpu_model.is_empty() { "unknown processor" } else { &host.cpu_model },
        host.cpus,
        if comparison.busy_share_before > BUSY_SHARE {
            format!("; **others used {:.0} % of them just before**", comparison.busy_share_before * 100.0)
        } else {
            String::new()
        },
    )?;
    if !tool.arguments.is_empty() {
        writeln!(f, "- Command: `scenecast-loadtest {}`", tool.arguments.join(" "))?;
    }
    writeln!(
        f,
        "- Each was measured {}: {} sockets opened at {} a second, then {} a second for {} s, \
         open loop, timed from the planned instant; {} bytes a message. The table has medians, and the range in brackets. \
         CPU is that of all processes under test, from the kernel.",
        times(load.rounds),
        load.sockets,
        load.opens_per_second,
        load.rate,
        load.seconds,
        load.payload_bytes,
    )?;
    if comparison.contestants.iter().any(|result| result.capacity.is_some()) {
        writeln!(
            f,
            "- Capacity is the highest rate with p99 ≤ {} ms and nothing lost, found by a search.",
            load.capacity_p99_ms
        )?;
    }
    for result in &comparison.contestants {
        let settings: Vec<_> = result.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
        writeln!(f, "- {} ({}): {}", result.contestant.title(), result.version, settings.join("; "))?;
        write_doubts(f, result)?;
    }
    for absent in &comparison.absent {
        writeln!(f, "- **{} is missing**: {}", absent.contestant.title(), absent.why)?;
    }
    Ok(())
}

/// What speaks against a contestant's figures.
fn write_doubts(f: &mut fmt::Formatter<'_>, result: &ContestantResult) -> fmt::Result {
    let sum = |count: fn(&super::comparison::ComparisonSample) -> u64| result.samples.iter().map(count).sum::<u64>();
    let lost = sum(|sample| sample.planned.saturating_sub(sample.delivered));
    let failed = sum(|sample| sample.failed_opens);
    if lost > 0 {
        writeln!(f, "  - **{lost} of {} never reached their page**", sum(|sample| sample.planned))?;
    }
    let gone = sum(|sample| sample.lost);
    if gone > 0 {
        writeln!(f, "  - **{gone} were accepted, and lost**")?;
    }
    if failed > 0 {
        writeln!(f, "  - **pages could not open {failed} times, and tried again**")?;
    }
    let limited = result.samples.iter().filter(|sample| sample.is_generator_limited).count();
    if limited > 0 {
        writeln!(
            f,
            "  - the generator was the limit in {limited} of {} runs: its times count as too long",
            result.samples.len()
        )?;
    }
    let Some(capacity) = result.capacity else { return Ok(()) };
    if capacity.lost > 0 {
        writeln!(f, "  - **{} were accepted, and lost, while its capacity was searched for**", capacity.lost)?;
    }
    if capacity.is_generator_limited {
        writeln!(f, "  - the generator was the limit at a rate that failed: it might take more")?;
    }
    Ok(())
}

fn heading(figure: Figure) -> &'static str {
    match figure {
        Figure::BytesPerPage => "memory a socket, KB",
        Figure::CpuPerPush => "CPU a push or login, µs",
        Figure::P50 => "p50, ms",
        Figure::P99 => "p99, ms",
        Figure::CpuPerOpen => "CPU a connect, µs",
        Figure::Capacity => "capacity, a second",
    }
}

fn cell(result: &ContestantResult, figure: Figure) -> String {
    let Some(spread) = result.spread(figure) else {
        return if result.capacity.is_some() { "none".to_owned() } else { "–".to_owned() };
    };
    match figure {
        Figure::BytesPerPage => range(spread, 1e-3, 1),
        Figure::CpuPerPush | Figure::CpuPerOpen => range(spread, 1.0, 0),
        Figure::P50 | Figure::P99 => range(spread, 1.0, 2),
        Figure::Capacity => {
            let at_least =
                if result.capacity.is_some_and(|capacity| capacity.is_cut_off || capacity.is_generator_limited) {
                    "≥ "
                } else {
                    ""
                };
            format!("{at_least}{:.0}", spread.median)
        }
    }
}

fn times(rounds: u32) -> String {
    if rounds == 1 { "once".to_owned() } else { format!("{rounds} times, in the order A-B-B-A") }
}

/// The median, and the range if it is one.
fn range(Spread { least, median, most }: Spread, unit: f64, digits: usize) -> String {
    let [least, median, most] = [least, median, most].map(|value| format!("{:.digits$}", value * unit));
    if least == most { median } else { format!("{median} ({least}–{most})") }
}

fn date(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1000).unwrap_or(i64::MAX);
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok().and_then(|time| time.format(format).ok());
    time.unwrap_or_else(|| "an unknown date".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::sample;

    #[test]
    fn the_table_has_medians_ranges_ratios_and_all_conditions() {
        let text = Markdown(&sample::comparison()).to_string();
        for expected in [
            "| Scenecast, safe mode | 2.6 (2.3–2.9) | 440 (396–484) | 0.80 | 8.00 | 440 (396–484) | 6000 |",
            "| Scenecast ÷ the best peer | 0.50 × | 2.00 × | 4.00 × | 4.00 × | 2.00 × | 0.75 × |",
            "Peers check no signature",
            "2026-11-30",
            "scenecast-loadtest 0.2.0 (release), on Linux 6.1",
            "2 cores.",
            "200 bytes a message",
            "- Nchan (1.2.3): workers 1",
            "- **Centrifugo is missing**: go is not installed",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        // Nothing speaks against these figures.
        assert!(!text.contains("never reached") && !text.contains("others used"), "{text}");
    }

    #[test]
    fn what_speaks_against_a_figure_is_said_beside_it() {
        let mut comparison = sample::comparison();
        comparison.busy_share_before = 0.5;
        comparison.is_complete = false;
        comparison.tool.arguments = vec!["peers".to_owned(), "--rounds".to_owned(), "2".to_owned()];
        let ours = &mut comparison.contestants[0];
        ours.samples[0].delivered = 9_990;
        ours.samples[0].lost = 2;
        ours.samples[1].failed_opens = 3;
        ours.samples[1].is_generator_limited = true;
        ours.capacity = None;
        comparison.load.rounds = 1;
        let text = Markdown(&comparison).to_string();
        for expected in [
            "**10 of 20000 never reached their page**",
            "**pages could not open 3 times, and tried again**",
            "**2 were accepted, and lost**",
            "**Incomplete: it was interrupted.**",
            "the generator was the limit in 1 of 2 runs",
            "**others used 50 % of them just before**",
            "- Command: `scenecast-loadtest peers --rounds 2`",
            "| – |",
            "- Each was measured once: 19000 sockets",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }
}
