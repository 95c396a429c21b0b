//! `cpan-bridge oneshot`: a process for one call.

use crate::support::*;
use std::io::Write;
use std::process::Stdio;

#[test]
fn a_request_on_standard_input_is_answered_on_standard_output() {
    let mut child = program().arg("oneshot").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let params = map([("data", "abc".into()), ("algorithm", "SHA256".into())]);
    child.stdin.take().unwrap().write_all(&frame(&encode(&request(7, "crypto.hash", params)))).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let answer = rmpv::decode::read_value(&mut &output.stdout[4..]).unwrap();
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(answer[3]["hash"], hash.into(), "{answer}");
}
