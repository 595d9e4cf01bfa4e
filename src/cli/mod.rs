//! The commands.

mod demo;
mod healthcheck;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;

use crate::api::openapi;
use crate::app::App;
use crate::config::command_line::{self, Task};
use crate::config::{self, Config, ConfigErrors, Layers, Variables};
use crate::mock;
use crate::secret_file::Kept;
use crate::telemetry::{self, Exporter};

/// Reads the command line and does what it says.
pub fn run() -> ExitCode {
    let (task, flags) = command_line::parse();
    match perform(task, flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task, flags: Variables) -> anyhow::Result<()> {
    match task {
        Task::OpenApi => {
            say(&openapi::document().to_pretty_json()?);
            Ok(())
        }
        Task::CheckConfig => check_config(&config::gather(flags)?),
        Task::Healthcheck => healthcheck::run(&configuration(flags)?),
        Task::Mock(listen, options) => block_on(async move {
            let listener = TcpListener::bind(listen)
                .await
                .with_context(|| format!("cannot listen on {listen}"))?;
            telemetry::start_logging(&configuration(Variables::new())?.log);
            announce(listener.local_addr()?);
            Ok(mock::serve(listener, options, stopped()).await?)
        }),
        Task::Serve => {
            let config = configuration(flags)?;
            telemetry::start_logging(&config.log);
            let exporter = Exporter::start()?;
            block_on(async move {
                let stopped = stopped();
                let mut app = App::build(&config, exporter).await?;
                if let Some(made) = app.take_made_key() {
                    show_once(&made);
                }
                announce(app.address()?);
                app.run(stopped).await;
                Ok(())
            })
        }
        Task::Demo => {
            let mut config = configuration(flags)?;
            // The table is what there is to see; warnings still show.
            "warn".clone_into(&mut config.log.filter);
            telemetry::start_logging(&config.log);
            let exporter = Exporter::start()?;
            block_on(async move { demo::run(config, exporter, stopped()).await })
        }
    }
}

fn configuration(flags: Variables) -> Result<Config, ConfigErrors> {
    Config::understand(&config::gather(flags)?)
}

fn check_config(layers: &Layers) -> anyhow::Result<()> {
    for (name, value, source) in config::describe(layers) {
        say(&format!("{name:<28} {value:<40} {source}"));
    }
    Config::understand(layers)?;
    say("\nThe configuration is valid.");
    Ok(())
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    // Two TLS users, one provider; it is an error only if it was chosen before.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(work)
}

fn announce(address: std::net::SocketAddr) {
    tracing::info!(target: "reprise::start", %address, "listening");
}

/// Shows a key that was just made, the only time it is ever shown.
fn show_once(made: &Kept) {
    let key = made.secret.expose_secret();
    let kept = match &made.file {
        Some(file) => format!("kept in {}", file.display()),
        None => "kept nowhere: another one will be made at the next start".to_owned(),
    };
    say(&format!(
        "\nThe key of the administration, shown this once and {kept}:\n\n    {key}\n"
    ));
}

/// Completes when the process is told to stop: SIGTERM or SIGINT. Listens from now on,
/// not from when it is first waited for: a signal before that would end the process.
/// To be called in a runtime.
fn stopped() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind: SignalKind, name: &'static str| {
        signal(kind)
            .inspect_err(|error| tracing::error!(%error, "cannot listen for {name}"))
            .ok()
    };
    let terminated = listen(SignalKind::terminate(), "SIGTERM");
    let interrupted = listen(SignalKind::interrupt(), "SIGINT");
    async move {
        let told = async |signal: Option<tokio::signal::unix::Signal>| match signal {
            Some(mut signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        };
        tokio::select! {
            () = told(terminated) => {}
            () = told(interrupted) => {}
        }
    }
}

/// Writes a line to standard output. Whoever stops reading has read enough.
fn say(text: &str) {
    drop(writeln!(std::io::stdout(), "{text}"));
}

#[expect(clippy::print_stderr, reason = "the log may not have been started")]
fn complain(error: &anyhow::Error) {
    eprintln!("reprise: {error:#}");
}
