//! Bodies in chunks: in whatever pieces they come and with however much room, the same is read of them, and no more than came.
#![no_main]

use http::chunks::{Chunks, Wrong};
use libfuzzer_sys::fuzz_target;

/// The body, how much was read, whether it was over, and the trailers.
type Outcome = Result<(Vec<u8>, usize, bool, Vec<u8>), Wrong>;

fn read(input: &[u8], piece: usize, room: usize) -> Outcome {
    let (mut chunks, mut body, mut at) = (Chunks::default(), Vec::new(), 0);
    while at < input.len() && !chunks.is_over() {
        let count = chunks.read(&input[at..input.len().min(at + piece)], &mut body, room)?;
        assert!(count > 0 || chunks.is_over(), "it goes on");
        at += count;
    }
    assert!(body.len() + chunks.trailers().len() <= at);
    Ok((body, at, chunks.is_over(), chunks.trailers().to_vec()))
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (piece, room, bytes) = input;
    let whole = read(bytes, usize::MAX / 2, usize::MAX);
    let pieces = read(bytes, usize::from(piece) + 1, usize::from(room) + 1);
    // How far it went wrong depends on where it was looked at; that it did does not.
    match (whole, pieces) {
        (Ok(whole), Ok(pieces)) => assert_eq!(whole, pieces),
        (whole, pieces) => assert!(whole.is_err() && pieces.is_err()),
    }
});
