//! CPAN Bridge with a module of one's own.

use std::process::ExitCode;

fn main() -> ExitCode {
    cpan_bridge::modules::add(&[text_module::module]);
    cpan_bridge::cli::main()
}
