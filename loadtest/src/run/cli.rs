//! The arguments of `scenecast-loadtest run`, and the plan that they say.

use std::{net::Ipv4Addr, path::PathBuf};

use clap::Args;

use super::{
    cluster_options::ClusterOptions,
    peer_options::PeerOptions,
    plan_texts::{StagesText, ThinkText, WaysText},
    worker_options::WorkerOptions,
};
use crate::{
    plan::{Arrivals, LoginPlan, PageStages, PhoneSteps, PlanError, PlannedFault, RateCurve, WayIn, WeightedWay},
    thresholds::Threshold,
};

/// Arguments of `scenecast-loadtest run`.
#[derive(Debug, Args)]
pub struct RunCli {
    #[command(flatten)]
    pub(super) cluster: ClusterOptions,
    #[command(flatten)]
    pub(super) peer: PeerOptions,
    #[command(flatten)]
    pub(super) workers: WorkerOptions,
    #[command(flatten)]
    plan: PlanOptions,
    /// Fail with exit code 99 if this doesn't hold, for example "response.p99 < 50ms"; may be given several times
    #[arg(long = "threshold", value_name = "TEXT")]
    pub(super) thresholds: Vec<Threshold>,
    /// The same, from a file
    #[arg(long = "thresholds", value_name = "FILE")]
    pub(super) threshold_file: Option<PathBuf>,
    /// The directory for result.json, result.hlog, report.html and the logs of workers and an own cluster; made if it is missing
    #[arg(long, value_name = "DIRECTORY", default_value = "loadtest-result")]
    pub(super) out: PathBuf,
    /// Run although something would run out
    #[arg(long)]
    pub(super) force: bool,
    /// Only say what the run needs of this machine, and whether it has that: exit code 0 or 2
    #[arg(long)]
    pub(super) preflight: bool,
}

#[derive(Debug, Args)]
struct PlanOptions {
    /// How many pages are open at a time
    #[arg(long, default_value_t = 1000)]
    pages: u32,
    /// How many pages open a second, before people log in
    #[arg(long, value_name = "PER_SECOND", default_value_t = 500.0)]
    opens: f64,
    /// Open pages in stages: so many are open at the end of each, as in 10000,50000; the last stage has all --pages. Where a
    /// stage fails, the run ends
    #[arg(long, value_name = "PAGES", value_delimiter = ',')]
    page_stages: Vec<u32>,
    /// How long the pages of a stage wait before the next one, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    stage_hold: f64,
    /// How long all pages wait before the first login, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    hold: f64,
    /// How many people log in a second
    #[arg(long, value_name = "PER_SECOND", default_value_t = 100.0)]
    rate: f64,
    /// For how long people log in, in seconds
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 30.0)]
    seconds: f64,
    /// In place of --rate and --for: stages such as 10s:0-500,60s:500,5s:500-0, each with its time and its logins a second
    #[arg(long, value_name = "STAGES", conflicts_with_all = ["rate", "seconds"])]
    stages: Option<StagesText>,
    /// How logins are spread
    #[arg(long, default_value = "poisson")]
    arrivals: Arrivals,
    /// What people do on their phones. It has to be the account's setting `confirmation`
    #[arg(long, default_value = "none")]
    confirmation: PhoneSteps,
    /// How long people think before they confirm, in seconds: one number, or two as in 1-5
    #[arg(long, value_name = "SECONDS", default_value = "1-3")]
    think: ThinkText,
    /// How pages are reached, with weights: for example websocket=8,sse=1,poll=1. Pages of compatible routes are path-socket,
    /// client-id, typed-code, qr-on-open and ticket
    #[arg(long, value_name = "WEIGHTS", default_value = "websocket=1")]
    transports: WaysText,
    /// Open the next scene after each login. By default only if there are more logins than pages
    #[arg(long, conflicts_with = "no_refill")]
    refill: bool,
    /// Don't open another scene after a login
    #[arg(long)]
    no_refill: bool,
    /// How many pages a second are left, while people log in. Others open in their place
    #[arg(long, value_name = "PER_SECOND", default_value_t = 0.0)]
    leaves: f64,
    /// How many pages a second lose their connection and come back, while people log in
    #[arg(long, value_name = "PER_SECOND", default_value_t = 0.0)]
    reconnects: f64,
    /// A login is late if its page learns of it this many milliseconds after its planned instant
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1000.0)]
    late: f64,
    /// How long a login may take before it counts as lost, in seconds: 20 by default, and longer by the longest fault
    #[arg(long, value_name = "SECONDS")]
    cool_down: Option<f64>,
    /// Of how many redeemed grants in a hundred it is tried whether they can be redeemed again, which has to be refused; with
    /// --fault all are tried at the end, unless it is 0
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    redeem_again: f64,
    /// Break something of the own cluster while people log in, such as gateway-killed@10..15 or redis-emptied@10: seconds
    /// since people began to log in; may be given several times. With a number it is that pod: gateway-killed:1@10..15
    #[arg(long = "fault", value_name = "KIND@SECONDS", conflicts_with = "target")]
    faults: Vec<PlannedFault>,
    /// What random choices begin with. The same seed gives the same instants
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl PlanOptions {
    /// In a fault logins wait until it is mended.
    fn usual_cool_down(&self) -> f64 {
        let longest = self.faults.iter().map(|fault| fault.to_seconds - fault.from_seconds).fold(0.0, f64::max);
        COOL_DOWN + longest.clamp(0.0, 1e5)
    }
}

impl RunCli {
    /// The plan that the arguments say.
    pub(super) fn plan(&self) -> Result<LoginPlan, PlanError> {
        let options = &self.plan;
        let rate = match &options.stages {
            Some(stages) => stages.0.clone(),
            None => RateCurve::constant(options.rate, options.seconds),
        };
        let plan = LoginPlan {
            seed: options.seed,
            pages: options.pages,
            opens_per_second: options.opens,
            hold_seconds: options.hold,
            refill: !options.no_refill
                && (options.refill || most_logins(&rate, options.arrivals) > f64::from(options.pages)),
            rate,
            arrivals: options.arrivals,
            cool_down_seconds: options.cool_down.unwrap_or_else(|| options.usual_cool_down()),
            phone: options.confirmation,
            think_time: options.think.0,
            ways: options.transports.0.clone(),
            leaves_per_second: options.leaves,
            reconnects_per_second: options.reconnects,
            late_after_seconds: options.late / 1000.0,
            redeemed_again_percent: options.redeem_again,
            faults: options.faults.clone(),
        };
        plan.validate()?;
        let needs_own = |way: &&WeightedWay| matches!(way.way, WayIn::ClientIdSocket | WayIn::QrOnOpen);
        if let (Some(_), Some(way)) = (&self.cluster.target, plan.ways.iter().find(needs_own)) {
            return Err(PlanError::new("ways", format!("{} needs an own cluster, without --target", way.way)));
        }
        for fault in &plan.faults {
            self.cluster.check_fault(fault)?;
        }
        Ok(plan)
    }

    /// The stages of the ramp.
    pub(super) fn page_stages(&self) -> Result<PageStages, PlanError> {
        let PlanOptions { page_stages, stage_hold, pages, .. } = &self.plan;
        PageStages::new(page_stages, *stage_hold, *pages)
    }

    /// Whether pages of this address come from several source addresses.
    pub(super) fn has_sources(address: std::net::IpAddr) -> bool {
        address.is_loopback() && address != std::net::IpAddr::from(Ipv4Addr::UNSPECIFIED)
    }
}

/// How long a login may take, in seconds.
const COOL_DOWN: f64 = 20.0;

/// How many logins there may be. Of random arrivals there are more than four standard deviations too many once in 30,000 runs.
fn most_logins(rate: &RateCurve, arrivals: Arrivals) -> f64 {
    match arrivals {
        Arrivals::Uniform => rate.logins(),
        Arrivals::Poisson => rate.logins() + 4.0 * rate.logins().sqrt(),
    }
}

/// What these arguments of `run` say, separated by blanks; or what is wrong with them.
#[cfg(test)]
pub(super) fn parsed(arguments: &str) -> Result<RunCli, String> {
    let command = RunCli::augment_args(clap::Command::new("run").no_binary_name(true));
    let matches = command.try_get_matches_from(arguments.split_whitespace()).map_err(|error| error.to_string())?;
    clap::FromArgMatches::from_arg_matches(&matches).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ThinkTime;

    fn plan(arguments: &str) -> Result<LoginPlan, String> {
        let run = parsed(arguments)?;
        let plan = run.plan().map_err(|error| error.to_string())?;
        run.page_stages().map(|_| plan).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_say_a_plan() {
        let usual = plan("").unwrap();
        assert_eq!((usual.pages, usual.refill, usual.rate.logins()), (1000, true, 3000.0));
        let staged = plan("--stages 10s:0-500,60s:500 --pages 60000 --think 2 --transports sse=2,poll").unwrap();
        assert_eq!((staged.rate.logins(), staged.refill, staged.ways.len()), (32_500.0, false, 2));
        assert_eq!(staged.think_time, ThinkTime { from: 2.0, to: 2.0 });
        assert!(plan("--refill --pages 10 --rate 1 --for 1").unwrap().refill);
        // A hundred random arrivals may be 140.
        let refill = |arguments| plan(arguments).unwrap().refill;
        assert!(refill("--pages 139 --rate 10 --for 10") && !refill("--pages 140 --rate 10 --for 10"));
        assert!(!refill("--pages 100 --rate 10 --for 10 --arrivals uniform"));
        let broken = plan("--fault redis-killed@1..8 --gateways 2 --fault gateway-restarted:1@5").unwrap();
        assert_eq!((broken.faults.len(), broken.cool_down_seconds, usual.cool_down_seconds), (2, 27.0, 20.0));
    }

    #[test]
    fn arguments_that_say_no_plan_are_refused_with_what_is_wrong() {
        for (arguments, says) in [
            ("--stages 10:5", "10:5\" is no stage"),
            ("--stages 10s", "is no stage"),
            ("--stages 10s:5 --rate 7", "cannot be used with"),
            ("--think x", "one number of seconds"),
            ("--think 3-1", "think_time"),
            ("--transports carrier-pigeon", "transports are websocket, sse, poll, path-socket, client-id, typed-code"),
            ("--transports websocket=0", "ways: "),
            ("--transports ticket --confirmation number", "a page by ticket has no place to show a number"),
            ("--target t.toml --transports client-id", "client-id needs an own cluster"),
            ("--rate nan", "rate: "),
            ("--pages 0", "pages: "),
            ("--redeem-again 101", "redeemed_again_percent: "),
            ("--page-stages 10,5", "page-stages: "),
            ("--page-stages 1000", "below the 1000 pages"),
            ("--page-stages 10,x", "invalid value 'x'"),
            ("--no-refill --pages 10", "3000 logins need as many pages"),
            ("--threshold x", "has no <"),
            ("--threshold response.p99<5", "takes us, ms or s"),
            ("--fault gateway-eaten@1..2", "faults are gateway-killed"),
            ("--fault gateway-killed:1@1..2", "gateway-killed:1@1..2: there are 1"),
            ("--fault redis-partitioned@1..2", "redis-partitioned@1..2 needs --redis cluster or sentinel"),
            ("--redis cluster --fault redis-emptied@1", "redis-emptied@1 needs --redis single"),
            ("--redis sentinel --fault redis-slow@1..2", "needs --redis single"),
            ("--for 5 --fault gateway-killed@5..6", "begins outside of the load, which takes 5 s"),
            ("--target t.toml --fault redis-killed@1..2", "cannot be used with"),
            ("--peer pusher", "peers are nchan, ws, socket-io, centrifugo"),
            ("--peer scenecast", "peers are nchan"),
            ("--peer nchan --gateways 2", "cannot be used with"),
            ("--peer nchan --confirmation tap", "cannot be used with"),
            ("--peer nchan --transports sse", "cannot be used with"),
            ("--peer nchan --fault redis-killed@1..2", "cannot be used with"),
            ("--peer-at 127.0.0.1:1,127.0.0.1:2", "--peer"),
            ("--peer ws --peer-at 127.0.0.1:1", "has to be two addresses"),
            ("--gateways 0", "--gateways"),
            ("--target t.toml --gateways 2", "cannot be used with"),
        ] {
            let refused = plan(arguments).unwrap_err();
            assert!(refused.contains(says), "{arguments}: {refused}");
        }
    }
}
