//! `cpan-bridge get`: fetches a URL into a file, in this process: no broker is needed.
//!
//! It is `http_helper.download` with a bar on the terminal; what holds for that holds here.

use super::fail;
use super::progress::Bar;
use super::say::{clean_line, complain};
use crate::modules::{Offer, registry};
use clap::{Arg, ArgAction, ArgMatches, Command};
use kit::call::Control;
use kit::cancellation::Cancellation;
use kit::handles::Lease;
use kit::protocol::{Buffer, CallError, Code};
use kit::{Call, Caller};
use nix::sys::signal::{SigSet, Signal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use url::Url;

/// The subcommand.
pub fn command() -> Command {
    Command::new("get")
        .about("Fetches a URL into a file")
        .long_about(
            "Fetches a URL into a file, with a progress bar on a terminal. The file is written under another name and renamed \
             when it is whole; what fails leaves nothing behind. Proxies are those of http_proxy, https_proxy and no_proxy; \
             certificate authorities the system's, or those of SSL_CERT_FILE. No broker is needed.\n\n\
             Exit status: 0 if the file is there, 1 if not, 2 for a command line that makes no sense, 130 when interrupted.",
        )
        .arg(Arg::new("url").value_name("URL").required(true).help("http:// or https://"))
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .help("The file; by default the last part of the URL's path, in the current directory")
                .value_parser(clap::value_parser!(PathBuf)),
        )
        .arg(
            Arg::new("header")
                .long("header")
                .short('H')
                .value_name("NAME: VALUE")
                .action(ArgAction::Append)
                .help("A header of the request; may come more than once"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("SECONDS")
                .value_parser(clap::value_parser!(f64))
                .help("How long the server may do nothing [default: 180]"),
        )
        .arg(
            Arg::new("insecure")
                .long("insecure")
                .short('k')
                .action(ArgAction::SetTrue)
                .help("Does not check the server's certificate"),
        )
        .arg(Arg::new("quiet").long("quiet").short('q').action(ArgAction::SetTrue).help("Says nothing unless it fails"))
}

/// The parameters of `http_helper.download`.
#[derive(Serialize)]
struct Download<'a> {
    url: &'a str,
    path: String,
    headers: BTreeMap<String, Vec<String>>,
    mode: String,
    verify_ssl: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<f64>,
}

/// What of its result is told.
#[derive(Deserialize)]
struct Downloaded {
    success: bool,
    status_line: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    bytes: u64,
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    let url = flags.get_one::<String>("url").map(String::as_str).unwrap_or_default();
    let given = flags.get_one::<PathBuf>("file").cloned();
    let Some(file) = given.or_else(|| name_of(url)) else {
        return fail(2, &format_args!("{url} names no file; say which file it is to become"));
    };
    let headers = match headers(flags.get_many::<String>("header").into_iter().flatten()) {
        Ok(headers) => headers,
        Err(error) => return fail(2, &error),
    };
    let path = match std::path::absolute(&file) {
        Ok(path) => path,
        Err(error) => return fail(1, &error),
    };
    let download = Download {
        url,
        path: path.display().to_string(),
        headers,
        mode: format!("{:o}", 0o666 & !umask()),
        verify_ssl: !flags.get_flag("insecure"),
        timeout: flags.get_one::<f64>("timeout").copied(),
    };
    let quiet = flags.get_flag("quiet");
    let bar = Arc::new(Mutex::new(Bar::new(&shown(&file), !quiet && std::io::stderr().is_terminal())));
    let outcome = fetch(&download, &bar);
    let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
    match outcome {
        Ok(answer) if answer.success => {
            bar.finish("");
            if !quiet && !std::io::stderr().is_terminal() {
                complain(&format!("{}: {} bytes", clean_line(&shown(&file)), answer.bytes));
            }
            ExitCode::SUCCESS
        }
        Ok(answer) => {
            bar.finish(&answer.status_line);
            fail(1, &answer.error.unwrap_or(answer.status_line))
        }
        Err(error) => {
            bar.finish("");
            fail(if error.code == Code::Cancelled { 130 } else { 1 }, &error.message)
        }
    }
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The file that a URL names: the last part of its path, which is never a way to another directory.
fn name_of(url: &str) -> Option<PathBuf> {
    let url = Url::parse(url).ok()?;
    let last = url.path_segments()?.next_back()?.to_owned();
    let plain = !last.is_empty() && last != "." && last != ".." && !last.contains('%');
    plain.then(|| PathBuf::from(last))
}

fn headers<'a>(given: impl Iterator<Item = &'a String>) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for header in given {
        let (name, value) = header.split_once(':').ok_or_else(|| format!("{header} is no header: NAME: VALUE is"))?;
        headers.entry(name.trim().to_owned()).or_default().push(value.trim().to_owned());
    }
    Ok(headers)
}

fn umask() -> u32 {
    use nix::sys::stat::{Mode, umask};
    let mask = umask(Mode::from_bits_truncate(0o077));
    umask(mask);
    mask.bits()
}

fn fetch(download: &Download<'_>, bar: &Arc<Mutex<Bar>>) -> Result<Downloaded, CallError> {
    let internal = |error: String| CallError::new(Code::Internal, error);
    let params = rmp_serde::to_vec_named(download).map_err(|error| internal(error.to_string()))?;
    let registry = registry(Offer::default());
    let function = registry.function(registry.find("http_helper.download")?);
    let cancellation = Arc::new(Cancellation::default());
    cancel_on_signal(&cancellation).map_err(|error| internal(error.to_string()))?;
    let bar = Arc::clone(bar);
    let report = move |(done, total, _): (u64, Option<u64>, &'static str)| {
        bar.lock().unwrap_or_else(PoisonError::into_inner).update(done, total);
    };
    let control = Control::new(cancellation, Some(Box::new(report)));
    let uid = nix::unistd::Uid::effective().as_raw();
    let caller = Caller::owner(uid, i32::try_from(std::process::id()).unwrap_or(0));
    let (mut lease, mut out) = (Lease::default(), Buffer::new());
    function.run(&mut Call::on_worker(caller, &mut lease, &control, &mut out), &params)?;
    rmp_serde::from_slice(out.as_slice()).map_err(|error| internal(error.to_string()))
}

/// An interrupted transfer ends as one that was given up: nothing stays behind.
fn cancel_on_signal(cancellation: &Arc<Cancellation>) -> Result<(), Box<dyn std::error::Error>> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block()?;
    let cancellation = Arc::clone(cancellation);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if signals.wait().is_ok() {
            cancellation.cancel();
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file_or_does_not() {
        for (url, name) in [
            ("https://h/a/b.tar.gz?x=1#y", Some("b.tar.gz")),
            ("https://h/a/", None),
            ("https://h", None),
            ("https://h/..", None),
            ("https://h/%2e%2e%2fetc", None),
            ("nonsense", None),
        ] {
            assert_eq!(name_of(url), name.map(PathBuf::from), "{url}");
        }
    }

    #[test]
    fn headers_are_names_and_values() {
        let given = ["A: b".to_owned(), "a:c:d".to_owned(), "A: e".to_owned()];
        let headers = headers(given.iter()).unwrap();
        assert_eq!(headers["A"], ["b", "e"]);
        assert_eq!(headers["a"], ["c:d"]);
        assert!(super::headers([&"nothing".to_owned()].into_iter()).is_err());
    }
}
