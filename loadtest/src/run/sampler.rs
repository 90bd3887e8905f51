//! Looks at processes and counts each second, and whenever a phase changes.

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::RunError;
use crate::{
    generator::{LiveCounts, RunRecorder},
    health::{MachineTimes, ProcessReading, descriptors, host_info, machine_times, process_usage},
    plan::Phase,
    results::{ProcessRole, ProcessSample, ProcessSeries},
};

const SECOND: Duration = Duration::from_secs(1);

/// What this process is in a run, and what of its children are nothing of the run's.
#[derive(Debug, Clone)]
pub(super) struct OwnProcess {
    pub(super) role: ProcessRole,
    pub(super) name: String,
    /// Ids of children that are not sampled.
    pub(super) ignored: Vec<u32>,
    /// What the children with these ids are: role and name. Of others the command line says it.
    pub(super) known: Vec<(ProcessRole, String, u32)>,
}

/// What was sampled so far.
#[derive(Debug, Default, Clone)]
pub(super) struct Samples {
    pub(super) processes: Vec<ProcessSeries>,
    /// The counts at the end of each second.
    pub(super) seconds: Vec<LiveCounts>,
    /// What the machine had done at each change of phase: since the run's start, and the phase that began.
    pub(super) machine: Vec<(Phase, MachineTimes)>,
    /// The most descriptors that this process had open.
    pub(super) descriptors: u64,
    /// How many it may have.
    pub(super) descriptors_limit: u64,
    /// How many processors the generator may use.
    pub(super) cpus: u32,
}

/// Samples a run on a thread of its own, since reading of hundreds of processes would hold up logins. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Sampler {
    samples: Arc<Mutex<Samples>>,
    own: Arc<OwnProcess>,
    _stop: DropGuard,
}

impl Sampler {
    /// Samples this process, and those that it has started.
    pub(super) fn start(recorder: Arc<RunRecorder>, own: OwnProcess) -> Result<Self, RunError> {
        let own = Arc::new(own);
        let samples =
            Arc::new(Mutex::new(Samples { processes: watched(&own), cpus: host_info().cpus, ..Samples::default() }));
        let stop = CancellationToken::new();
        let sampling = sample(recorder, samples.clone(), own.clone());
        let sampling = stop.child_token().run_until_cancelled_owned(sampling);
        let failed = |source| RunError::Process { what: "start the thread that watches processes", source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let thread = thread::Builder::new().name("sampler".to_owned());
        thread.spawn(move || runtime.block_on(sampling)).map_err(failed)?;
        Ok(Self { samples, own, _stop: stop.drop_guard() })
    }

    /// Looks at what was sampled so far.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Samples) -> T) -> T {
        look(&self.samples.lock())
    }

    /// Takes a last sample of the processes, and answers everything.
    pub(super) fn finish(self, recorder: &RunRecorder) -> Samples {
        let mut samples = self.samples.lock();
        samples.sample_processes(recorder.began(), &self.own);
        // The last second is not whole.
        samples.seconds.push(recorder.counts());
        let (phase, times) = (Phase::CoolDown, machine_times());
        samples.machine.push((phase, times));
        std::mem::take(&mut *samples)
    }
}

async fn sample(recorder: Arc<RunRecorder>, samples: Arc<Mutex<Samples>>, own: Arc<OwnProcess>) {
    let began = recorder.began();
    let mut phase_changes = recorder.phase_changes();
    let mut second = tokio::time::Instant::from_std(began);
    samples.lock().sample_processes(began, &own);
    loop {
        let next = second + SECOND;
        tokio::select! {
            () = tokio::time::sleep_until(next) => {
                second = next;
                let counts = recorder.counts();
                let mut samples = samples.lock();
                samples.seconds.push(counts);
                samples.sample_processes(began, &own);
            }
            Ok(()) = phase_changes.changed() => {
                let times = machine_times();
                let phase = recorder.look(|recorded| recorded.windows.last().map(|window| window.phase));
                let mut samples = samples.lock();
                samples.machine.push((phase.unwrap_or(Phase::Ramp), times));
                samples.sample_processes(began, &own);
            }
        }
    }
}

impl OwnProcess {
    /// The generator of a run without workers, and what is known of its children: role, name and process id.
    pub(super) fn generator(known: Vec<(ProcessRole, String, u32)>) -> Self {
        Self { known, ..Self::new(ProcessRole::Generator, "generator") }
    }

    /// This process has this role and name.
    pub(super) fn new(role: ProcessRole, name: &str) -> Self {
        Self { role, name: name.to_owned(), ignored: vec![], known: vec![] }
    }
}

impl Samples {
    fn sample_processes(&mut self, began: Instant, own: &OwnProcess) {
        let mut is_gone = false;
        for series in &mut self.processes {
            // A process that is gone has no more samples.
            match sample_of(series.pid, began) {
                Some(sample) => series.samples.push(sample),
                None => is_gone = true,
            }
        }
        if is_gone {
            self.watch_successors(began, own);
        }
        let (used, limit) = descriptors();
        self.descriptors = self.descriptors.max(used);
        self.descriptors_limit = limit;
    }
}

impl Samples {
    /// Samples the processes that have come in the place of others, too.
    fn watch_successors(&mut self, began: Instant, own: &OwnProcess) {
        for mut series in watched(own) {
            if self.processes.iter().any(|known| known.pid == series.pid) {
                continue;
            }
            let before = self.processes.iter().filter(|known| is_of(known, &series.name)).count();
            // A command that somebody gives to Redis is no server.
            if before == 0 {
                continue;
            }
            series.name = format!("{}, start {}", series.name, before + 1);
            series.samples.extend(sample_of(series.pid, began));
            self.processes.push(series);
        }
    }
}

/// Whether this process, or one in whose place it has come, had this name.
fn is_of(series: &ProcessSeries, name: &str) -> bool {
    series.name.split(", start ").next() == Some(name)
}

fn sample_of(pid: u32, began: Instant) -> Option<ProcessSample> {
    let ProcessReading { cpu_seconds, rss_bytes, descriptors } = process_usage(pid).ok()?;
    Some(ProcessSample { at_seconds: began.elapsed().as_secs_f64(), cpu_seconds, rss_bytes, descriptors })
}

/// This process, and those that it has started.
fn watched(own: &OwnProcess) -> Vec<ProcessSeries> {
    let this = std::process::id();
    let series = |role, name: &str, pid| ProcessSeries { role, name: name.to_owned(), pid, samples: vec![] };
    let mut watched = vec![series(own.role, &own.name, this)];
    for process in procfs::process::all_processes().into_iter().flatten().flatten() {
        let is_child = process.stat().is_ok_and(|stat| u32::try_from(stat.ppid) == Ok(this));
        let (Ok(pid), Ok(command), true) = (u32::try_from(process.pid), process.cmdline(), is_child) else { continue };
        if own.ignored.contains(&pid) || own.known.iter().any(|(.., known)| *known == pid) {
            continue;
        }
        let (role, name) = role_of(&command);
        watched.push(series(role, &name, pid));
    }
    watched.extend(own.known.iter().map(|(role, name, pid)| series(*role, name, *pid)));
    watched.sort_by(|one, other| (one.role, &one.name).cmp(&(other.role, &other.name)));
    watched
}

/// What a process is, and its name, by its command line.
fn role_of(command: &[String]) -> (ProcessRole, String) {
    let program = command.first().map(String::as_str).unwrap_or_default();
    // Our processes are told apart by the number at the end of their configuration's name.
    let config = command.last().and_then(|path| Path::new(path).file_stem()?.to_str()).unwrap_or_default();
    let number = config.rsplit('-').next().unwrap_or_default();
    if program.ends_with("scenecast-gateway") {
        (ProcessRole::Gateway, format!("gateway {number}"))
    } else if program.ends_with("scenecast-callback") {
        (ProcessRole::Callback, format!("callback {number}"))
    } else if program.contains("redis-") {
        let port = program.rsplit(':').next().unwrap_or_default();
        (ProcessRole::Redis, format!("redis {}", port.trim_end_matches(" [cluster]")))
    } else {
        (ProcessRole::Peer, program.rsplit('/').next().unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_told_by_their_command_lines() {
        let of = |command: &[&str]| role_of(&command.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
        let gateway = of(&["/b/scenecast-gateway", "--config", "/tmp/x/scenecast-gateway-3.toml"]);
        assert_eq!(gateway, (ProcessRole::Gateway, "gateway 3".to_owned()));
        assert_eq!(of(&["redis-server 127.0.0.1:1234 [cluster]"]), (ProcessRole::Redis, "redis 1234".to_owned()));
        assert_eq!(of(&["/usr/sbin/nginx"]), (ProcessRole::Peer, "nginx".to_owned()));
        assert_eq!(of(&[]).0, ProcessRole::Peer);
    }

    #[test]
    fn this_process_is_sampled() {
        let mut samples = Samples { processes: watched(&OwnProcess::generator(vec![])), ..Samples::default() };
        samples.sample_processes(Instant::now(), &OwnProcess::generator(vec![]));
        let this = samples.processes.iter().find(|series| series.role == ProcessRole::Generator).unwrap();
        assert!(this.samples[0].rss_bytes > 1_000_000 && samples.descriptors > 2, "{this:?}");
    }

    #[tokio::test]
    async fn a_run_whose_threads_are_all_busy_is_sampled_all_the_same() {
        let recorder = Arc::new(RunRecorder::begin(SECOND));
        let sampler = Sampler::start(recorder.clone(), OwnProcess::generator(vec![])).unwrap();
        // Nothing is awaited here, so no task of this runtime gets on.
        let given_up = Instant::now() + Duration::from_secs(60);
        while sampler.samples.lock().seconds.is_empty() && Instant::now() < given_up {
            thread::yield_now();
        }
        assert!(!sampler.samples.lock().seconds.is_empty());
        assert!(sampler.finish(&recorder).processes[0].samples.len() >= 3);
    }
}
