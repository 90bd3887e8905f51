//! What a run was asked to do, in words.

use super::numbers::{self, counted};
use crate::plan::{Arrivals, FaultSpan, LoginPlan, PhoneSteps, PlannedFault, RateStage};

/// One sentence each, in the order of the run.
pub(super) fn plan_words(plan: &LoginPlan) -> Vec<String> {
    let mut texts = vec![opening(plan)];
    if plan.hold_seconds > 0.0 {
        texts.push(format!("All pages waited {} before the first login.", numbers::duration(plan.hold_seconds)));
    }
    let stages: Vec<String> = plan.rate.0.iter().map(stage).collect();
    if stages.is_empty() {
        texts.push("Nobody logged in.".to_owned());
    } else {
        let spread = match plan.arrivals {
            Arrivals::Uniform => "evenly",
            Arrivals::Poisson => "at random instants, as people come who know nothing of each other",
        };
        texts.push(format!("People logged in {spread}: {}.", stages.join(", then ")));
    }
    texts.push(phone(plan));
    if plan.refill {
        texts.push("A page that had logged in opened the next code, so that there were always as many.".to_owned());
    }
    for (rate, what) in [
        (plan.leaves_per_second, "pages a second were left for good, and others came in their place"),
        (plan.reconnects_per_second, "pages a second lost their connection, and came back at once"),
    ] {
        if rate > 0.0 {
            texts.push(format!("Meanwhile {} {what}.", numbers::rate(rate)));
        }
    }
    if !plan.faults.is_empty() {
        let faults: Vec<String> = plan.faults.iter().map(fault).collect();
        texts.push(format!("Meanwhile this was broken, counted from the first login: {}.", faults.join("; ")));
    }
    texts.push(format!(
        "After the last scan logins had {} to end. A login counted as late {} after its planned instant.",
        numbers::duration(plan.cool_down_seconds),
        numbers::duration(plan.late_after_seconds)
    ));
    texts
}

fn opening(plan: &LoginPlan) -> String {
    let all: u32 = plan.ways.iter().map(|way| way.weight).sum();
    let ways: Vec<String> = plan
        .ways
        .iter()
        .filter(|way| way.weight > 0)
        .map(|way| {
            let share = f64::from(way.weight) / f64::from(all.max(1));
            if way.weight == all {
                format!("all by {}", way.way)
            } else {
                format!("{} by {}", numbers::share(share), way.way)
            }
        })
        .collect();
    format!(
        "{} opened, {} a second ({}).",
        counted(plan.pages.into(), "page", "pages"),
        numbers::rate(plan.opens_per_second),
        ways.join(", ")
    )
}

fn stage(stage: &RateStage) -> String {
    let time = numbers::duration(stage.seconds);
    let (from, to) = (numbers::rate(stage.from), numbers::rate(stage.to));
    if from == to {
        format!("{from} a second for {time}")
    } else {
        format!("from {from} to {to} a second within {time}")
    }
}

fn fault(fault: &PlannedFault) -> String {
    let (what, from) = (fault.words(), numbers::duration(fault.from_seconds));
    match fault.kind.span() {
        FaultSpan::Lasting => {
            format!("{what} after {from}, for {}", numbers::duration(fault.to_seconds - fault.from_seconds))
        }
        FaultSpan::Momentary => format!("{what} after {from}"),
    }
}

fn phone(plan: &LoginPlan) -> String {
    let steps = match plan.phone {
        PhoneSteps::None => return "The scan alone logged in.".to_owned(),
        PhoneSteps::Tap => "Each person scanned, and then tapped yes",
        PhoneSteps::Number => "Each person scanned, and then picked the number that the page showed",
    };
    let (from, to) = (plan.think_time.from, plan.think_time.to);
    if to <= 0.0 {
        return format!("{steps}, at once.");
    }
    format!("{steps}, after {} to {}.", numbers::duration(from), numbers::duration(to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::{RateCurve, ThinkTime, WayIn, WeightedWay},
        report::sample::SampleRun,
    };

    #[test]
    fn a_plan_reads_as_a_story() {
        let plan = SampleRun::default().result().plan;
        assert_eq!(
            plan_words(&plan),
            [
                "10,000 pages opened, 1,000 a second (90 % by websocket, 10 % by sse).",
                "All pages waited 5 s before the first login.",
                "People logged in at random instants, as people come who know nothing of each other: 100 a second for 40 s.",
                "Each person scanned, and then tapped yes, after 0.5 s to 2 s.",
                "A page that had logged in opened the next code, so that there were always as many.",
                "After the last scan logins had 5 s to end. A login counted as late 1 s after its planned instant.",
            ]
        );
    }

    #[test]
    fn other_plans_are_told_as_they_are() {
        let stage = |from, to| RateStage { from, to, seconds: 90.0 };
        let plan = LoginPlan {
            hold_seconds: 0.0,
            rate: RateCurve(vec![stage(0.0, 50.0), stage(50.0, 50.0)]),
            arrivals: Arrivals::Uniform,
            phone: PhoneSteps::Number,
            think_time: ThinkTime { from: 0.0, to: 0.0 },
            ways: vec![WeightedWay { way: WayIn::Poll, weight: 2 }],
            refill: false,
            leaves_per_second: 0.5,
            faults: ["gateway-killed:1@5..8", "redis-emptied@90"].map(|text| text.parse().unwrap()).into(),
            ..SampleRun::default().result().plan
        };
        let text = plan_words(&plan).join("\n");
        for says in [
            "(all by poll)",
            "evenly: from 0 to 50 a second within 1 min 30 s, then 50 a second for 1 min 30 s.",
            "picked the number that the page showed, at once.",
            "counted from the first login: gateway 1 killed after 5 s, for 3 s; Redis killed, and back without its data after 1 min 30 s.",
            "Meanwhile 0.5 pages a second were left for good",
        ] {
            assert!(text.contains(says), "{text}");
        }
        assert!(!text.contains("waited") && !text.contains("next code"), "{text}");
        let idle = LoginPlan { rate: RateCurve::default(), phone: PhoneSteps::None, ..plan };
        assert!(plan_words(&idle).contains(&"Nobody logged in.".to_owned()));
    }
}
