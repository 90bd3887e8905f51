//! Looks at processes and counts each second, and whenever a phase changes.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use procfs::process::Process;

use crate::{
    generator::{LiveCounts, RunRecorder},
    health::{MachineTimes, descriptors, machine_times},
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
}

/// Samples a run in a task of its own. Dropping it ends the task.
#[derive(Debug)]
pub(super) struct Sampler {
    samples: Arc<Mutex<Samples>>,
    task: tokio::task::AbortHandle,
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sampler {
    /// Samples this process, and those that it has started.
    pub(super) fn start(recorder: Arc<RunRecorder>, own: &OwnProcess) -> Self {
        let samples = Arc::new(Mutex::new(Samples { processes: watched(own), ..Samples::default() }));
        let task = tokio::spawn(sample(recorder, samples.clone())).abort_handle();
        Self { samples, task }
    }

    /// Looks at what was sampled so far.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Samples) -> T) -> T {
        look(&self.samples.lock())
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
            () = recorder.phase_changed() => {
                let times = machine_times();
                let phase = recorder.look(|recorded| recorded.windows.last().map(|window| window.phase));
                let mut samples = samples.lock();
                samples.machine.push((phase.unwrap_or(Phase::Ramp), times));
                samples.sample_processes(began);
            }
        }
    }
}

impl OwnProcess {
    /// The generator of a run without workers.
    pub(super) fn generator() -> Self {
        Self { role: ProcessRole::Generator, name: "generator".to_owned(), ignored: vec![] }
    }
}

impl Samples {
    fn sample_processes(&mut self, began: Instant) {
        for series in &mut self.processes {
            // A process that is gone has no more samples.
            if let Some(sample) = sample_of(series.pid, began) {
                series.samples.push(sample);
            }
        }
        let (used, limit) = descriptors();
        self.descriptors = self.descriptors.max(used);
        self.descriptors_limit = limit;
    }
}

fn sample_of(pid: u32, began: Instant) -> Option<ProcessSample> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    let stat = process.stat().ok()?;
    let ticks = u32::try_from(stat.utime + stat.stime).ok()?;
    let per_second = u32::try_from(procfs::ticks_per_second()).ok()?;
    Some(ProcessSample {
        at_seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: f64::from(ticks) / f64::from(per_second),
        rss_bytes: stat.rss * procfs::page_size(),
        descriptors: process.fd_count().ok().and_then(|count| count.try_into().ok()).unwrap_or_default(),
    })
}

/// This process, and those that it has started.
fn watched(own: &OwnProcess) -> Vec<ProcessSeries> {
    let this = std::process::id();
    let series = |role, name: &str, pid| ProcessSeries { role, name: name.to_owned(), pid, samples: vec![] };
    let mut watched = vec![series(own.role, &own.name, this)];
    for process in procfs::process::all_processes().into_iter().flatten().flatten() {
        let is_child = process.stat().is_ok_and(|stat| u32::try_from(stat.ppid) == Ok(this));
        let (Ok(pid), Ok(command), true) = (u32::try_from(process.pid), process.cmdline(), is_child) else { continue };
        if own.ignored.contains(&pid) {
            continue;
        }
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
        let mut samples = Samples { processes: watched(&OwnProcess::generator()), ..Samples::default() };
        samples.sample_processes(Instant::now());
        let this = samples.processes.iter().find(|series| series.role == ProcessRole::Generator).unwrap();
        assert!(this.samples[0].rss_bytes > 1_000_000 && samples.descriptors > 2, "{this:?}");
    }
}
