//! The examples of `docs/protocol.md`, sent as they stand.

use crate::support::*;
use std::io::{Read, Write};

/// An example's text, and its bytes by direction.
type Example = (String, Vec<(char, Vec<u8>)>);

/// The example lines of the page: `> hex` is sent by the client, `< hex` by the broker; text after `#` is for people.
fn examples() -> Vec<Example> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocol.md")).unwrap();
    let mut examples = Vec::new();
    for block in page.split("```wire").skip(1) {
        let block = block.split("```").next().unwrap();
        let mut lines: Vec<(char, Vec<u8>)> = Vec::new();
        for line in block.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let text = line.split('#').next().unwrap();
            let (direction, hex) = text.split_at(1);
            let direction = direction.chars().next().unwrap();
            assert!("<>".contains(direction), "{line}");
            let bytes: Vec<u8> = hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect(line)).collect();
            match lines.last_mut() {
                Some((last, all)) if *last == direction => all.extend(bytes),
                _ => lines.push((direction, bytes)),
            }
        }
        examples.push((block.to_owned(), lines));
    }
    examples
}

#[test]
fn every_example_on_the_page_is_what_happens() {
    let examples = examples();
    assert!(examples.len() >= 5, "{} examples", examples.len());
    let broker = Broker::start(&[]);
    for (text, lines) in examples {
        let mut client = broker.connect();
        for (direction, bytes) in lines {
            if direction == '>' {
                client.stream.write_all(&bytes).unwrap();
            } else {
                let mut received = vec![0; bytes.len()];
                client.stream.read_exact(&mut received).unwrap_or_else(|error| panic!("{error} in {text}"));
                assert_eq!(received, bytes, "{received:02x?} came in answer to {text}");
            }
        }
        client.finish_sending();
        let mut rest = Vec::new();
        client.stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "{rest:02x?} came after {text}");
    }
}
