//! What the broker does with bytes, piece by piece: cutting frames, reading messages, finding and running a function,
//! writing answers. `cargo bench --bench codec`.

use cpan_bridge::modules::{Offer, registry};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kit::protocol::Buffer;
use kit::protocol::framing::{Cut, Cutter, Framing};
use kit::protocol::message::parse;
use kit::protocol::reply::{Answer, write_value};
use kit::{Call, Caller};
use std::hint::black_box;
use std::time::Duration;

const MAX_FRAME: usize = 16 << 20;

/// A request with `size` bytes of text among its parameters.
fn request(method: &str, size: usize) -> Vec<u8> {
    let text = "x".repeat(size);
    let params = rmpv::Value::Map(vec![("data".into(), text.into())]);
    let message = rmpv::Value::Array(vec![0.into(), 7.into(), method.into(), params]);
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &message).expect("writing to memory");
    bytes
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).expect("a small message").to_be_bytes()[..], message].concat()
}

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frames");
    let message = request("test.echo", 32);
    for (name, batch) in [("framed", framed(&message).repeat(100)), ("bare", message.repeat(100))] {
        group.throughput(Throughput::Elements(100));
        group.bench_function(BenchmarkId::new("cut", name), |b| {
            b.iter(|| {
                let mut cutter = Cutter::default();
                let (mut at, mut count) = (0, 0);
                while let Ok(Cut::Message { end, .. }) = cutter.cut(black_box(&batch[at..]), MAX_FRAME) {
                    at += end;
                    count += 1;
                }
                assert_eq!(count, 100);
            });
        });
    }
    group.finish();
}

fn codec(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec");
    for size in [0, 1_000, 100_000] {
        let message = request("test.echo", size);
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_with_input(BenchmarkId::new("parse", size), &message, |b, message| {
            b.iter(|| black_box(parse(black_box(message)).is_ok()));
        });
        let text = "x".repeat(size);
        let mut out = Buffer::new();
        group.bench_with_input(BenchmarkId::new("answer", size), &text, |b, text| {
            b.iter(|| {
                let answer = Answer::begin(&mut out, Framing::Framed, 7, MAX_FRAME);
                write_value(&mut out, text).expect("a text can be written");
                answer.finish(&mut out).expect("it fits");
                out.clear();
            });
        });
    }
    group.finish();
}

fn dispatch(c: &mut Criterion) {
    let mut group = c.benchmark_group("dispatch");
    let registry = registry(Offer::default());
    let mut out = Buffer::new();
    for (method, size) in [("test.echo", 32), ("crypto.hash", 32), ("crypto.hash", 10_000)] {
        let message = request(method, size);
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new(method, size), |b| {
            b.iter(|| {
                let message = parse(black_box(&message)).expect("a request");
                let function = registry.function(registry.find(message.method).expect("a function"));
                let arguments = message.arguments().expect("named parameters");
                let mut call = Call::detached(Caller::default(), &mut out);
                function.run(&mut call, arguments.params).expect("a result");
                out.clear();
            });
        });
    }
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
}

criterion_group! { name = benches; config = short(); targets = frames, codec, dispatch }
criterion_main!(benches);
