//! The process: runs the command line, turns its result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    reprise::cli::run()
}
