//! The program; see `cpan_bridge::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cpan_bridge::cli::main()
}
