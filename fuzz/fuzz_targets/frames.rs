//! A stream in either framing, whole and in pieces: the same messages, or the same error.
#![no_main]

use kit::protocol::framing::{Cut, Cutter, FramingError};
use libfuzzer_sys::fuzz_target;

const MAX_FRAME: usize = 1000;

fn cut_all(stream: &[u8], pieces: &[u8]) -> (Vec<Vec<u8>>, Option<FramingError>) {
    let (mut cutter, mut buffered, mut messages) = (Cutter::default(), Vec::new(), Vec::new());
    let mut rest = stream;
    for piece in pieces.iter().map(|piece| usize::from(*piece)).chain([usize::MAX]) {
        let (now, later) = rest.split_at(piece.min(rest.len()));
        buffered.extend_from_slice(now);
        rest = later;
        loop {
            match cutter.cut(&buffered, MAX_FRAME) {
                Ok(Cut::Message { start, end }) => {
                    assert!(start < end && end <= buffered.len());
                    messages.push(buffered[start..end].to_vec());
                    buffered.drain(..end);
                }
                Ok(Cut::Incomplete) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

fuzz_target!(|input: (&[u8], &[u8])| {
    let (pieces, stream) = input;
    let (whole, error) = cut_all(stream, &[]);
    let (split, split_error) = cut_all(stream, pieces);
    assert_eq!(whole, split);
    assert_eq!(error.is_some(), split_error.is_some());
});
