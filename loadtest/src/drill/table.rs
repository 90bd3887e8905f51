//! A drill's report as lines of text.

use std::fmt;

use super::Report;

/// One row a drill; what it had to say beside its sums comes below.
pub(super) struct Row<'a>(pub(super) &'a Report);

/// The names of the columns.
pub(super) struct Head;

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<27} {:>8} {:>9} {:>5} {:>5} {:>7} {:>8} {:>7} {:>8} {:>7} {:>7} {:>15} {:>6}",
            "drill",
            "accepted",
            "delivered",
            "late",
            "lost",
            "doubled",
            "mixed up",
            "refused",
            "no reply",
            "gap",
            "p99",
            "reconnects/s",
            "took"
        )
    }
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { name, tally, checks, took } = self.0;
        let reconnects = format!("{:.0} of {:.0}", tally.reconnects.peak, tally.reconnects.mean);
        write!(
            f,
            "{:<27} {:>8} {:>9} {:>5} {:>5} {:>7} {:>8} {:>7} {:>8} {:>5.1} s {:>5.2} s {:>15} {:>4.0} s",
            name,
            tally.accepted,
            tally.delivered,
            tally.late,
            tally.lost,
            tally.doubled,
            tally.mixed_up,
            tally.refused,
            tally.untold,
            tally.longest_gap.as_secs_f64(),
            tally.p99.as_secs_f64(),
            reconnects,
            took.as_secs_f64(),
        )?;
        for (what, counts) in [("lost because", &tally.not_redeemed), ("pages were told", &tally.problems)] {
            if !counts.is_empty() {
                let counts: Vec<_> = counts.iter().map(|(code, count)| format!("{code} {count}")).collect();
                write!(f, "\n    {what}: {}", counts.join(", "))?;
            }
        }
        for check in checks.iter().filter(|check| !check.holds) {
            write!(f, "\n    NOT SO: {}", check.what)?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{Head}\n{}", Row(self))
    }
}
