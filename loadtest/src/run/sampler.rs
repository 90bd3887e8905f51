//! Looks at processes and counts each second, and whenever a phase changes.

use std::{
    io,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    generator::{LiveCounts, RunRecorder},
    health::{MachineTimes, ProcessReading, descriptors, machine_times, process_usage},
    plan::Phase,
    results::{ProcessRole, ProcessSample, ProcessSeries},
};

const SECOND: Duration = Duration::from_secs(1);

/// What was sampled so far.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub(super) processes: Vec<ProcessSeries>,
    /// The counts at the end of each second.
    pub(super) seconds: Vec<LiveCounts>,
    /// What the machine had done at each change of phase: since the run's start, and the phase that began.
    pub(super) machine: Vec<(Phase, MachineTimes)>,
    /// The most descriptors that this process had open.
    pub(super) descriptors: u64,
}

/// Samples a run on a thread of its own, since reading of hundreds of processes would hold up logins. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Sampler {
    samples: Arc<Mutex<Samples>>,
    _stop: DropGuard,
}

impl Sampler {
    /// Samples this process, and those that it has started. What `known` says of a process counts, and not its command line.
    pub(super) fn start(recorder: Arc<RunRecorder>, known: Vec<(ProcessRole, String, u32)>) -> io::Result<Self> {
        let mut processes = watched();
        processes.retain(|series| known.iter().all(|(.., pid)| *pid != series.pid));
        let known = known.into_iter().map(|(role, name, pid)| ProcessSeries { role, name, pid, samples: vec![] });
        processes.extend(known);
        let samples = Arc::new(Mutex::new(Samples { processes, ..Samples::default() }));
        let stop = CancellationToken::new();
        let sampling = stop.child_token().run_until_cancelled_owned(sample(recorder, samples.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        thread::Builder::new().name("sampler".to_owned()).spawn(move || runtime.block_on(sampling))?;
        Ok(Self { samples, _stop: stop.drop_guard() })
    }

    /// Takes a last sample of the processes, and answers everything.
    pub(super) fn finish(self, recorder: &RunRecorder) -> Samples {
        let mut samples = self.samples.lock();
        samples.sample_processes(recorder.began());
        // The last second is not whole.
        samples.seconds.push(recorder.counts());
        let (phase, times) = (Phase::CoolDown, machine_times());
        samples.machine.push((phase, times));
        std::mem::take(&mut *samples)
    }
}

async fn sample(recorder: Arc<RunRecorder>, samples: Arc<Mutex<Samples>>) {
    let began = recorder.began();
    let mut phase_changes = recorder.phase_changes();
    let mut second = tokio::time::Instant::from_std(began);
    samples.lock().sample_processes(began);
    loop {
        let next = second + SECOND;
        tokio::select! {
            () = tokio::time::sleep_until(next) => {
                second = next;
                let counts = recorder.counts();
                let mut samples = samples.lock();
                samples.seconds.push(counts);
                samples.sample_processes(began);
            }
            Ok(()) = phase_changes.changed() => {
                let times = machine_times();
                let phase = recorder.look(|recorded| recorded.windows.last().map(|window| window.phase));
                let mut samples = samples.lock();
                samples.machine.push((phase.unwrap_or(Phase::Ramp), times));
                samples.sample_processes(began);
            }
        }
    }
}

impl Samples {
    fn sample_processes(&mut self, began: Instant) {
        let mut is_gone = false;
        for series in &mut self.processes {
            // A process that is gone has no more samples.
            match sample_of(series.pid, began) {
                Some(sample) => series.samples.push(sample),
                None => is_gone = true,
            }
        }
        if is_gone {
            self.watch_successors(began);
        }
        self.descriptors = self.descriptors.max(descriptors().0);
    }
}

impl Samples {
    /// Samples the processes that have come in the place of others, too.
    fn watch_successors(&mut self, began: Instant) {
        for mut series in watched() {
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
fn watched() -> Vec<ProcessSeries> {
    let this = std::process::id();
    let series = |role, name: &str, pid| ProcessSeries { role, name: name.to_owned(), pid, samples: vec![] };
    let mut watched = vec![series(ProcessRole::Generator, "generator", this)];
    for process in procfs::process::all_processes().into_iter().flatten().flatten() {
        let is_child = process.stat().is_ok_and(|stat| u32::try_from(stat.ppid) == Ok(this));
        let (Ok(pid), Ok(command), true) = (u32::try_from(process.pid), process.cmdline(), is_child) else { continue };
        let (role, name) = role_of(&command);
        watched.push(series(role, &name, pid));
    }
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
        let mut samples = Samples { processes: watched(), ..Samples::default() };
        samples.sample_processes(Instant::now());
        let this = samples.processes.iter().find(|series| series.role == ProcessRole::Generator).unwrap();
        assert!(this.samples[0].rss_bytes > 1_000_000 && samples.descriptors > 2, "{this:?}");
    }

    #[tokio::test]
    async fn a_run_whose_threads_are_all_busy_is_sampled_all_the_same() {
        let recorder = Arc::new(RunRecorder::begin(SECOND));
        let sampler = Sampler::start(recorder.clone(), vec![]).unwrap();
        // Nothing is awaited here, so no task of this runtime gets on.
        let given_up = Instant::now() + Duration::from_secs(60);
        while sampler.samples.lock().seconds.is_empty() && Instant::now() < given_up {
            thread::yield_now();
        }
        assert!(!sampler.samples.lock().seconds.is_empty());
        assert!(sampler.finish(&recorder).processes[0].samples.len() >= 3);
    }
}
