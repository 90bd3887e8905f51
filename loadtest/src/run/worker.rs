//! A worker of a run: takes its segment from the coordinator's offer, runs it, and reports each second.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    cli::RunCli,
    error::RunError,
    interrupt::{Interrupts, wait_for_signals},
    place::{Place, sources},
    probe::probe,
    reporter::{ORDER_POLL, Orders, Reporter},
    room::check_worker,
    sampler::{OwnProcess, Sampler, Samples},
};
use crate::{
    generator::{GateKeeper, Generator, PhaseGate, RunRecorder, STOPPED_EARLY},
    health::{host_info, raise_descriptor_limit},
    results::ProcessRole,
    targets::PreciseTimer,
    workers::{DescriptorUse, Processors, ProgramVersion, RunOffer, RunStreams, WorkerLog, WorkerNews, WorkerSamples},
};

const SECOND: Duration = Duration::from_secs(1);

/// The part of a worker, once it runs.
struct RunningPart {
    recorder: Arc<RunRecorder>,
    sampler: Sampler,
    gates: GateKeeper,
    log: WorkerLog,
    facts: PartFacts,
}

/// What doesn't change while a worker runs.
struct PartFacts {
    /// The name of its machine.
    host: String,
    /// How many of its pages connect to one address, from one source address.
    pages_per_path: u64,
}

/// Does the part of worker `index`. Returns when the coordinator knows everything.
pub(super) async fn work(cli: &RunCli, index: u32) -> Result<(), RunError> {
    if cli.workers.ends_with_parent {
        end_with_parent()?;
    }
    let Interrupts { stop, at_once } = wait_for_signals(eprint_line)?;
    let url = cli.workers.coordinator.as_deref().unwrap_or_default();
    let streams = RunStreams::open(url, &cli.workers.run_name())?;
    let silent = cli.workers.silent();
    let process = rand::random();
    let answered = Instant::now();
    let mut reporter = Reporter { streams, worker: index, process, sent: 0, answered, has_coordinator: true, silent };
    tokio::select! {
        biased;
        () = at_once.cancelled() => Err(RunError::Interrupted),
        worked = work_for(cli, &mut reporter, &stop) => worked,
    }
}

async fn work_for(cli: &RunCli, reporter: &mut Reporter, stop: &CancellationToken) -> Result<(), RunError> {
    let offer = reporter.offer(cli.workers.within(), stop).await?;
    reporter.silent = Duration::from_secs_f64(offer.silent_seconds);
    match take_part(cli, &offer, reporter, stop).await {
        // Whoever ended the run knows why.
        Err(error) if !matches!(error, RunError::CalledOff(_) | RunError::Absent(_)) => {
            let news = WorkerNews::Refused { host: host_info().name, why: error.to_string() };
            // If it fails, the coordinator misses this worker, and says so.
            let _ = reporter.report(news).await;
            Err(error)
        }
        ended => ended,
    }
}

async fn take_part(
    cli: &RunCli,
    offer: &RunOffer,
    reporter: &mut Reporter,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let (plan, segment) = offer.take(reporter.worker)?;
    // If it fails, the limit is as it is, and the check below says whether that is enough.
    let _ = raise_descriptor_limit();
    let mut place = Place::join(cli).await?;
    let gateways = place.gateways.ready();
    let sources = sources(&gateways, segment.index(), offer.sources);
    let pages_per_path = check_worker(&plan, segment, gateways.len(), sources, offer.is_forced)?;
    let timer = PreciseTimer::start();
    let target = place.target(&plan, offer.people_of(segment.index()), timer.clone());
    probe(&target, &gateways, sources, &plan).await?;
    let target = target.thinking(plan.think_time);
    let clock = reporter.streams.clock_offset().await?;
    let (program, plan_hash) = (ProgramVersion::this(), plan.hash());
    reporter.report(WorkerNews::Ready { program, plan_hash, host: host_info().name, clock }).await?;

    let start = reporter.start(cli.workers.within(), stop).await?;
    sleep(start.saturating_duration_since(Instant::now())).await;
    let late_after = Duration::from_secs_f64(plan.late_after_seconds);
    let recorder = Arc::new(RunRecorder::begin(late_after));
    let own = OwnProcess::new(ProcessRole::Generator, &format!("worker {}", segment.index()));
    let sampler = Sampler::start(recorder.clone(), own)?;
    let (gate, gates) = PhaseGate::kept();
    let generator = Generator::new(target, plan.clone(), segment, sources, timer, recorder.clone(), stop.clone());
    let generator = generator.with_gate(gate).with_page_stages(offer.page_stages.clone());
    let running = tokio::spawn(async move { generator.run().await });
    let facts = PartFacts { host: host_info().name, pages_per_path };
    RunningPart { recorder, sampler, gates, log: WorkerLog::default(), facts }.finish(running, reporter, stop).await
}

impl RunningPart {
    /// Reports each second and follows orders until the generator is done, and then tells the rest.
    async fn finish(
        mut self,
        mut running: JoinHandle<Vec<String>>,
        reporter: &mut Reporter,
        stop: &CancellationToken,
    ) -> Result<(), RunError> {
        let (mut reports, mut looks) = (tokio::time::interval(SECOND), tokio::time::interval(ORDER_POLL));
        let mut stopped_because = None;
        let ended = loop {
            tokio::select! {
                ended = &mut running => break ended,
                _ = reports.tick() => self.report(reporter).await,
                _ = looks.tick() => {
                    let orders = reporter.orders().await;
                    self.follow(&orders, reporter).await;
                    if orders.stop.is_some() {
                        stop.cancel();
                        stopped_because = orders.stop;
                    }
                }
            }
            if !stop.is_cancelled()
                && let Some(why) = reporter.is_alone()
            {
                eprint_line(&format!("{why}: stopping, because nobody learns of this any more"));
                stop.cancel();
            }
        };
        let mut missing = ended.unwrap_or_else(|error| vec![format!("the generator failed: {error}")]);
        // The coordinator says itself why it stopped the run.
        missing.retain(|text| stopped_because.is_none() || text != STOPPED_EARLY);
        let Self { recorder, sampler, gates, log, facts } = self;
        let samples = sampler.finish(&recorder);
        let record = log.new_parts(&recorder.measured(), &worker_samples(&samples, &facts));
        let gate = gates.arrived();
        reporter.report_surely(WorkerNews::Over { record: Box::new(record), gate, missing }).await
    }

    async fn report(&mut self, reporter: &mut Reporter) {
        let measured = self.recorder.measured_so_far(|number, second| self.log.is_new(number, second));
        let record = self.sampler.look(|samples| self.log.new_parts(&measured, &worker_samples(samples, &self.facts)));
        let news = WorkerNews::Measured { record: Box::new(record.clone()), gate: self.gates.arrived() };
        if let Ok(false) = reporter.streams.is_held().await {
            reporter.has_coordinator = false;
        }
        if reporter.report(news).await.is_ok() {
            self.log.sent(&record, &measured);
        }
    }

    async fn follow(&self, orders: &Orders, reporter: &Reporter) {
        for (gate, at_us) in &orders.pass {
            // If the time can't be asked for, a gate that opens at once is better than none.
            if let Ok(at) = reporter.streams.instant_of(*at_us).await {
                sleep(at.saturating_duration_since(Instant::now())).await;
            }
            self.gates.open(*gate);
        }
    }
}

fn worker_samples<'a>(samples: &'a Samples, facts: &PartFacts) -> WorkerSamples<'a> {
    WorkerSamples {
        counts: &samples.seconds,
        process: samples.processes.first().map(|this| &*this.samples).unwrap_or_default(),
        machine: &samples.machine,
        descriptors: DescriptorUse { used: samples.descriptors, limit: samples.descriptors_limit },
        pages_per_path: facts.pages_per_path,
        processors: Processors { host: facts.host.clone(), count: samples.cpus },
    }
}

/// Ends this process with SIGTERM when the one that started it is gone, so that no worker loads a target for nobody.
fn end_with_parent() -> Result<(), RunError> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    let set = set_parent_process_death_signal(Some(Signal::TERM));
    set.map_err(|error| RunError::Process { what: "end with its coordinator", source: error.into() })
}

fn eprint_line(text: &str) {
    use std::io::Write;
    // It fails if stderr is closed. Then nobody reads it.
    let _ = writeln!(std::io::stderr(), "{text}");
}
