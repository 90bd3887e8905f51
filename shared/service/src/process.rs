//! The command line of every binary (`serve`, `check-config`, `healthcheck`), and what each command does.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

use crate::{
    ceilings::ConnectionCeiling,
    config::{
        environment_warnings,
        error::{ConfigError, ConfigWarning},
        load::{admin_address, load},
        types::TelemetryConfig,
        validate::Validate,
    },
    descriptors::{TooFewDescriptors, fit_to_process},
    listener::accept::ListenError,
    memory::fit_to_limit,
    outbound::{check_certificates, tell_of_unused_proxies},
    signals::{HeldSignals, Signals, StopSignals},
    telemetry,
    threads::{Threads, single_thread},
};

/// The allocator of every binary that holds pages or serves them: its `main.rs` declares it.
///
/// See docs/decisions/115-pods-use-mimalloc.md.
pub use mimalloc::MiMalloc as Allocator;

/// `EX_USAGE` of sysexits.h.
const EXIT_BAD_CONFIG: u8 = 64;

#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// The configuration file; environment variables `SCENECAST_…` go over it.
    #[arg(long, env = "SCENECAST_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// What this process does; without it, it serves.
    #[command(subcommand)]
    pub command: Option<CliCommand>,
}

impl Cli {
    /// Parses the command line of this process. Prints help or an error, and exits, if it has to.
    pub fn from_process() -> Self {
        Self::parse()
    }
}

/// What a binary can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum CliCommand {
    /// Serve until SIGTERM (the default).
    Serve,
    /// Say whether the configuration can be used, and which settings are probably mistakes; then exit.
    CheckConfig,
    /// Ask the running process on its admin listener whether it is alive, and exit.
    Healthcheck,
}

/// What the command line needs from a binary's configuration.
pub trait Binary: Validate {
    /// The address of `/healthz`, `/readyz` and `/metrics` if `listen.admin` isn't set. `None` if it has to be.
    const DEFAULT_ADMIN: Option<SocketAddr>;
    /// The settings of logs and traces.
    fn telemetry(&self) -> &TelemetryConfig;
    /// How many threads do its work.
    fn threads(&self) -> Threads {
        Threads::all_cores()
    }
    /// The limits of connections, which are lowered at the start if they don't fit the limit of open files or of memory.
    fn connection_ceilings(&mut self) -> Vec<ConnectionCeiling<'_>> {
        vec![]
    }
    /// A default filter for the log lines of libraries, such as `fred=error`; empty for none.
    const LIBRARY_LOG_FILTER: &'static str = "";
}

/// Runs the command that the process's command line names. `serve` is called for `serve`, after logs and traces have
/// started, with the signals that have come since the process started.
///
/// The exit code is 0, 64 for a configuration that can't be used or a limit of open files that is far too low, or 1 if an
/// address can't be bound, the health check fails, or a second signal to stop cuts the shutdown short.
pub fn main<C: Binary, F>(name: &'static str, serve: impl FnOnce(C, Signals) -> F) -> ExitCode
where
    F: Future<Output = Result<(), ListenError>>,
{
    let held = HeldSignals::hold();
    run(&Cli::from_process(), held, name, serve)
}

/// As [`main`], for a binary that has this command line under a subcommand, or uses it itself. Signals are `held` from its
/// first statement on, and come once they have handlers.
pub fn run<C: Binary, F>(
    cli: &Cli,
    held: HeldSignals,
    name: &'static str,
    serve: impl FnOnce(C, Signals) -> F,
) -> ExitCode
where
    F: Future<Output = Result<(), ListenError>>,
{
    let command = cli.command.unwrap_or(CliCommand::Serve);
    // A signal ends the other commands at once.
    let held = (command == CliCommand::Serve).then_some(held);
    match command {
        CliCommand::Serve => {
            // Before the configuration is read: as PID 1 a process without handlers never gets its SIGTERM.
            let server = ServingProcess::start();
            drop(held);
            with_config(cli, |config| server.run(name, config, serve))
        }
        CliCommand::CheckConfig => with_config(cli, |config: C| {
            say_good(&all_warnings(&config));
            ExitCode::SUCCESS
        }),
        CliCommand::Healthcheck => match admin_of_running::<C>(cli).and_then(healthcheck) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                print_line(&mut std::io::stderr(), &format!("not healthy: {error}"));
                ExitCode::FAILURE
            }
        },
    }
}

/// Reads the configuration, and goes on with it if it can be used.
fn with_config<C: Binary>(cli: &Cli, go_on: impl FnOnce(C) -> ExitCode) -> ExitCode {
    match load(cli.config.as_deref(), environment()) {
        Ok(config) => go_on(config),
        Err(error) => bad_config(&error),
    }
}

/// The environment variables. Those whose name isn't UTF-8 are left out; none of ours is. In a value that isn't, U+FFFD
/// replaces what can't be read, and so the configuration is refused by name.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
}

/// A process that will serve: it has a runtime with one thread, and gets its signals.
struct ServingProcess {
    runtime: Runtime,
    signals: Signals,
    /// The same signals again, for whoever doesn't want to wait.
    hurry: StopSignals,
}

impl ServingProcess {
    fn start() -> Self {
        let runtime = single_thread();
        let entered = runtime.enter();
        let signals = Signals::catch();
        let hurry = StopSignals::catch();
        drop(entered);
        Self { runtime, signals, hurry }
    }

    fn run<C: Binary, F>(self, name: &'static str, mut config: C, serve: impl FnOnce(C, Signals) -> F) -> ExitCode
    where
        F: Future<Output = Result<(), ListenError>>,
    {
        if let Err(error) = check_certificates() {
            print_line(&mut std::io::stderr(), &format!("machine: {error}"));
            return ExitCode::from(EXIT_BAD_CONFIG);
        }
        let telemetry = match telemetry::start(name, C::LIBRARY_LOG_FILTER, config.telemetry()) {
            Ok(telemetry) => telemetry,
            Err(error) => return bad_config(&error),
        };
        all_warnings(&config).iter().for_each(ConfigWarning::log);
        tell_of_unused_proxies(environment());
        if let Err(error) = fit_ceilings(&mut config.connection_ceilings()) {
            tracing::error!(%error, "the process stops, because it can't serve");
            telemetry.flush();
            return ExitCode::from(EXIT_BAD_CONFIG);
        }
        let Self { runtime, signals, hurry } = self;
        // Signals that were caught in one runtime reach whoever waits for them in another one.
        let runtime = config.threads().runtime(runtime);
        let code = runtime.block_on(async {
            tokio::select! {
                served = serve(config, signals) => exit_code(&served),
                () = hurry.second() => {
                    tracing::warn!("got a second signal to stop: the process ends at once and drops its connections");
                    ExitCode::FAILURE
                }
            }
        });
        // Not dropped: that would wait for name look-ups in progress.
        runtime.shutdown_background();
        telemetry.flush();
        code
    }
}

/// Lowers the limits of connections to what the process can hold, and says what it may have.
fn fit_ceilings(ceilings: &mut [ConnectionCeiling<'_>]) -> Result<(), TooFewDescriptors> {
    let open_files = fit_to_process(ceilings)?;
    let memory_limit_mib = fit_to_limit(ceilings);
    for ConnectionCeiling { setting, connections, .. } in ceilings {
        tracing::info!(
            setting,
            connections = connections.get(),
            open_files,
            memory_limit_mib,
            "the process accepts so many connections"
        );
    }
    Ok(())
}

fn exit_code(served: &Result<(), ListenError>) -> ExitCode {
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the process stops, because it can't serve");
            ExitCode::FAILURE
        }
    }
}

/// What is probably a mistake in the settings, or in the environment.
fn all_warnings(config: &impl Validate) -> Vec<ConfigWarning> {
    let mut warnings = environment_warnings(environment());
    warnings.extend(config.warnings());
    warnings
}

fn say_good(warnings: &[ConfigWarning]) {
    for warning in warnings {
        print_line(&mut std::io::stderr(), &format!("warning: {warning}"));
    }
    let verdict = if warnings.is_empty() {
        "the configuration is good"
    } else {
        "the configuration can be used; mind the warnings"
    };
    print_line(&mut std::io::stdout(), verdict);
}

fn bad_config(error: &ConfigError) -> ExitCode {
    for text in error.texts() {
        print_line(&mut std::io::stderr(), &format!("configuration: {text}"));
    }
    ExitCode::from(EXIT_BAD_CONFIG)
}

/// Prints a line. A closed terminal is not an error.
fn print_line(to: &mut impl Write, text: &str) {
    let _ = writeln!(to, "{text}");
}

/// Where the running process has its admin listener. Nothing else of the configuration is looked at: it may have changed
/// since the process started, and be wrong now, and then the process serves on.
fn admin_of_running<C: Binary>(cli: &Cli) -> std::io::Result<SocketAddr> {
    let text = || cli.config.as_deref().map_or_else(String::new, text_now);
    let address = admin_address(text, environment()).or(C::DEFAULT_ADMIN);
    address.ok_or_else(|| std::io::Error::other("listen.admin isn't set, and so the process can't be asked"))
}

/// The file's text as it is now; empty if it can't be read, which is said.
fn text_now(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap_or_else(|error| {
        let text = format!(
            "warning: {}: {error}; if it said where the process listens, set SCENECAST_LISTEN__ADMIN, too",
            file.display()
        );
        print_line(&mut std::io::stderr(), &text);
        vec![]
    });
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Asks `/healthz`, within 2 s. The error says where.
fn healthcheck(admin: SocketAddr) -> std::io::Result<()> {
    ask_health(admin).map_err(|error| std::io::Error::new(error.kind(), format!("/healthz at {admin}: {error}")))
}

/// Uses no async runtime and no HTTP client, because a probe runs this every few seconds and it has to be quick.
fn ask_health(admin: SocketAddr) -> std::io::Result<()> {
    let limit = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&from_this_machine(admin), limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    if answer == *b"HTTP/1.1 200" { Ok(()) } else { Err(std::io::Error::other("the answer is not 200")) }
}

/// Where a process that listens on this address is reached from its own machine, which always has an IPv4 loopback.
pub fn from_this_machine(listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() { (Ipv4Addr::LOCALHOST, listen.port()).into() } else { listen }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_listens_on_all_addresses_is_reached_on_loopback() {
        for (listen, reached) in [
            ("[::]:9090", "127.0.0.1:9090"),
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("10.0.0.1:9090", "10.0.0.1:9090"),
            ("[fd00::1]:9090", "[fd00::1]:9090"),
        ] {
            assert_eq!(from_this_machine(listen.parse().unwrap()), reached.parse().unwrap());
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
