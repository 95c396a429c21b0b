//! `cpan-bridge oneshot`: one request from standard input, its answer to standard output, no broker, no state.
//!
//! For hosts where no broker can run, and for clients that were told to use none.

use super::{configure, fail, settings_flags};
use crate::config::Config;
use crate::modules::{Offer, registry};
use clap::{ArgMatches, Command};
use kit::protocol::framing::{Cut, Cutter, Framing};
use kit::protocol::message::{Kind, Message, parse};
use kit::protocol::reply::{Answer, write_rpc_error};
use kit::protocol::{Buffer, CallError, Code};
use kit::{Call, Caller};
use std::io::{self, Read, Write};
use std::process::ExitCode;

/// The subcommand.
pub fn command() -> Command {
    Command::new("oneshot")
        .about("Answers one request on standard input and exits: no broker, no state")
        .long_about(
            "Reads one request from standard input, in either framing of the protocol, answers it on standard output and \
             exits. Calls that keep state (crypto.new) or report on a broker (system.health) fail here and say so.",
        )
        .args(settings_flags(|setting| setting.name == "max_frame"))
}

/// Runs it.
pub fn run(flags: &ArgMatches) -> ExitCode {
    let config = match configure(flags) {
        Ok(config) => config,
        Err(error) => return fail(2, &error),
    };
    if let Err(error) = crate::broker::keep_secrets() {
        return fail(1, &error);
    }
    match answer(&config, &mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(code) => code,
        Err(error) => fail(1, &error),
    }
}

/// Answers one request. Exit code 1 if what came was none.
fn answer(config: &Config, input: &mut impl Read, output: &mut impl Write) -> io::Result<ExitCode> {
    let mut received = Buffer::new();
    let mut cutter = Cutter::default();
    let mut out = Buffer::new();
    let cut = read_message(config, input, &mut received, &mut cutter)?;
    let framing = cutter.framing().unwrap_or(Framing::Bare);
    let message =
        cut.and_then(|(start, end)| parse(&received.as_slice()[start..end]).map_err(|malformed| malformed.to_string()));
    let code = match message {
        Ok(message) => {
            respond(config, framing, message, &mut out);
            ExitCode::SUCCESS
        }
        Err(why) => {
            write_rpc_error(&mut out, framing, &CallError::new(Code::Protocol, why));
            ExitCode::FAILURE
        }
    };
    output.write_all(out.as_slice())?;
    output.flush()?;
    Ok(code)
}

fn respond(config: &Config, framing: Framing, message: Message<'_>, out: &mut Buffer) {
    let msgid = match message.kind {
        Kind::Request { msgid } => Some(msgid),
        Kind::Notification => None,
        // Nothing is under way that could be given up.
        Kind::Cancel { .. } => return,
    };
    let registry = registry(Offer::default());
    let uid = nix::unistd::Uid::effective().as_raw();
    let caller = Caller::owner(uid, nix::unistd::getppid().as_raw());
    let answer = Answer::begin(out, framing, msgid.unwrap_or(0), config.max_frame);
    let result = registry.find(message.method).and_then(|function| {
        let mut thawed = Buffer::new();
        let arguments = message.thawed(&mut thawed)?.arguments()?;
        registry.function(function).run(&mut Call::detached(caller, out), arguments.params)
    });
    match result {
        // An answer that is too large has become an error already.
        Ok(()) => drop(answer.finish(out)),
        Err(error) => answer.fail(out, &error),
    }
    if msgid.is_none() {
        answer.take_back(out);
    }
}

type Range = Result<(usize, usize), String>;

fn read_message(
    config: &Config,
    input: &mut impl Read,
    received: &mut Buffer,
    cutter: &mut Cutter,
) -> io::Result<Range> {
    let mut chunk = vec![0; 64 * 1024];
    let range = loop {
        match cutter.cut(received.as_slice(), config.max_frame) {
            Ok(Cut::Message { start, end }) => break Ok((start, end)),
            Err(error) => break Err(error.to_string()),
            Ok(Cut::Incomplete) => {}
        }
        match input.read(&mut chunk)? {
            0 => break Err("the input ends before a whole request".to_owned()),
            count => received.push(&chunk[..count]),
        }
    };
    kit::protocol::buffer::wipe(&mut chunk);
    Ok(range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Values;

    fn ask(bytes: &[u8]) -> (rmpv::Value, bool) {
        let config = Config::new(Values::defaults()).unwrap();
        let mut out = Vec::new();
        let code = answer(&config, &mut &bytes[..], &mut out).unwrap();
        let body = if bytes[0] < 0x80 { &out[4..] } else { &out[..] };
        (rmpv::decode::read_value(&mut &body[..]).unwrap(), code == ExitCode::SUCCESS)
    }

    fn request(method: &str, params: rmpv::Value) -> Vec<u8> {
        let message = rmpv::Value::Array(vec![0.into(), 9.into(), method.into(), params]);
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &message).unwrap();
        bytes
    }

    fn framed(bytes: Vec<u8>) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat()
    }

    #[test]
    fn one_request_in_either_framing_gets_its_answer() {
        let params = rmpv::Value::Map(vec![("a".into(), 1.into())]);
        let bare = request("test.echo", params.clone());
        for bytes in [bare.clone(), framed(bare)] {
            let (answer, success) = ask(&bytes);
            assert!(success);
            assert_eq!(answer, rmpv::Value::Array(vec![1.into(), 9.into(), rmpv::Value::Nil, params.clone()]));
        }
    }

    #[test]
    fn a_call_that_keeps_state_says_that_it_needs_a_broker() {
        let (answer, success) = ask(&request("crypto.new", rmpv::Value::Map(vec![("key".into(), "k".into())])));
        assert!(success);
        assert_eq!(answer[2]["code"], "failed".into());
        assert!(answer[2]["message"].as_str().unwrap().contains("running broker"), "{answer}");
    }

    #[test]
    fn what_is_no_request_is_said_so() {
        for bytes in [&b"\x00\x00\x00\x00"[..], b"\x94\x00", b"\xff"] {
            let config = Config::new(Values::defaults()).unwrap();
            let mut out = Vec::new();
            assert_eq!(answer(&config, &mut &bytes[..], &mut out).unwrap(), ExitCode::FAILURE);
            assert!(out.windows(9).any(|window| window == b"rpc.error"));
        }
    }
}
