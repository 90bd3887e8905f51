//! A drill's report as text.

use std::fmt;

use super::report::DrillReport;

/// The row of a drill. Lines below it list the reasons of lost logins, the problems that pages met, and failed checks.
pub(super) struct TableRow<'a>(pub(super) &'a DrillReport);

/// The names of the columns.
pub(super) struct TableHeader;

impl fmt::Display for TableHeader {
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

impl fmt::Display for TableRow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DrillReport { name, tally, checks, took } = self.0;
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
            tally.not_told,
            tally.longest_gap.as_secs_f64(),
            tally.p99.as_secs_f64(),
            reconnects,
            took.as_secs_f64(),
        )?;
        for (what, counts) in [("lost because", &tally.lost_because), ("pages were told", &tally.problems)] {
            if !counts.is_empty() {
                let counts: Vec<_> = counts.iter().map(|(code, count)| format!("{code} {count}")).collect();
                write!(f, "\n    {what}: {}", counts.join(", "))?;
            }
        }
        if tally.ended_with_the_data > 0 {
            write!(f, "\n    ended with the data of Redis, before they were redeemed: {}", tally.ended_with_the_data)?;
        }
        for check in checks.iter().filter(|check| !check.holds) {
            write!(f, "\n    NOT SO: {}", check.what)?;
        }
        Ok(())
    }
}

impl fmt::Display for DrillReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TableHeader}\n{}", TableRow(self))
    }
}
